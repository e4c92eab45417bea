"""Sets nodes up, each in a thread of its own: it takes minutes, and the other names are not to wait."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Protocol

from starcluster import names
from starcluster.logger import log
from starcluster.model import Instance
from starcluster.supervisor import agentlink
from starcluster.supervisor.agentlink import Shell
from starcluster.supervisor.journal import Journal
from starcluster.supervisor.memory import Memory
from starcluster.supervisor.wishes import Wish


class Machines(Protocol):
    """What a set-up needs of supervisor/machines.py."""

    def shell(self, instance: Instance) -> Shell: ...
    def set_up(self, instance: Instance, *, progress: Callable[[str], None]) -> Instance: ...


class SetUps:
    """`busy`: by instance id, what goes on beside the loop; `ended()` is called after each set-up."""

    def __init__(
        self,
        *,
        cluster: str,
        machines: Machines,
        memory: Memory,
        journal: Journal,
        scale: float,
        imds: str,
        busy: dict[str, str],
        ended: Callable[[], None],
        spawn: Callable[[Callable[[], None]], None] | None = None,
    ) -> None:
        self.cluster, self.machines, self.memory, self.journal = cluster, machines, memory, journal
        self.scale, self.imds, self.busy, self._ended = scale, imds, busy, ended
        self._spawn = spawn or _in_thread

    def begin(self, instance: Instance, wish: Wish, *, whole: bool) -> None:
        """`whole`: from SSH on; else only its agent is started."""
        if instance.id in self.busy:
            return
        self.busy[instance.id] = f"{instance.id} is being set up"
        self._spawn(lambda: self._job(instance, wish, whole))

    def _job(self, instance: Instance, wish: Wish, whole: bool) -> None:
        try:
            self._set_up(instance, wish, whole=whole)
        except Exception as error:  # noqa: BLE001  the edge of a thread: a fault of one set-up stops no other name
            self._failed(instance, wish, error)
        else:
            self.memory.set_up_failures.pop(instance.id, None)
            self.memory.unusable.pop(names.fold(wish.name), None)
            self.memory.went_well(names.fold(wish.name))
        finally:
            self.busy.pop(instance.id, None)
            self._ended()

    def _set_up(self, instance: Instance, wish: Wish, *, whole: bool) -> None:
        if whole:
            instance = self.machines.set_up(instance, progress=lambda word: self._progress(wish, instance, word))
            self.memory.note_set_up(instance.id)
        shell = self.machines.shell(instance)
        agentlink.install(shell, fresh=whole)
        agentlink.call(shell, "start", settings=self._agent_settings(instance, wish))
        self.journal.add(wish.name, "agent", instance=instance.id)

    def _progress(self, wish: Wish, instance: Instance, word: str) -> None:
        self.journal.add(wish.name, word.replace(" /home", "").replace(" ", "-"), instance=instance.id)
        log.info("%s: %s (%s)", wish.name, word, instance.id)

    def _agent_settings(self, instance: Instance, wish: Wish) -> dict[str, Any]:
        return {
            "name": wish.name,
            "cluster": self.cluster,
            "instance_id": instance.id,
            "agent": agentlink.package()[0],
            "scale": self.scale,
            "imds": self.imds,
            "volumes": [device.volume_id for device in instance.data_devices],
            "home_is_mount": True,
        }

    def _failed(self, instance: Instance, wish: Wish, error: Exception) -> None:
        failures = self.memory.set_up_failures.get(instance.id, 0) + 1
        self.memory.set_up_failures[instance.id] = failures
        told = str(error).splitlines()
        why = self.memory.set_up_errors[instance.id] = told[0] if told else repr(error)
        words = f"the set-up of {instance.id} failed: {why}"
        self.memory.back_off(names.fold(wish.name), words)
        self.journal.add(wish.name, "set-up-failed", instance=instance.id, error=str(error), times=failures)
        log.warning("%s: %s", wish.name, words)
        log.debug("%s: set-up", wish.name, exc_info=error)


def _in_thread(job: Callable[[], None]) -> None:
    """A daemon thread: its work may be cut off at any moment, and is then done again by the next driver."""
    threading.Thread(target=job, name="set-up", daemon=True).start()

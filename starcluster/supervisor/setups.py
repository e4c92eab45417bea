"""Sets nodes up, each in a thread of its own: it takes minutes, and the other names are not to wait."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from starcluster import exception, names
from starcluster.clock import Clock, wait_until
from starcluster.cluster.record import PREPARED
from starcluster.logger import log
from starcluster.model import Instance
from starcluster.supervisor import agentlink
from starcluster.supervisor.agentlink import AgentError, Shell
from starcluster.supervisor.case import LAG_LIMIT
from starcluster.supervisor.drivewishes import DriveWish
from starcluster.supervisor.journal import Journal
from starcluster.supervisor.look import RunReport, RunState
from starcluster.supervisor.memory import Memory
from starcluster.supervisor.orders import run_order
from starcluster.supervisor.wishes import Wish

AHEAD = 0  # the number of the attempt that is nothing but the setup command
_NOTHING = ":"
_SETUP_LIMIT = 7200.0  # EC2's seconds until a setup command that goes on is looked at as a failed try
_SETUP_PAUSE = 2.0
Reason = TypeVar("Reason", bound=exception.AWSError)


class Machines(Protocol):
    """What a set-up needs of supervisor/machines.py."""

    def shell(self, instance: Instance) -> Shell: ...
    def set_up(
        self, instance: Instance, *, drives: Sequence[DriveWish], progress: Callable[[str], None]
    ) -> Instance: ...
    def prepare(self, instance: Instance, *, plugins: bool, progress: Callable[[str], None]) -> None: ...
    def mark_prepared(self, instance: Instance) -> None: ...


class SetUps:
    """`busy`: by instance id, what goes on beside the loop; `ended()` is called after each set-up."""

    def __init__(
        self,
        *,
        cluster: str,
        machines: Machines,
        memory: Memory,
        journal: Journal,
        clock: Clock,
        imds: str,
        busy: dict[str, str],
        ended: Callable[[], None],
        spawn: Callable[[Callable[[], None]], None] | None = None,
    ) -> None:
        self.cluster, self.machines, self.memory, self.journal = cluster, machines, memory, journal
        self.clock, self.imds, self.busy, self._ended = clock, imds, busy, ended
        self._spawn = spawn or _in_thread

    def begin(self, instance: Instance, wish: Wish, *, whole: bool) -> None:
        """`whole`: from SSH on; else only its agent is started."""
        folded = names.fold(wish.name)
        self._begin(instance, wish, lambda: self._set_up(instance, wish, whole=whole), trouble=folded)

    def prepare(self, instance: Instance, wish: Wish, *, plugins: bool, trouble: str) -> None:
        """All that may be done before the name is the instance's; `trouble`: what pauses when it fails."""
        self._begin(instance, wish, lambda: self._prepare(instance, wish, plugins=plugins), trouble=trouble)

    def _begin(self, instance: Instance, wish: Wish, work: Callable[[], None], *, trouble: str) -> None:
        if instance.id in self.busy:
            return
        self.busy[instance.id] = f"{instance.id} is being set up"
        self._spawn(lambda: self._job(instance, wish, work, trouble))

    def _job(self, instance: Instance, wish: Wish, work: Callable[[], None], trouble: str) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001  the edge of a thread: a fault of one set-up stops no other name
            self._failed(instance, wish, error, trouble)
        else:
            self.memory.set_up_failures.pop(instance.id, None)
            self.memory.unusable.pop(names.fold(wish.name), None)
            self.memory.went_well(trouble)
        finally:
            self.busy.pop(instance.id, None)
            self._ended()

    def _prepare(self, instance: Instance, wish: Wish, *, plugins: bool) -> None:
        self.machines.prepare(instance, plugins=plugins, progress=lambda word: self._progress(wish, instance, word))
        shell = self.machines.shell(instance)
        agentlink.install(shell, fresh=True)
        agentlink.call(shell, "start", settings={**self._agent_settings(instance, wish), "stands_by": True})
        self._run_setup_command(shell, wish)
        self.memory.leave_alone("prepared", instance.id, seconds=LAG_LIMIT)
        self.machines.mark_prepared(instance)
        self._progress(wish, instance, "prepared")

    def _run_setup_command(self, shell: Shell, wish: Wish) -> None:
        """The setup command as an attempt of its own that comes before all others; it leaves its mark on the node."""
        if not wish.setup_command:
            return
        order = {**run_order(wish), "command": _NOTHING, "checkpoint_command": ""}
        agentlink.call(shell, "run", attempt=AHEAD, **order)
        ended = wait_until(lambda: _ended_run(shell), limit=_SETUP_LIMIT, pause=_SETUP_PAUSE, clock=self.clock)
        if ended is None or ended.exit != 0:
            how = f"ended with exit status {ended.exit}" if ended else "takes without end"
            raise AgentError(f"its setup command {how} (starcluster logs: attempt {AHEAD})")

    def _set_up(self, instance: Instance, wish: Wish, *, whole: bool) -> None:
        if whole:
            instance = self.machines.set_up(
                instance, drives=wish.drives, progress=lambda word: self._progress(wish, instance, word)
            )
            self.memory.note_set_up(instance.id)
        shell = self.machines.shell(instance)
        agentlink.install(shell, fresh=whole and not instance.tags.get(PREPARED))
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
            "scale": self.clock.scale,
            "imds": self.imds,
            "volumes": [device.volume_id for device in instance.data_devices],
            "home_is_mount": True,
        }

    def _failed(self, instance: Instance, wish: Wish, error: Exception, trouble: str) -> None:
        of_the_cloud = _reason(error, exception.TransientError) is not None  # the next machine would meet it too
        failures = self.memory.set_up_failures.get(instance.id, 0) + (not of_the_cloud)
        self.memory.set_up_failures[instance.id] = failures
        told = str(error).splitlines()
        why = self.memory.set_up_errors[instance.id] = told[0] if told else repr(error)
        words = f"the set-up of {instance.id} failed: {why}"
        self.memory.back_off(trouble, words)
        self.journal.add(wish.name, "set-up-failed", instance=instance.id, error=str(error), times=failures)
        refusal = _reason(error, exception.UserMustAct)
        if refusal is not None:
            end = f"it still runs and costs: starcluster removenode {wish.cluster} {wish.name} ends it"
            self.memory.complain(names.fold(wish.name), "\n".join(filter(None, [words, refusal.hint, end])))
        log.warning("%s: %s", wish.name, words)
        log.debug("%s: set-up", wish.name, exc_info=error)


def _reason(error: BaseException | None, kind: type[Reason]) -> Reason | None:
    """What of that kind led to the error: a plugin's error has it as its cause, which may be several jobs' errors."""
    while error is not None and not isinstance(error, kind):
        if isinstance(error, exception.ThreadPoolException):
            found = (_reason(one, kind) for one, _, _ in error.exceptions)
            return next((one for one in found if one is not None), None)
        error = error.__cause__
    return error


def _ended_run(shell: Shell) -> RunReport | None:
    """The setup command's run, once it is over."""
    run = agentlink.parse_report(agentlink.call(shell, "report")["report"]).run
    return run if run is not None and run.state is not RunState.RUNNING else None


def _in_thread(job: Callable[[], None]) -> None:
    """A daemon thread: its work may be cut off at any moment, and is then done again by the next driver."""
    threading.Thread(target=job, name="set-up", daemon=True).start()

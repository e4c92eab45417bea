"""The running cloud: where moto's tables, the cloud's own ones, the hosts and the clock meet."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from starcluster.localcloud.api.calls import CallLog
from starcluster.localcloud.api.jobs import Jobs
from starcluster.localcloud.api.timing import Timing
from starcluster.localcloud.api.world import World

ACCOUNT = "123456789012"  # moto's; nobody's on AWS


class HostsLike(Protocol):
    """What the API asks of the hosts; hosts.client.Hosts has it, and the tests' fake."""

    def ping(self) -> dict[str, Any]: ...
    def boot(self, spec: Any) -> None: ...
    def nodes(self) -> dict[str, Any]: ...
    def shutdown(self, instance_id: str, *, timeout: float) -> None: ...
    def crash(self, instance_id: str) -> None: ...
    def freeze(self, instance_id: str, *, thaw: bool = False) -> None: ...
    def reboot(self, instance_id: str) -> None: ...
    def forget(self, instance_id: str) -> None: ...
    def set_metadata(self, instance_id: str, tree: dict[str, Any]) -> None: ...
    def console(self, instance_id: str) -> str: ...
    def create_volume(self, volume_id: str, *, size_gib: int, snapshot_id: str | None = None) -> None: ...
    def resize_volume(self, volume_id: str, *, size_gib: int) -> None: ...
    def delete_volume(self, volume_id: str) -> None: ...
    def snapshot(self, volume_id: str, snapshot_id: str) -> None: ...
    def snapshot_root(self, instance_id: str, snapshot_id: str) -> None: ...
    def delete_snapshot(self, snapshot_id: str) -> None: ...
    def attach(self, instance_id: str, volume_id: str, *, device: str) -> str: ...
    def detach(self, instance_id: str, volume_id: str, *, force: bool) -> bool: ...
    def wait_events(self, after: int, *, timeout: float) -> tuple[int, list[Any]]: ...


@dataclass(frozen=True, kw_only=True)
class Keys:
    """The cloud's one pair of AWS keys."""

    access_key: str
    secret_key: str


class Cloud:
    """One running cloud. `lock` guards every table; hosts are asked without it wherever that takes time."""

    def __init__(
        self, *, region: str, keys: Keys, timing: Timing, hosts: HostsLike, world: World, log: CallLog
    ) -> None:
        self.region = region
        self.keys = keys
        self.timing = timing
        self.hosts = hosts
        self.world = world
        self.log = log
        self.lock = threading.RLock()
        self.jobs = Jobs(self.lock, world.jobs)
        # Set by the assembly: moto's tables, and the services that work on them.
        self.backend: Any = None
        self.past: Any = None
        self.volumes: Any = None
        self.snapshots: Any = None
        self.life: Any = None
        self.spot: Any = None
        self.roles: Any = None
        self.trouble: Callable[[], str | None] = lambda: None  # what the person at the keyboard must know
        self.tree = ""  # what hosts get laid over their /, see hosts.spec
        self._host_locks: dict[str, threading.Lock] = defaultdict(threading.Lock)

    def host_lock(self, instance_id: str) -> threading.Lock:
        """Held while something is done to one host, so that boot and death do not cross."""
        with self.lock:
            return self._host_locks[instance_id]

    def instance_at(self, address: str) -> str | None:
        """The living instance that has this private address."""
        with self.lock:
            living = [each for each in self.backend.every_instance() if each.now != "terminated"]
            return next((each.id for each in living if each.private_ip_address == address), None)

    @contextlib.contextmanager
    def unlocked(self) -> Iterator[None]:
        """Let others work while this request waits for the hosts. Tables may have changed afterwards."""
        self.lock.release()
        try:
            yield
        finally:
            self.lock.acquire()

    def soon(self, seconds: float, kind: str, subject: str) -> None:
        """Order a job for `seconds` of EC2's time from now."""
        self.jobs.after(self.timing.wall(seconds), kind, subject)

    def at_once(self, kind: str, subject: str) -> None:
        self.jobs.at(time.time(), kind, subject)

"""Waits of the cluster's verbs, each for one condition and with a limit, in EC2's seconds."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, TypeVar

from starcluster import exception
from starcluster.clock import Clock, wait_until
from starcluster.cluster import rootlogin
from starcluster.logger import log
from starcluster.model import (
    AttachmentState,
    Instance,
    InstanceState,
    Modification,
    ModificationState,
    Snapshot,
    SnapshotState,
    Volume,
    VolumeState,
)

if TYPE_CHECKING:
    from starcluster.aws.session import Ec2
    from starcluster.cluster.node import Node

RUNNING_LIMIT = 900.0
SSH_LIMIT = 600.0
CONSOLE_LIMIT = 240.0
ATTACHED_LIMIT = 300.0  # of an attachment that somebody else has asked for
ATTACH_LIMIT = 90.0  # after which AWS's own attacher begins anew
FREE_LIMIT = 1200.0
STOP_LIMIT = 900.0
GONE_LIMIT = 1200.0
MODIFY_LIMIT = 3600.0
SNAPSHOT_LIMIT = 86400.0  # the first one of a large volume is copied whole
_PAUSE = 3.0
_SNAPSHOT_PAUSE = 5.0
_SSH_PAUSE = 1.0  # costs EC2 nothing
_NO_ROOT = (
    "an image whose root may not log in needs LOGIN_USER in its template: the user that it has instead, such as ubuntu,"
    " admin or ec2-user"
)
T = TypeVar("T")


class Watch:
    """A cluster's instances for all who wait for theirs at the same time: one call of one of them serves the others."""

    def __init__(self, ec2: Ec2, tag: str, clock: Clock) -> None:
        self._ec2, self._tag, self._clock = ec2, tag, clock
        self._lock = threading.Lock()
        self._seen: tuple[float, list[Instance]] = (-math.inf, [])

    def find(self, ids: Sequence[str]) -> list[Instance]:
        """Those of them that EC2 knew a moment ago."""
        with self._lock:
            if self._clock.monotonic() - self._seen[0] > _PAUSE / 2:
                self._seen = (self._clock.monotonic(), self._ec2.instances.find(cluster=self._tag))
            return [one for one in self._seen[1] if one.id in ids]


def wait_running(
    ec2: Ec2, ids: Sequence[str], *, clock: Clock, limit: float = RUNNING_LIMIT, watch: Watch | None = None
) -> list[Instance]:
    """Until all instances run; InstanceNotRunning as soon as one of them ends."""

    def look() -> list[Instance] | None:
        found = watch.find(ids) if watch else ec2.instances.find(ids=ids)
        for instance in found:
            if not instance.state.is_alive:
                raise exception.InstanceNotRunning(_ended(instance), code=instance.reason_code)
        running = [one for one in found if one.state is InstanceState.RUNNING]
        return running if len(running) == len(set(ids)) else None

    return _until(look, f"the instances {', '.join(ids)} to run", limit=limit, clock=clock)


def _ended(instance: Instance) -> str:
    why = instance.reason_message or instance.transition_reason or instance.reason_code or "EC2 tells no reason"
    return f"{instance.alias} ({instance.id}) is {instance.state} instead of running: {why}"


def wait_states(
    ec2: Ec2, ids: Sequence[str], states: Iterable[InstanceState], *, clock: Clock, limit: float
) -> list[Instance]:
    """Until all instances are in one of the states; one that EC2 has forgotten counts as terminated."""
    wanted = set(states)

    def look() -> list[Instance] | None:
        found = ec2.instances.find(ids=ids)
        fits = all(one.state in wanted for one in found)
        whole = len(found) == len(set(ids)) or InstanceState.TERMINATED in wanted
        return (found or [_nobody()]) if fits and whole else None

    what = f"{len(ids)} instances to be {' or '.join(sorted(wanted))}"
    return [one for one in _until(look, what, limit=limit, clock=clock) if one.id]


def _nobody() -> Instance:
    return Instance(id="", state=InstanceState.TERMINATED)


def wait_ssh(node: Node, *, limit: float = SSH_LIMIT) -> None:
    """Until SSH lets us in with a host key that the console told.

    The console may be late (EC2 posts it after minutes): where SSH is up long before it, the first key seen is
    trusted with a warning after CONSOLE_LIMIT, unless SSH_STRICT is on.
    """
    clock = node.clock
    end = clock.end_of(limit)
    trust_after = clock.end_of(min(CONSOLE_LIMIT, limit))
    problem: exception.SSHError | None = None
    while clock.monotonic() < end:
        known = node.learn_host_keys(limit=0)
        if known or (clock.monotonic() > trust_after and _port_open(node)):
            try:
                rootlogin.check(node)
                return
            except (exception.SSHConnectionError, exception.SSHAuthException) as error:
                problem = error
                node.forget_connection()
        clock.sleep(_SSH_PAUSE if known else _PAUSE)
    raise exception.SSHNeverOpened(
        f"no SSH to {node.alias} ({node.id}) within {limit / 60:.0f} minutes{f': {problem}' if problem else ''};"
        f" EC2's checks of it: {checks(node)}",
        hint=_why_never(node, problem),
    )


def _why_never(node: Node, problem: exception.SSHError | None) -> str:
    if isinstance(problem, exception.SSHAuthException):
        return problem.hint if node.access.login_user else _NO_ROOT
    return (
        f"look at its console: starcluster showconsole {node.id}; an image without an SSH server, or a subnet"
        " that this machine does not reach, looks like this"
    )


def checks(node: Node) -> str:
    """What EC2's own checks say of it, as far as we may ask."""
    try:
        return node.ec2.instances.checks(node.id)
    except exception.AWSError as error:
        log.debug("%s", error)
        return "not known"


def _port_open(node: Node) -> bool:
    try:
        node.access.way_to(node.id).dial(node.dns_name, 22, 10).close()
    except OSError:
        return False
    return True


def wait_volume_free(ec2: Ec2, volume_id: str, *, clock: Clock, limit: float = FREE_LIMIT) -> Volume:
    """Until nothing holds the volume; says once whom it waits for."""
    told = False

    def look() -> Volume | None:
        nonlocal told
        volume = ec2.volumes.get(volume_id)
        if volume.state is VolumeState.AVAILABLE:
            return volume
        if volume.state in (VolumeState.DELETING, VolumeState.DELETED, VolumeState.ERROR):
            raise exception.VolumeDoesNotExist(f"{volume_id} is {volume.state}")
        if not told and volume.holder:
            log.info("Waiting for %s, which %s still holds", volume_id, volume.holder.instance_id)
        told = True
        return None

    return _until(look, f"{volume_id} to be free", limit=limit, clock=clock)


def wait_attached(ec2: Ec2, volume_id: str, instance_id: str, *, clock: Clock, limit: float = ATTACHED_LIMIT) -> Volume:
    """Until the volume is attached to that instance."""

    def look() -> Volume | None:
        volume = ec2.volumes.get(volume_id)
        holder = volume.holder
        if holder and holder.instance_id == instance_id and holder.state is AttachmentState.ATTACHED:
            return volume
        return None

    return _until(look, f"{volume_id} to be attached to {instance_id}", limit=limit, clock=clock)


def wait_modified(ec2: Ec2, volume_id: str, *, clock: Clock, limit: float = MODIFY_LIMIT) -> Modification:
    """Until the disk has its new size, or EC2 has given up."""

    def look() -> Modification | None:
        change = ec2.volumes.modification(volume_id)
        over = change is not None and (change.state.has_new_size or change.state is ModificationState.FAILED)
        return change if over else None

    return _until(look, f"EC2 to change {volume_id}", limit=limit, clock=clock)


def wait_snapshot(
    ec2: Ec2,
    snapshot_id: str,
    *,
    clock: Clock,
    tell: Callable[[Snapshot], None],
    limit: float = SNAPSHOT_LIMIT,
) -> Snapshot:
    """Until the snapshot is stored; `tell` hears every look. ConflictError when it fails, or is deleted meanwhile."""

    def look() -> Snapshot | None:
        found = ec2.snapshots.get(snapshot_id)
        tell(found)
        if found.state in (SnapshotState.PENDING, SnapshotState.RECOVERING):
            return None
        if found.state is not SnapshotState.COMPLETED:
            raise exception.ConflictError(
                f"snapshot {found.id} of {found.volume_id} failed: {found.message or 'EC2 tells no reason'}",
                hint="the volume is as it was: take another snapshot, and remove this one"
                f" (starcluster removesnapshot {found.id})",
            )
        return found

    found = wait_until(look, limit=limit, pause=_SNAPSHOT_PAUSE, clock=clock)
    if found is None:
        raise exception.WaitTimeout(
            f"waited {limit / 3600:.0f} hours for snapshot {snapshot_id}",
            hint=f"it goes on without us: starcluster listsnapshots {snapshot_id}",
        )
    return found


def _until(look: Callable[[], T | None], what: str, *, limit: float, clock: Clock) -> T:
    found = wait_until(look, limit=limit, pause=_PAUSE, clock=clock)
    if found is None:
        raise exception.WaitTimeout(f"waited {limit / 60:.0f} minutes for {what}")
    return found

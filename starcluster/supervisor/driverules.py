"""Rules about a name's drives: when a snapshot is due, while its command works and after its node has gone."""

from __future__ import annotations

from starcluster.model import InstanceState
from starcluster.supervisor.actions import Action, KeepDrive
from starcluster.supervisor.case import Case
from starcluster.supervisor.drivewishes import DriveWish
from starcluster.supervisor.look import DriveLook

CHECKPOINT = "checkpoint-command"  # the agent's stamp
# EC2's seconds between two snapshots, also where checkpoints come more often
LEAST_BETWEEN = 300.0


def _wanted(case: Case) -> list[tuple[DriveWish, DriveLook]]:
    """The drives that are kept by snapshots."""
    by_name = {drive.name: drive for drive in case.known.drives}
    found = [(wish, by_name[wish.name]) for wish in case.wish.drives if wish.name in by_name]
    return [(wish, drive) for wish, drive in found if wish.snapshot_every and drive.exists and not drive.resting]


def is_unkept(case: Case) -> Action | None:
    """The current instance works, and its drives' last snapshots are too old, or older than a checkpoint."""
    here = case.current
    if here is None or case.is_taken:
        return None
    for wish, drive in _wanted(case):
        if drive.holder != here.id or drive.pending or not drive.used:
            continue
        if drive.unkept_for >= wish.snapshot_every:
            minutes = wish.snapshot_every / 60
            return _keep(case, drive, f"its last snapshot is older than {minutes:g} minutes (snapshot_every)")
        if drive.unkept_for >= LEAST_BETWEEN and _saved_within(case, drive.unkept_for):
            return _keep(case, drive, "a checkpoint has been written since its last snapshot")
    return None


def _saved_within(case: Case, seconds: float) -> bool:
    """A checkpoint command went well so lately."""
    return 0 <= case.known.checkpoint_age < seconds


def is_unsaved(case: Case) -> Action | None:
    """Nobody has the drive: a snapshot of it now has all that was written, for whatever zone comes next."""
    for _, drive in _wanted(case):
        if drive.unsaved:
            return _keep(case, drive, "it is free, and no snapshot has all of it")
    return None


def is_leaving(case: Case) -> Action | None:
    """The job is over, and its node, which had the drive, is on its way out: a moment, and the drive is free."""
    dying = {one.id for one in case.known.instances if one.state is InstanceState.SHUTTING_DOWN}
    for _, drive in _wanted(case):
        if drive.holder in dying:
            return case.wait(f"drive {drive.name} is being freed by the end of {drive.holder}")
    return None


def _keep(case: Case, drive: DriveLook, because: str) -> KeepDrive:
    return KeepDrive(name=case.wish.name, because=f"drive {drive.name}: {because}", drive=drive.name)

"""What the driver may do: values made by plan.py, carried out by execute.py. Each says why.

Every action may be done twice without harm, and none names a node that was not wished for.
"""

from __future__ import annotations

from dataclasses import dataclass

from starcluster.model import Pool


@dataclass(frozen=True, kw_only=True)
class Action:
    name: str
    because: str


@dataclass(frozen=True, kw_only=True)
class Begin(Action):
    """Take the name up: its record, the lease, and an old outcome that no longer counts."""


@dataclass(frozen=True, kw_only=True)
class Adopt(Action):
    """Write down that this instance is the node of this generation."""

    instance_id: str
    generation: int


@dataclass(frozen=True, kw_only=True)
class Launch(Action):
    """Write the intent, then ask EC2."""

    pool: Pool
    generation: int
    try_number: int
    max_price: float | None = None


@dataclass(frozen=True, kw_only=True)
class Replay(Action):
    """Ask EC2 again by the intent as it is written: the same token can give no second instance."""


@dataclass(frozen=True, kw_only=True)
class LaunchSuccessor(Action):
    """As Launch, for the generation after the one that works on meanwhile."""

    pool: Pool
    generation: int
    try_number: int
    max_price: float | None = None


@dataclass(frozen=True, kw_only=True)
class ReplaySuccessor(Action):
    """As Replay, by the successor's intent."""


@dataclass(frozen=True, kw_only=True)
class Prepare(Action):
    """Do for the successor all that may be done while its name works elsewhere; `plugins`: these as well."""

    instance_id: str
    plugins: bool


@dataclass(frozen=True, kw_only=True)
class Succeed(Action):
    """Give the name to the successor: its generation is the record's from now on."""

    generation: int


@dataclass(frozen=True, kw_only=True)
class SetUp(Action):
    """Make the instance a member of the cluster and start its agent; `whole=False`: the agent only."""

    instance_id: str
    whole: bool


@dataclass(frozen=True, kw_only=True)
class Run(Action):
    """Start this attempt of the command, if it has not been started."""

    instance_id: str
    attempt: int
    generation: int
    failures: int


@dataclass(frozen=True, kw_only=True)
class Drain(Action):
    """Have the command save its work and end on this instance, so that its successor may take the name."""

    instance_id: str


@dataclass(frozen=True, kw_only=True)
class RecordDrained(Action):
    """Write down that nothing runs, or will run, on this generation's instance."""

    generation: int


@dataclass(frozen=True, kw_only=True)
class RecordOutcome(Action):
    """Write down how it ended, before anything is released."""

    finished: bool
    exit: int | None
    attempt: int


@dataclass(frozen=True, kw_only=True)
class Release(Action):
    """Terminate the instance, having written that this is our doing. `unusable`: because it can not be set up."""

    instance_id: str
    unusable: bool = False


@dataclass(frozen=True, kw_only=True)
class Stop(Action):
    instance_id: str


@dataclass(frozen=True, kw_only=True)
class Start(Action):
    instance_id: str


@dataclass(frozen=True, kw_only=True)
class CancelRequests(Action):
    """`code`: a status that only the user can change, with EC2's `message`; "" = the pool is left alone for a while."""

    request_ids: tuple[str, ...]
    code: str = ""
    message: str = ""


@dataclass(frozen=True, kw_only=True)
class KeepDrive(Action):
    """Take a snapshot of the drive as it is, and let go what its rule does not keep."""

    drive: str


@dataclass(frozen=True, kw_only=True)
class Wait(Action):
    """Nothing to do but to look again, at the latest after so many of EC2's seconds."""

    seconds: float


@dataclass(frozen=True, kw_only=True)
class StandBack(Action):
    """Another driver has the name."""

    seconds: float


@dataclass(frozen=True, kw_only=True)
class Finish(Action):
    """This driver is done with the name."""

    succeeded: bool


@dataclass(frozen=True, kw_only=True)
class Hold(Action):
    """The user must act first; nothing is done until then."""

    hint: str

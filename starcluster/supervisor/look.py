"""What one look at the cloud and at the nodes has shown: plain values, the only thing that `plan` decides by.

Ages and pauses are in EC2's seconds and were reckoned by observe.py, so that planning needs no clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from starcluster.cluster.namerecord import NameRecord
from starcluster.model import Instance, Pool, SpotRequest


class ClusterState(StrEnum):
    UP = "up"
    NO_MASTER = "no master"
    GONE = "gone"


class NodePhase(StrEnum):
    """What a node's agent says of itself."""

    IDLE = "idle"
    RUNNING = "running"
    DRAINING = "draining"
    DRAINED = "drained"


class RunState(StrEnum):
    RUNNING = "running"
    EXITED = "exited"
    LOST = "lost"


@dataclass(frozen=True, kw_only=True)
class Stamp:
    """One thing that happened on the node, by the node's own clock (seconds since 1970)."""

    event: str
    at: float
    detail: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class RunReport:
    """The last attempt of the command on this instance.

    `interrupted`: a notice or a drain came before it ended, so that its exit status says nothing.
    `lingering`: processes that outlive the command's own.
    `stage`: "setup" while the setup command runs, or when the attempt ended with it.
    `home_lost`: the shared home was lost under it, so that its failure says nothing; None = not known yet.
    """

    attempt: int
    state: RunState
    exit: int | None = None
    interrupted: bool = False
    started: float = 0
    ended: float = 0
    boot_id: str = ""
    step: int | None = None
    total: int | None = None
    lingering: int = 0
    stage: str = "command"
    home_lost: bool | None = False


class HomeState(StrEnum):
    OK = "ok"
    FULL = "full"
    LOST = "lost"
    HANGS = "hangs"


@dataclass(frozen=True, kw_only=True)
class Home:
    """The shared home as a node sees it."""

    state: HomeState = HomeState.OK
    why: str = ""

    @property
    def is_lost(self) -> bool:
        return self.state in (HomeState.LOST, HomeState.HANGS)


@dataclass(frozen=True, kw_only=True)
class Report:
    """The agent's word."""

    instance_id: str
    boot_id: str
    phase: NodePhase
    run: RunReport | None = None
    notice: str = ""
    notice_time: float = 0
    rebalance: str = ""
    stamps: tuple[Stamp, ...] = ()
    home: Home = field(default_factory=Home)
    seq: int = 0


@dataclass(frozen=True, kw_only=True)
class Silent:
    """It reported once, and no more since."""

    age: float


@dataclass(frozen=True, kw_only=True)
class Unreachable:
    """Neither over the master nor directly. `by_ssh`: it was SSH that failed, not the agent's answer."""

    why: str
    by_ssh: bool = False


@dataclass(frozen=True, kw_only=True)
class Absent:
    """The node answers, the agent is not there (never installed, or died)."""

    why: str = ""


@dataclass(frozen=True, kw_only=True)
class Unasked:
    """There was nobody to ask yet."""


Answer = Report | Silent | Unreachable | Absent | Unasked


@dataclass(frozen=True, kw_only=True)
class DriveLook:
    """What EC2 shows of a drive that a name wants. Ages in EC2's seconds.

    `zone`: where its volume is, "" = it has none now. `holder`: the instance that has the volume. `used`: something may
    have been written to it. `whole`: a finished snapshot has all of it; `unsaved`: nobody has it, and no snapshot,
    finished or not, has all of it. `newest`: its newest finished snapshot, after which it was used for `newest_age`.
    `unkept_for`: since its newest snapshot, finished or not, was begun, or since its volume was made. `resting`: a
    snapshot failed, the next try is later. `broken`: why its record can not be read; nothing else is known then.
    """

    name: str
    exists: bool = True
    zone: str = ""
    volume_id: str = ""
    holder: str = ""
    holder_name: str = ""
    holder_lives: bool = False
    used: bool = False
    size: int = 0
    whole: bool = False
    unsaved: bool = False
    pending: bool = False
    newest: str = ""
    newest_age: float = 0.0
    unkept_for: float = 0.0
    resting: bool = False
    broken: str = ""


@dataclass(frozen=True, kw_only=True)
class NameLook:
    """All that is known of one name. `has_saved`: its program has told progress, or left something to go on from.

    `unexplained`: EC2 shows the record's on-demand instance no more, and nobody has seen how it ended.
    `successor_age`: for how long its intent, or its instance's id, has stood in the record; `stray_for`: for how long
    an instance of a later generation has been seen that the record does not know. `checkpoint_age`: since a checkpoint
    command last went well on the current instance, -1 = none has.
    """

    record: NameRecord | None = None
    instances: tuple[Instance, ...] = ()
    requests: tuple[SpotRequest, ...] = ()
    answer: Answer = field(default_factory=Unasked)
    last_run: int = 0
    has_saved: bool = False
    begun: bool = False
    holder: str = ""
    asking_for: float = 0
    intent_age: float = 0
    unready_for: float = 0
    failed_for: float = 0
    overdue_for: float = 0
    silent_for: float = 0
    home_lost_for: float = 0
    replaced_lately: bool = False
    silent_too_long: bool = False
    unexplained: bool = False
    pause: float = 0
    pause_because: str = ""
    set_up_failures: int = 0
    set_up_error: str = ""
    unusable: int = 0
    complaint: str = ""
    busy: str = ""
    successor_age: float = 0
    successor_busy: bool = False
    successor_failures: int = 0
    successor_pause: float = 0
    stray_for: float = 0
    drives: tuple[DriveLook, ...] = ()
    checkpoint_age: float = -1


@dataclass(frozen=True, kw_only=True)
class Look:
    """`master_heard`: False when the master was asked and did not answer (EC2 calls a machine that boots running).

    `avoid`: pools to leave alone, and for how long; `dry_for`: for how long a pool has been refusing us; `prices`: US
    dollars an hour, as far as a choice between pools needs them and they are known.
    """

    names: Mapping[str, NameLook]
    cluster: ClusterState = ClusterState.UP
    master_heard: bool = True
    zones: tuple[str, ...] = ()
    avoid: Mapping[Pool, float] = field(default_factory=dict)
    dry_for: Mapping[Pool, float] = field(default_factory=dict)
    prices: Mapping[Pool, float] = field(default_factory=dict)

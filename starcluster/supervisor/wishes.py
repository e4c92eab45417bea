"""What the user wants, read from train.cfg: one section is one node, the section's name is the node's name.

Only the sections asked for are checked, and those of the drives that they name.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from starcluster import exception, names
from starcluster.model import Market, Pool
from starcluster.supervisor.drivewishes import DriveWish, read_drives
from starcluster.supervisor.trainfile import Section, node_sections, read_sections

DEFAULT_FILE = "train.cfg"
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_RESERVED = "STARCLUSTER_"


class After(StrEnum):
    """What becomes of the node when its command has ended for good."""

    RELEASE = "release"
    KEEP = "keep"
    STOP = "stop"


class Fallback(StrEnum):
    NONE = "none"
    ON_DEMAND = "on-demand"


class Rebalance(StrEnum):
    """What EC2's hint that an instance is at a higher risk leads to."""

    IGNORE = "ignore"
    CHECKPOINT = "checkpoint"
    REPLACE = "replace"


class StopSignalTo(StrEnum):
    """Who of the command gets SIGTERM first."""

    MAIN = "main"
    ALL = "all"


@dataclass(frozen=True, kw_only=True)
class Wish:
    """One named node that is to run one command until the command is done. Durations in seconds.

    `hour_worth`: what an hour of waiting costs the user, in US dollars; None = what an hour on demand costs.
    """

    name: str
    cluster: str
    instance_types: tuple[str, ...]
    command: str
    market: Market = Market.SPOT
    max_price: float | None = None
    zones: tuple[str, ...] = ()
    fallback: Fallback = Fallback.NONE
    spot_max_wait: float = 1800
    check_interval: float = 10
    run_as: str = ""
    workdir: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    max_restarts: int = 3
    stop_timeout: float = 0
    stop_signal_to: StopSignalTo = StopSignalTo.MAIN
    setup_command: str = ""
    checkpoint_command: str = ""
    checkpoint_timeout: float = 0
    rebalance: Rebalance = Rebalance.CHECKPOINT
    log_limit: float = 64
    silent_limit: float = 900
    on_success: After = After.RELEASE
    on_failure: After = After.RELEASE
    tags: Mapping[str, str] = field(default_factory=dict)
    drives: tuple[DriveWish, ...] = ()
    hour_worth: float | None = None

    def bid_in(self, pool: Pool) -> float | None:
        """What is paid at most for a machine of this pool; None = as much as EC2 asks."""
        return self.max_price if pool.market is Market.SPOT else None

    def pools(self, zones: Sequence[str], *, waited: float = float("inf")) -> list[Pool]:
        """Where its instance may live, best first; `zones`: where it lives if it does not say.

        `waited`: for how long a spot machine has been asked for, which decides on the fallback.
        """
        markets = [self.market]
        if self.market is Market.SPOT and self.fallback is Fallback.ON_DEMAND and waited >= self.spot_max_wait:
            markets.append(Market.ON_DEMAND)
        return [
            Pool(instance_type=kind, zone=zone, market=market)
            for market in markets
            for zone in self.zones or zones
            for kind in self.instance_types
        ]


_KNOWN = (
    "cluster_name",
    "instance_type",
    "spot_bid",
    "market",
    "zones",
    "fallback",
    "spot_max_wait",
    "user",
    "project",
    "node_check_interval",
    "command",
    "run_as",
    "workdir",
    "environment",
    "max_restarts",
    "stop_timeout",
    "stop_signal_to",
    "setup_command",
    "checkpoint_command",
    "checkpoint_timeout",
    "rebalance",
    "log_limit",
    "silent_limit",
    "on_success",
    "on_failure",
    "drive",
    "hour_worth",
)


def read_wishes(file: Path, wanted: Sequence[str]) -> list[Wish]:
    """The wishes of the nodes named; raises ConfigError or InvalidAlias, whichever is met first."""
    sections = read_sections(file)
    by_name = {names.fold(section): section for section in node_sections(sections)}
    unique = list(dict.fromkeys(names.fold(name) for name in wanted))
    found = [_read_one(file, name, by_name, sections) for name in unique]
    _refuse_shared_drives(file, found)
    return found


def _refuse_shared_drives(file: Path, wishes: Sequence[Wish]) -> None:
    """One writer: two nodes that run at once can not have the same drive."""
    users: dict[str, str] = {}
    for wish in wishes:
        for drive in wish.drives:
            other = users.setdefault(names.fold(drive.name), wish.name)
            if other != wish.name:
                raise exception.ConfigSettingError(
                    f"the drive {drive.name} is {other}'s too, and a drive is at one node at a time",
                    file=str(file),
                    section=wish.name,
                    setting="drive",
                    hint="give each a drive of its own; what all are to see belongs on /home",
                )


def _read_one(file: Path, folded: str, by_name: Mapping[str, str], sections: Mapping[str, Mapping[str, str]]) -> Wish:
    if folded not in by_name:
        near = difflib.get_close_matches(folded, by_name, n=1)
        known = ", ".join(by_name.values()) or "none"
        hint = f"its nodes: {known}" + (f"; did you mean '{by_name[near[0]]}'?" if near else "")
        raise exception.WishError(f"there is no node '{folded}' in {file}", hint=hint)
    name = by_name[folded]
    section = Section(file=str(file), name=name, values=sections[name])
    names.check_alias(name)
    section.warn_of_unknown(_KNOWN)
    return _wish(section, sections)


def _wish(section: Section, sections: Mapping[str, Mapping[str, str]]) -> Wish:
    market = Market(section.choice("market", Market.SPOT, list(Market)))
    return Wish(
        name=section.name,
        cluster=_cluster(section),
        instance_types=section.words("instance_type"),
        command=section.text("command"),
        market=market,
        max_price=_bid(section),
        zones=section.words("zones", ""),
        fallback=Fallback(section.choice("fallback", Fallback.NONE, list(Fallback))),
        spot_max_wait=section.number("spot_max_wait", 1800),
        check_interval=section.number("node_check_interval", 10, least=1),
        run_as=section.text("run_as", ""),
        workdir=section.text("workdir", ""),
        environment=_environment(section),
        max_restarts=int(section.number("max_restarts", 3)),
        stop_timeout=section.number("stop_timeout", 0),
        stop_signal_to=StopSignalTo(section.choice("stop_signal_to", StopSignalTo.MAIN, list(StopSignalTo))),
        setup_command=section.text("setup_command", ""),
        checkpoint_command=section.text("checkpoint_command", ""),
        checkpoint_timeout=section.number("checkpoint_timeout", 0),
        rebalance=Rebalance(section.choice("rebalance", Rebalance.CHECKPOINT, list(Rebalance))),
        log_limit=section.number("log_limit", 64),
        silent_limit=section.number("silent_limit", 900, least=60),
        on_success=_after(section, "on_success", market),
        on_failure=_after(section, "on_failure", market),
        tags=_tags(section),
        drives=read_drives(section, sections),
        hour_worth=section.number("hour_worth", 0) or None,
    )


def _cluster(section: Section) -> str:
    try:
        return names.check_tag(section.text("cluster_name"))
    except exception.UsageError as error:
        raise section.wrong("cluster_name", str(error), hint=error.hint) from None


def _bid(section: Section) -> float | None:
    """None = up to the on-demand price."""
    bid = section.number("spot_bid", 0)
    if 0 < bid <= 0.001:
        raise section.wrong("spot_bid", f"EC2 takes no bid of ${bid:g}", hint="leave it out: EC2's own cap")
    return bid or None


def _after(section: Section, setting: str, market: Market) -> After:
    choice = After(section.choice(setting, After.RELEASE, list(After)))
    if choice is After.STOP and market is Market.SPOT:
        raise section.wrong(setting, "a spot node can not be stopped", hint="use release or keep")
    return choice


def _tags(section: Section) -> dict[str, str]:
    """The ancestor's User and Project: tags on everything launched, no accounts."""
    values = {"User": section.text("user", ""), "Project": section.text("project", "")}
    return {key: value for key, value in values.items() if value}


def _environment(section: Section) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in section.text("environment", "").splitlines():
        key, equals, value = line.strip().partition("=")
        if not line.strip():
            continue
        if not equals or not _KEY.match(key.strip()) or key.strip().startswith(_RESERVED):
            raise section.wrong("environment", f"'{line.strip()}' is not KEY=VALUE", hint="one on each line")
        found[key.strip()] = value.strip()
    return found

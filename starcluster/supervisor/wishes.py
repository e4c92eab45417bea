"""What the user wants, read from train.cfg: one section is one node, the section's name is the node's name.

The file is INI read raw: nothing is interpolated, a comment stands on a line of its own, and continuation
lines keep their newlines, so that a command may be a small shell script. Only the sections asked for are
checked; a section whose name has a space is not a node.
"""

from __future__ import annotations

import configparser
import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from starcluster import exception, names
from starcluster.logger import log
from starcluster.model import Market

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
    """One named node that is to run one command until the command is done. Durations in seconds."""

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
)


@dataclass(frozen=True, kw_only=True)
class _Section:
    """One section being read; knows where it stands, for the errors."""

    file: str
    name: str
    values: Mapping[str, str]

    def wrong(self, setting: str, why: str, hint: str = "") -> exception.ConfigSettingError:
        return exception.ConfigSettingError(why, file=self.file, section=self.name, setting=setting, hint=hint)

    def text(self, setting: str, default: str | None = None) -> str:
        value = self.values.get(setting, "").strip()
        if value:
            return value
        if default is None:
            raise self.wrong(setting, "is missing", hint=f"add a line '{setting} = ...' to [{self.name}]")
        return default

    def number(self, setting: str, default: float, *, least: float = 0) -> float:
        value = self.text(setting, str(default))
        try:
            number = float(value.lstrip("$"))
        except ValueError:
            raise self.wrong(setting, f"'{value}' is not a number") from None
        if not least <= number < float("inf"):
            raise self.wrong(setting, f"'{value}' is less than {least:g} or without end")
        return number

    def choice(self, setting: str, default: str, choices: Sequence[str]) -> str:
        value = self.text(setting, default).lower().replace("_", "-")
        if value not in choices:
            raise self.wrong(setting, f"'{value}' is none of: {', '.join(choices)}")
        return value

    def words(self, setting: str, default: str | None = None) -> tuple[str, ...]:
        found = tuple(word.strip() for word in re.split(r"[,\n]", self.text(setting, default)))
        return tuple(word for word in found if word)


def read_sections(file: Path) -> dict[str, dict[str, str]]:
    """Every section of the file as it stands; raises ConfigNotFound or ConfigError (file, line)."""
    parser = configparser.RawConfigParser(inline_comment_prefixes=None, strict=True)
    try:
        parser.read_string(file.read_text(encoding="utf-8"), source=str(file))
    except FileNotFoundError:
        raise exception.ConfigNotFound(
            "there is no such file", file=str(file), hint="cp train_example.cfg train.cfg and edit it"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise exception.ConfigError(f"can not be read: {error}", file=str(file)) from None
    except (configparser.DuplicateSectionError, configparser.DuplicateOptionError) as error:
        setting = getattr(error, "option", "")
        raise exception.ConfigError(
            f"is given twice (line {error.lineno})", file=str(file), section=error.section, setting=setting
        ) from None
    except configparser.MissingSectionHeaderError as error:
        raise exception.ConfigError(f"line {error.lineno} stands before the first [section]", file=str(file)) from None
    except configparser.ParsingError as error:
        line = error.errors[0][0] if error.errors else "?"
        raise exception.ConfigError(
            f"line {line} is neither '[section]' nor 'setting = value'", file=str(file)
        ) from None
    return {section: dict(parser.items(section)) for section in parser.sections()}


def node_sections(sections: Mapping[str, Mapping[str, str]]) -> list[str]:
    """The sections that are nodes: a name with a space is something else."""
    return [section for section in sections if not re.search(r"\s", section)]


def read_wishes(file: Path, wanted: Sequence[str]) -> list[Wish]:
    """The wishes of the nodes named; raises ConfigError or InvalidAlias, whichever is met first."""
    sections = read_sections(file)
    by_name = {names.fold(section): section for section in node_sections(sections)}
    unique = list(dict.fromkeys(names.fold(name) for name in wanted))
    return [_read_one(file, name, by_name, sections) for name in unique]


def _read_one(file: Path, folded: str, by_name: Mapping[str, str], sections: Mapping[str, Mapping[str, str]]) -> Wish:
    if folded not in by_name:
        near = difflib.get_close_matches(folded, by_name, n=1)
        known = ", ".join(by_name.values()) or "none"
        hint = f"its nodes: {known}" + (f"; did you mean '{by_name[near[0]]}'?" if near else "")
        raise exception.UsageError(f"there is no node '{folded}' in {file}", hint=hint)
    name = by_name[folded]
    section = _Section(file=str(file), name=name, values=sections[name])
    names.check_alias(name)
    _warn_of_unknown(section)
    return _wish(section)


def _warn_of_unknown(section: _Section) -> None:
    for setting in section.values:
        if setting not in _KNOWN:
            near = difflib.get_close_matches(setting, _KNOWN, n=1)
            more = f"; did you mean '{near[0]}'?" if near else ""
            log.warning("%s [%s] %s: unknown setting, not used%s", section.file, section.name, setting, more)


def _wish(section: _Section) -> Wish:
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
    )


def _cluster(section: _Section) -> str:
    try:
        return names.check_tag(section.text("cluster_name"))
    except exception.UsageError as error:
        raise section.wrong("cluster_name", str(error), hint=error.hint) from None


def _bid(section: _Section) -> float | None:
    """None = up to the on-demand price."""
    bid = section.number("spot_bid", 0)
    if 0 < bid <= 0.001:
        raise section.wrong("spot_bid", f"EC2 takes no bid of ${bid:g}", hint="leave it out: EC2's own cap")
    return bid or None


def _after(section: _Section, setting: str, market: Market) -> After:
    choice = After(section.choice(setting, After.RELEASE, list(After)))
    if choice is After.STOP and market is Market.SPOT:
        raise section.wrong(setting, "a spot node can not be stopped", hint="use release or keep")
    return choice


def _tags(section: _Section) -> dict[str, str]:
    """The ancestor's User and Project: tags on everything launched, no accounts."""
    values = {"User": section.text("user", ""), "Project": section.text("project", "")}
    return {key: value for key, value in values.items() if value}


def _environment(section: _Section) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in section.text("environment", "").splitlines():
        key, equals, value = line.strip().partition("=")
        if not line.strip():
            continue
        if not equals or not _KEY.match(key.strip()) or key.strip().startswith(_RESERVED):
            raise section.wrong("environment", f"'{line.strip()}' is not KEY=VALUE", hint="one on each line")
        found[key.strip()] = value.strip()
    return found

"""The language of scenario files: a line is `TRIGGER: ACT`, see docs/rehearsing.md.

at 60: interrupt mycluster/mynode notice=120
before call 2 of RunInstances: fault RunInstances InsufficientInstanceCapacity times=3
after command 1 of 'train.py' given 'resume': crash mycluster/mynode
when mycluster/mynode is working for 30: crash mycluster/mynode
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from math import inf
from typing import Any


class ScriptError(Exception):
    """A scenario file is wrong; `line` counts from 1."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(f"line {line}: {message}")
        self.line = line
        self.message = message


class Wrong(Exception):
    """Part of a line is wrong; the reader knows which line."""


class State(StrEnum):
    """How far a named node is."""

    PENDING = "pending"
    RUNNING = "running"
    WORKING = "working"


@dataclass(frozen=True, kw_only=True)
class At:
    """So many of EC2's seconds after the beginning."""

    seconds: float


@dataclass(frozen=True, kw_only=True)
class OnCall:
    """The call is held while the act is done: before it is carried out, or after that and before its answer."""

    action: str
    nth: int
    when: str

    @property
    def order(self) -> dict[str, Any]:
        """What the control's `hold` wants of it."""
        return {"action": self.action, "nth": self.nth, "when": self.when}


@dataclass(frozen=True, kw_only=True)
class OnCommand:
    """The same of an SSH command on a node that contains `command` and is given an input that contains `given`."""

    command: str
    given: str
    nth: int
    when: str

    @property
    def order(self) -> dict[str, Any]:
        """What the control's `hold` wants of it."""
        return {"command": self.command, "given": self.given, "nth": self.nth, "when": self.when}


@dataclass(frozen=True, kw_only=True)
class OnState:
    """The nth instance of this name, of those that live at or after the beginning, has come so far."""

    cluster: str
    alias: str
    state: State
    seconds: float = 0.0
    instance: int = 1


Held = OnCall | OnCommand
Trigger = At | Held | OnState


@dataclass(frozen=True, kw_only=True)
class Act:
    """One thing to do: its verb, its plain words and its name=value words, all as the operation wants them."""

    verb: str
    words: tuple[Any, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Step:
    line: int
    text: str
    trigger: Trigger
    act: Act


Reader = Callable[[str], Any]


def number(text: str) -> float:
    """A number of seconds, vCPUs, dollars: not negative, not infinite."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < inf:
        raise Wrong(f"'{text}' is not a number")
    return value


def count(text: str) -> int:
    if not text.isdecimal():
        raise Wrong(f"'{text}' is not a whole number")
    return int(text)


def ordinal(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise Wrong(f"'{text}' is not 1, 2, 3...")
    return int(text)


def named(text: str) -> tuple[str, str]:
    """CLUSTER/NODE"""
    cluster, slash, alias = text.partition("/")
    if not (cluster and slash and alias):
        raise Wrong(f"'{text}' is not CLUSTER/NODE")
    return cluster, alias


def word(text: str) -> str:
    return text


def or_none(reader: Reader) -> Reader:
    return lambda text: None if text == "none" else reader(text)


def one_of(*choices: str) -> Reader:
    def read(text: str) -> str:
        if text not in choices:
            raise Wrong(f"'{text}' is not one of {', '.join(choices)}")
        return text

    return read


def exit_status(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 256:
        raise Wrong(f"'{text}' is not an exit status, 1 to 255")
    return int(text)


def yes(text: str) -> bool:
    return bool(one_of("yes", "no")(text) == "yes")


@dataclass(frozen=True, kw_only=True)
class Grammar:
    """What follows a verb. `usage` is told to whoever got it wrong."""

    usage: str
    words: tuple[Reader, ...] = ()
    options: Mapping[str, Reader] = field(default_factory=dict)
    any_option: Reader | None = None


_MARKET = one_of("spot", "on-demand", "all")
GRAMMAR: dict[str, Grammar] = {
    "interrupt": Grammar(
        usage="interrupt CLUSTER/NODE [notice=SECONDS] [action=terminate|stop]",
        words=(named,),
        options={"notice": number, "action": one_of("terminate", "stop")},
    ),
    "rebalance": Grammar(usage="rebalance CLUSTER/NODE", words=(named,)),
    "crash": Grammar(usage="crash CLUSTER/NODE", words=(named,)),
    "freeze": Grammar(usage="freeze CLUSTER/NODE", words=(named,)),
    "thaw": Grammar(usage="thaw CLUSTER/NODE", words=(named,)),
    "price": Grammar(
        usage="price TYPE DOLLARS|none [zone=ZONE]", words=(word, or_none(number)), options={"zone": word}
    ),
    "capacity": Grammar(
        usage="capacity TYPE COUNT|none [zone=ZONE] [market=spot|on-demand|all] [reclaim=yes]",
        words=(word, or_none(count)),
        options={"zone": word, "market": _MARKET, "reclaim": yes},
    ),
    "quota": Grammar(
        usage="quota VCPUS|none [market=spot|on-demand]",
        words=(or_none(count),),
        options={"market": one_of("spot", "on-demand")},
    ),
    "fault": Grammar(
        usage="fault ACTION|*|s3:* CODE [times=N] [skip=N] [status=N] [probability=P] [when=before|after]",
        words=(word, word),
        options={
            "times": ordinal,
            "skip": count,
            "status": count,
            "probability": number,
            "when": one_of("before", "after"),
        },
    ),
    "fail": Grammar(
        usage="fail COMMAND [given=TEXT] [times=N] [status=N] [reset=yes] [probability=P] [when=before|after]",
        words=(word,),
        options={
            "given": word,
            "times": ordinal,
            "status": exit_status,
            "reset": yes,
            "probability": number,
            "when": one_of("before", "after"),
        },
    ),
    "lag": Grammar(usage="lag SECONDS", words=(number,)),
    "timing": Grammar(usage="timing NAME=SECONDS...", any_option=number),
    "hold": Grammar(usage="hold SECONDS", words=(number,)),
    "clear": Grammar(usage="clear"),
    "kill": Grammar(usage="kill daemon|agent", words=(one_of("daemon", "agent"),)),
    "run": Grammar(usage="run COMMAND"),
}
_AT = re.compile(r"at (\S+)")
_CALL = re.compile(r"(before|after) call (\S+) of (\w+)")
_COMMAND = re.compile(r"(before|after)\s+command\s+(\S+)\s+of\s+(.+)")
_COLON = re.compile(r"""((?:[^:"']|"[^"]*"|'[^']*')*):(.*)""")
_STATE = re.compile(r"when (\S+) is (\w+)(?: for (\S+))?(?: on instance (\S+))?")
_TRIGGERS = (
    "'at SECONDS', 'before call N of ACTION', 'after call N of ACTION', 'before command N of TEXT', "
    "'after command N of TEXT' or 'when CLUSTER/NODE is STATE'"
)


def read(text: str) -> tuple[Step, ...]:
    """The steps of a scenario file, in its order. Raises ScriptError."""
    steps = tuple(_steps(text))
    if not steps:
        raise ScriptError(1, "the file has no steps")
    _refuse_two_sides(steps)
    return steps


def _steps(text: str) -> Iterator[Step]:
    for place, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        try:
            yield _step(place, line)
        except Wrong as wrong:
            raise ScriptError(place, str(wrong)) from None


def _step(place: int, line: str) -> Step:
    parts = _COLON.fullmatch(line)  # the first colon that is not quoted
    if not parts:
        raise Wrong("there is no ':' between when and what")
    trigger, act = _trigger(parts[1].strip()), _act(parts[2].strip())
    if act.verb == "hold" and not isinstance(trigger, Held):
        raise Wrong("hold goes with 'before call', 'after call', 'before command' or 'after command' only")
    return Step(line=place, text=line, trigger=trigger, act=act)


def _trigger(whole: str) -> Trigger:
    text = " ".join(whole.split())
    if found := _AT.fullmatch(text):
        return At(seconds=number(found[1]))
    if found := _CALL.fullmatch(text):
        return OnCall(when=found[1], nth=ordinal(found[2]), action=found[3])
    if found := _COMMAND.fullmatch(whole):
        return _on_command(found[1], found[2], found[3])
    if found := _STATE.fullmatch(text):
        cluster, alias = named(found[1])
        state = State(one_of(*State)(found[2]))
        seconds, instance = number(found[3] or "0"), ordinal(found[4] or "1")
        return OnState(cluster=cluster, alias=alias, state=state, seconds=seconds, instance=instance)
    raise Wrong(f"'{text}' is none of {_TRIGGERS}")


def _on_command(when: str, nth: str, rest: str) -> OnCommand:
    words = _words(rest)
    if len(words) not in (1, 3) or words[1:2] not in ([], ["given"]):
        raise Wrong("the form is: before|after command N of TEXT [given TEXT]; quote a text that has spaces")
    return OnCommand(when=when, nth=ordinal(nth), command=words[0], given=words[2] if len(words) == 3 else "")


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise Wrong(f"{error}") from None


def _act(text: str) -> Act:
    verb, _, rest = text.partition(" ")
    grammar = GRAMMAR.get(verb)
    if grammar is None:
        raise Wrong(f"'{verb}' is none of {', '.join(GRAMMAR)}")
    if verb == "run":
        return _shell(rest.strip(), grammar)
    words = _words(rest)
    plain = [one for one in words if "=" not in one]
    if len(plain) != len(grammar.words) or (grammar.any_option and len(words) == len(plain)):
        raise Wrong(f"the form is: {grammar.usage}")
    values = tuple(reader(one) for reader, one in zip(grammar.words, plain, strict=True))
    return Act(verb=verb, words=values, options=_options([one for one in words if "=" in one], grammar))


def _shell(command: str, grammar: Grammar) -> Act:
    if not command:
        raise Wrong(f"the form is: {grammar.usage}")
    return Act(verb="run", words=(command,))


def _options(words: list[str], grammar: Grammar) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for one in words:
        name, _, value = one.partition("=")
        reader = grammar.options.get(name, grammar.any_option)
        if reader is None:
            raise Wrong(f"there is no '{name}' here; the form is: {grammar.usage}")
        options[name] = reader(value)
    return options


def _refuse_two_sides(steps: tuple[Step, ...]) -> None:
    """One call can be held once: before or after."""
    sides: dict[Held, Step] = {}
    for step in steps:
        if isinstance(step.trigger, Held):
            first = sides.setdefault(replace(step.trigger, when=""), step)
            if isinstance(first.trigger, Held) and first.trigger.when != step.trigger.when:
                raise ScriptError(step.line, f"line {first.line} holds that call on its other side")

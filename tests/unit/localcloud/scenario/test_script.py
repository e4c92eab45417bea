"""The language of scenario files."""

from __future__ import annotations

import pytest

from starcluster.localcloud.scenario.script import Act, At, OnCall, OnCommand, OnState, ScriptError, State, read


def test_a_line_is_when_and_what() -> None:
    (step,) = read("at 60: interrupt mycluster/mynode notice=0\n")
    assert step.line == 1
    assert step.trigger == At(seconds=60)
    assert step.act == Act(verb="interrupt", words=(("mycluster", "mynode"),), options={"notice": 0})


def test_comments_and_empty_lines_are_counted_and_left_out() -> None:
    steps = read("# a bad day\n\n  at 1: clear\n\n  # more\nat 2 : clear\n")
    assert [step.line for step in steps] == [3, 6]


@pytest.mark.parametrize(
    ("text", "trigger"),
    [
        ("before call 2 of RunInstances", OnCall(when="before", nth=2, action="RunInstances")),
        ("after  call 1 of  CreateTags", OnCall(when="after", nth=1, action="CreateTags")),
        ("before command 1 of tool", OnCommand(when="before", nth=1, command="tool", given="")),
        (
            """after  command 2 of 'a:  b'  given '"op": "run"'""",
            OnCommand(when="after", nth=2, command="a:  b", given='"op": "run"'),
        ),
        ("when c/n is working", OnState(cluster="c", alias="n", state=State.WORKING)),
        (
            "when c/n is running for 2.5 on instance 3",
            OnState(cluster="c", alias="n", state=State.RUNNING, seconds=2.5, instance=3),
        ),
    ],
)
def test_triggers(text: str, trigger: object) -> None:
    assert read(f"{text}: clear")[0].trigger == trigger


@pytest.mark.parametrize(
    ("text", "act"),
    [
        ("price c5.large none", Act(verb="price", words=("c5.large", None))),
        ("price c5.large 0.5 zone=z", Act(verb="price", words=("c5.large", 0.5), options={"zone": "z"})),
        ("capacity t3.micro 0 reclaim=yes", Act(verb="capacity", words=("t3.micro", 0), options={"reclaim": True})),
        ("capacity t3.micro 0 reclaim=no", Act(verb="capacity", words=("t3.micro", 0), options={"reclaim": False})),
        ("quota 64", Act(verb="quota", words=(64,))),
        ("fault * Unavailable times=3", Act(verb="fault", words=("*", "Unavailable"), options={"times": 3})),
        ("timing notice=30 boot_to_running=1", Act(verb="timing", options={"notice": 30, "boot_to_running": 1})),
        ("run echo a: b=c; true", Act(verb="run", words=("echo a: b=c; true",))),
        ("fail tool", Act(verb="fail", words=("tool",))),
        (
            "fail 'a: b' given='c: d' status=3 times=2 when=after",
            Act(verb="fail", words=("a: b",), options={"given": "c: d", "status": 3, "times": 2, "when": "after"}),
        ),
        ("kill daemon", Act(verb="kill", words=("daemon",))),
    ],
)
def test_acts(text: str, act: Act) -> None:
    assert read(f"at 0: {text}")[0].act == act


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("at 60 interrupt c/n", "no ':'"),
        ("at soon: clear", "'soon' is not a number"),
        ("at -1: clear", "'-1' is not a number"),
        ("at inf: clear", "'inf' is not a number"),
        ("on call 1 of RunInstances: clear", "is none of 'at SECONDS'"),
        ("before call 0 of RunInstances: clear", "'0' is not 1, 2, 3"),
        ("before command 0 of tool: clear", "'0' is not 1, 2, 3"),
        ("before command 1 of my tool: clear", "the form is: before|after command N of TEXT"),
        ("before command 1 of tool taken it: clear", "the form is: before|after command N of TEXT"),
        ("before command 1 of 'tool: clear", "no ':'"),
        ("at 1: fail tool status=256", "'256' is not an exit status"),
        ("when mynode is running: clear", "'mynode' is not CLUSTER/NODE"),
        ("when c/n is happy: clear", "'happy' is not one of pending, running, working"),
        ("at 1: explode", "'explode' is none of"),
        ("at 1:", "'' is none of"),
        ("at 1: interrupt", "the form is: interrupt CLUSTER/NODE"),
        ("at 1: interrupt c/n later", "the form is: interrupt CLUSTER/NODE"),
        ("at 1: interrupt c/n notice=soon", "'soon' is not a number"),
        ("at 1: interrupt c/n force=1", "there is no 'force' here"),
        ("at 1: capacity c5.large few", "'few' is not a whole number"),
        ("at 1: capacity c5.large 0 reclaim=maybe", "'maybe' is not one of yes, no"),
        ("at 1: timing", "the form is: timing"),
        ("at 1: run", "the form is: run"),
        ("at 1: kill driver", "'driver' is not one of daemon, agent"),
        ("at 1: hold 5", "hold goes with 'before call'"),
        ("at 1: price 'c5.large 1", "No closing quotation"),
    ],
)
def test_a_wrong_line_is_told_by_its_number(line: str, said: str) -> None:
    with pytest.raises(ScriptError) as caught:
        read(f"# first\nat 0: clear\n{line}\n")
    assert caught.value.line == 3
    assert said in caught.value.message
    assert str(caught.value).startswith("line 3: ")


def test_a_call_is_not_held_on_both_sides() -> None:
    with pytest.raises(ScriptError, match="line 2: line 1 holds that call"):
        read("before call 1 of RunInstances: clear\nafter call 1 of RunInstances: clear")


def test_a_command_is_not_held_on_both_sides() -> None:
    with pytest.raises(ScriptError, match="line 2: line 1 holds that call"):
        read("before command 1 of tool: clear\nafter command 1 of tool: clear")
    assert read("before command 1 of tool: clear\nafter command 1 of tool given it: clear")


def test_a_file_without_steps_is_an_error() -> None:
    with pytest.raises(ScriptError, match="no steps"):
        read("# nothing\n")

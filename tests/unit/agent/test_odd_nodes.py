"""Nodes whose clock jumps and whose disks are full."""

from __future__ import annotations

from pathlib import Path

import pytest

from starcluster.agent import files
from tests.unit.agent.conftest import Agent, FakeImds, until

HOURS = 8 * 3600.0
SLOW = "trap 'sleep 1; echo saved; exit 0' TERM; echo ready; while :; do sleep 0.05; done"
DEAF = "trap '' TERM; echo ready; while :; do sleep 0.05; done"


def begin(agent: Agent, command: str, **more: object) -> None:
    agent.start()
    agent.run(command, **more)
    until(lambda: "ready" in agent.log(), "the command's start")


def events(agent: Agent) -> list[str]:
    return [one["event"] for one in agent.report()["stamps"]]


def drained(agent: Agent) -> None:
    until(lambda: agent.report()["phase"] == "drained", "the drain")


@pytest.mark.parametrize("ahead", [HOURS, -HOURS])
def test_a_node_with_a_wrong_clock_uses_the_time_that_ec2_gives(agent: Agent, imds: FakeImds, ahead: float) -> None:
    imds.ahead = ahead
    begin(agent, SLOW)
    imds.notice(8)
    drained(agent)
    assert "command-ended" in events(agent)
    assert agent.log().splitlines()[-1] == "saved"


def test_a_deaf_command_on_a_node_with_a_slow_clock_is_killed_in_time(agent: Agent, imds: FakeImds) -> None:
    imds.ahead = HOURS
    begin(agent, DEAF)
    imds.notice(4)
    drained(agent)
    assert "command-killed" in events(agent)


@pytest.mark.parametrize("jump", [HOURS, -HOURS])
def test_a_clock_that_jumps_after_the_notice_changes_nothing(agent: Agent, imds: FakeImds, jump: float) -> None:
    begin(agent, SLOW)
    imds.notice(8)
    until(lambda: agent.report()["phase"] == "draining", "the notice")
    agent.jump(jump)
    drained(agent)
    assert "command-ended" in events(agent)
    run = agent.report()["run"]
    assert run["exit"] == 0
    assert run["interrupted"], "a command that saved and ended with 0 is not finished"


def test_an_agent_started_anew_after_a_jump_keeps_to_the_end(agent: Agent, imds: FakeImds) -> None:
    begin(agent, DEAF)
    imds.notice(8)
    until(lambda: agent.report()["phase"] == "draining", "the notice")
    agent.kill()
    agent.jump(-HOURS)
    agent.start()
    drained(agent)
    assert "command-killed" in events(agent)


def test_how_the_command_ended_is_known_though_the_disk_is_full(agent: Agent) -> None:
    begin(agent, "echo ready; until [ -e $STARCLUSTER_CHECKPOINT_DIR/go ]; do sleep 0.05; done; exit 7")
    status = agent.places.attempt("mynode", 1) + "/status.json"
    agent.fill_disk_for(status, agent.status()["keeper"][0])
    Path(agent.places.checkpoints("mynode"), "go").touch()
    until(lambda: agent.report()["run"]["state"] != "running", "the command's end")
    assert (agent.report()["run"]["state"], agent.report()["run"]["exit"]) == ("exited", 7)
    agent.kill()
    agent.start()
    assert agent.report()["run"]["exit"] == 7


def test_the_nodes_end_is_gone_through_with_and_remembered_though_the_disk_is_full(
    agent: Agent, imds: FakeImds
) -> None:
    begin(agent, SLOW)
    agent.fill_disk_for(agent.places.drain_state("mynode"), agent.pid())
    imds.notice(8)
    drained(agent)
    assert "command-ended" in events(agent)
    agent.kill()
    imds.answers.clear()
    agent.start()
    assert agent.report()["phase"] == "drained"
    assert agent.run("echo never", attempt=2)["kind"] == "busy"


def test_the_agent_reports_though_its_files_can_not_be_written(agent: Agent) -> None:
    agent.start()
    for path in (agent.places.local_report, agent.places.report("mynode")):
        agent.fill_disk_for(path, agent.pid())
    agent.run("exit 4")
    agent.ended()
    assert agent.report()["run"]["exit"] == 4
    Path(f"{agent.places.report('mynode')}.{agent.pid()}.new").rmdir()

    def shared() -> bool:
        report = agent.call("look", names=["mynode"])["reports"]["mynode"]["report"]
        return bool(report and report["run"])

    until(shared, "the shared report, when there is room again")


def test_a_file_that_could_not_be_written_leaves_no_draft(tmp_path: Path) -> None:
    (tmp_path / "it").mkdir()
    with pytest.raises(OSError, match="it"):
        files.write_json(str(tmp_path / "it"), {})
    assert [one.name for one in tmp_path.iterdir()] == ["it"]


def test_the_disk_counts_again_when_it_has_room(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    kept = files.Kept(str(path), str(tmp_path / "spare"))
    path.mkdir()
    kept.write({"is": "in memory"})
    assert kept.read() == {"is": "in memory"}
    path.rmdir()
    kept.write({"is": "on the disk"})
    assert files.Kept(str(path), "").read() == {"is": "on the disk"}
    assert kept.read() == {"is": "on the disk"}

"""EC2's notice: the command saves its work, and nothing is started again."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from starcluster.agent.drain import mount_points
from tests.unit.agent.conftest import Agent, FakeImds, until

SAVING = "trap 'echo saved; exit 0' TERM; echo ready; while :; do sleep 0.05; done"


def events(agent: Agent) -> list[str]:
    return [one["event"] for one in agent.report()["stamps"]]


def drained(agent: Agent) -> None:
    until(lambda: agent.report()["phase"] == "drained", "the drain")


def begin(agent: Agent, command: str = SAVING, **more: object) -> None:
    agent.start(**more)
    agent.run(command)
    until(lambda: "ready" in agent.log(), "the command's start")


def test_a_notice_lets_the_command_save_and_forbids_another(agent: Agent, imds: FakeImds) -> None:
    begin(agent)
    imds.notice(10)
    drained(agent)
    assert agent.log().splitlines()[-1] == "saved"
    report = agent.report()
    assert report["run"]["interrupted"]
    assert report["notice"]["action"] == "terminate"
    wanted = ["started", "notice", "checkpoint-asked", "command-ended", "synced", "drained"]
    assert [event for event in events(agent) if event in wanted] == wanted
    assert agent.run("echo never", attempt=2)["kind"] == "busy"


def test_the_program_finds_the_notice_in_a_file(agent: Agent, imds: FakeImds) -> None:
    begin(agent, "trap 'cat $STARCLUSTER_NOTICE_FILE; exit 0' TERM; echo ready; while :; do sleep 0.05; done")
    imds.notice(10)
    drained(agent)
    assert json.loads(agent.log().splitlines()[-1])["action"] == "terminate"


def test_a_command_that_does_not_listen_is_killed_before_the_end_comes(agent: Agent, imds: FakeImds) -> None:
    begin(agent, "trap '' TERM; echo ready; while :; do sleep 0.05; done")
    imds.notice(3)
    drained(agent)
    assert "command-killed" in events(agent)
    report = agent.report()
    killed = next(one["at"] for one in report["stamps"] if one["event"] == "command-killed")
    assert killed < report["notice"]["time"]


def test_stop_timeout_shortens_what_the_command_gets(agent: Agent, imds: FakeImds) -> None:
    agent.start()
    agent.run("trap '' TERM; echo ready; while :; do sleep 0.05; done", stop_timeout=0.3)
    until(lambda: "ready" in agent.log())
    imds.notice(600)
    drained(agent)
    assert "command-killed" in events(agent)


def test_a_notice_whose_time_is_past_drains_at_once(agent: Agent, imds: FakeImds) -> None:
    begin(agent, "trap '' TERM; echo ready; while :; do sleep 0.05; done")
    imds.notice(-60)
    drained(agent)


def test_a_node_without_a_command_drains(agent: Agent, imds: FakeImds) -> None:
    agent.start()
    imds.notice(5)
    drained(agent)
    assert agent.run("echo never")["kind"] == "busy"


def test_an_agent_killed_in_the_middle_goes_on_with_the_drain(agent: Agent, imds: FakeImds) -> None:
    begin(agent, "trap 'sleep 1; echo saved; exit 0' TERM; echo ready; while :; do sleep 0.05; done")
    imds.notice(60)
    until(lambda: agent.report()["phase"] == "draining", "the drain's begin")
    agent.kill()
    imds.answers.clear()
    agent.start()
    assert agent.run("echo never", attempt=2)["kind"] == "busy"
    drained(agent)
    assert agent.log().splitlines()[-1] == "saved"


def test_an_end_before_the_notice_is_not_interrupted(agent: Agent, imds: FakeImds) -> None:
    agent.start()
    agent.run("exit 0")
    agent.ended()
    imds.notice(5)
    drained(agent)
    assert agent.report()["run"]["interrupted"] is False


def test_drain_can_be_ordered(agent: Agent) -> None:
    begin(agent)
    assert agent.call("drain", seconds=20)["begun"]
    assert not agent.call("drain", seconds=20)["begun"]
    drained(agent)
    assert agent.log().splitlines()[-1] == "saved"


def test_the_shared_report_says_drained(agent: Agent, imds: FakeImds) -> None:
    begin(agent)
    imds.notice(10)

    def shared() -> bool:
        report = agent.call("look", names=["mynode"])["reports"]["mynode"]["report"]
        return bool(report) and report["phase"] == "drained"

    until(shared, "the shared report")


def test_a_rebalance_hint_is_reported_and_stops_nothing(agent: Agent, imds: FakeImds) -> None:
    begin(agent)
    imds.answers["events/recommendations/rebalance"] = json.dumps({"noticeTime": "2026-01-31T12:00:00Z"})
    until(lambda: agent.report()["rebalance"], "the hint")
    assert agent.report()["phase"] == "running"


def test_a_metadata_service_that_fails_is_asked_again(agent: Agent, imds: FakeImds) -> None:
    imds.status = 500
    begin(agent)
    imds.token = "token-2"
    until(lambda: "500" in Path(agent.places.log).read_text(), "the failure's line")
    imds.status = 200
    imds.notice(10)
    drained(agent)


def test_a_shared_volume_that_is_away_does_not_keep_from_answering(agent: Agent) -> None:
    (agent.root / "home" / ".starcluster").write_text("not a folder")
    agent.start()
    assert agent.report()["phase"] == "idle"
    time.sleep(0.5)
    assert agent.report()["phase"] == "idle"
    assert agent.run("true")["kind"] == "failed"


@pytest.mark.parametrize("volumes", [[], ["vol-0abc"]])
def test_mount_points_of_volumes(tmp_path: Path, volumes: list[str]) -> None:
    table = tmp_path / "mounts"
    device = "/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_vol0abc"
    rows = ["/dev/root / ext4", f"{device} /data ext4", f"{device} /data/my\\040disk ext4", "master:/home /home nfs"]
    table.write_text("".join(f"{row} rw 0 0\n" for row in rows))
    found = mount_points(volumes, str(table))
    assert found == (["/data/my disk", "/data"] if volumes else [])


PARENT = """
import os, signal, subprocess, sys, time
child = subprocess.Popen(["sleep", "60"])
def save(*_):
    time.sleep(0.5)
    sys.exit(print("child lives" if child.poll() is None else "child died", flush=True) or child.kill())
signal.signal(signal.SIGTERM, save)
print("ready", flush=True)
while True: time.sleep(0.05)
"""


@pytest.mark.parametrize("before", ["", "exec ", "cd / && "])
def test_the_program_hears_of_the_end_before_its_children(agent: Agent, imds: FakeImds, before: str) -> None:
    (agent.root / "program.py").write_text(PARENT)
    begin(
        agent,
        f"{before}python3 {agent.root}/program.py; true"
        if before != "exec "
        else f"exec python3 {agent.root}/program.py",
    )
    imds.notice(60)
    drained(agent)
    assert agent.log().splitlines()[-1] == "child lives"


def test_all_of_a_command_may_be_told_at_once(agent: Agent, imds: FakeImds) -> None:
    (agent.root / "program.py").write_text(PARENT)
    agent.start()
    agent.run(f"python3 {agent.root}/program.py", stop_signal_to="all")
    until(lambda: "ready" in agent.log())
    imds.notice(60)
    drained(agent)
    assert agent.log().splitlines()[-1] == "child died"


def test_what_outlives_the_program_is_told_then(agent: Agent, imds: FakeImds) -> None:
    inner = "trap 'echo saved; exit' TERM; echo ready; while :; do sleep 0.05; done"
    begin(agent, f'setsid -w env bash -c "{inner}"')
    imds.notice(600)
    drained(agent)
    assert agent.log().splitlines()[-1] == "saved"
    assert "command-ended" in events(agent)


def stamp(agent: Agent, event: str) -> dict[str, object]:
    return next(one for one in agent.report()["stamps"] if one["event"] == event)


def test_the_checkpoint_command_runs_before_sigterm(agent: Agent, imds: FakeImds) -> None:
    agent.start()
    words = 'echo "saving $STARCLUSTER_ATTEMPT $SEED"; kill -USR1 $STARCLUSTER_PID; sleep 0.3; exit 5'
    command = "trap 'echo told' USR1; trap 'echo term; exit' TERM; echo ready; while :; do sleep 0.05; done"
    agent.run(command, checkpoint_command=words, environment={"SEED": "7"})
    until(lambda: "ready" in agent.log())
    imds.notice(60)
    drained(agent)
    said = [line for line in agent.log().splitlines() if line != "Terminated"]  # bash of its own sleep
    assert said == ["ready", "saving 1 7", "told", "term"]
    assert stamp(agent, "checkpoint-command")["exit"] == 5
    assert "command-ended" in events(agent)


def test_a_checkpoint_command_that_takes_too_long_is_ended(agent: Agent, imds: FakeImds) -> None:
    agent.start()
    agent.run(SAVING, checkpoint_command="sleep 60 & wait", checkpoint_timeout=0.5)
    until(lambda: "ready" in agent.log())
    imds.notice(60)
    drained(agent)
    assert stamp(agent, "checkpoint-command")["exit"] is None
    assert agent.log().splitlines()[-1] == "saved"


def hint(imds: FakeImds) -> None:
    imds.answers["events/recommendations/rebalance"] = json.dumps({"noticeTime": "2026-01-31T12:00:00Z"})


def test_a_rebalance_hint_makes_one_checkpoint_and_the_command_goes_on(agent: Agent, imds: FakeImds) -> None:
    agent.start()
    agent.run(SAVING, checkpoint_command="echo copied")
    until(lambda: "ready" in agent.log())
    hint(imds)
    until(lambda: "checkpoint-command" in events(agent), "the checkpoint")
    agent.kill()
    agent.start()
    until(lambda: agent.report()["rebalance"], "the hint, by another agent")
    assert agent.report()["phase"] == "running"
    assert events(agent).count("checkpoint-command") == 1
    assert agent.log().splitlines() == ["ready", "copied"]


def test_a_rebalance_hint_may_be_ignored(agent: Agent, imds: FakeImds) -> None:
    agent.start()
    agent.run(SAVING, checkpoint_command="echo copied", rebalance="ignore")
    until(lambda: "ready" in agent.log())
    hint(imds)
    until(lambda: "rebalance" in events(agent), "the hint")
    time.sleep(0.3)
    assert "checkpoint-command" not in events(agent)


def leave_hook(agent: Agent, name: str, script: str) -> None:
    folder = Path(agent.places.hooks) / "on-notice.d"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def test_hooks_have_what_the_command_saved_and_keep_no_end_from_coming(agent: Agent, imds: FakeImds) -> None:
    leave_hook(agent, "a", f"cp {agent.places.log_file('mynode', 1)} {agent.root}/copy; exit 7")
    leave_hook(agent, "b", "sleep 60")
    begin(agent)
    imds.notice(4)
    drained(agent)
    report = agent.report()
    hooks = [one for one in report["stamps"] if one["event"] == "hook"]
    assert [(one["hook"], one["exit"]) for one in hooks] == [("a", 7), ("b", None)]
    assert "saved" in (agent.root / "copy").read_text()
    wanted = ["command-ended", "hook", "hook", "synced", "drained"]
    assert [event for event in events(agent) if event in wanted] == wanted
    assert next(one["at"] for one in report["stamps"] if one["event"] == "drained") < report["notice"]["time"]

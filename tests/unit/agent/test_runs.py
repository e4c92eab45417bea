"""A command under the agent: started once, kept when the agent dies, its end written down."""

from __future__ import annotations

import os
import signal
import stat
from pathlib import Path

from starcluster.agent import processes
from tests.unit.agent.conftest import Agent, until


def test_without_an_agent_the_answer_is_absent(agent: Agent) -> None:
    assert agent.call("hello")["kind"] == "absent"


def test_a_command_runs_with_its_environment_and_its_end_is_reported(agent: Agent) -> None:
    agent.start()
    words = 'echo "$STARCLUSTER_NODE/$STARCLUSTER_CLUSTER/$STARCLUSTER_ATTEMPT/$WHO"; pwd; exit 3'
    assert agent.run(words, environment={"WHO": "me"})["started"]
    assert agent.ended()["exit"] == 3
    assert agent.log() == f"mynode/mycluster/1/me\n{agent.root}/home\n"
    seen = agent.report()["run"]
    assert (seen["state"], seen["exit"], seen["interrupted"]) == ("exited", 3, False)


def test_the_same_attempt_is_never_started_twice(agent: Agent) -> None:
    agent.start()
    agent.run("echo once")
    agent.ended()
    assert not agent.run("echo once")["started"]
    assert agent.log() == "once\n"


def test_two_commands_never_run_at_once(agent: Agent) -> None:
    agent.start()
    agent.run("sleep 60")
    refused = agent.run("echo second", attempt=2)
    assert refused["kind"] == "busy"
    assert not Path(agent.places.log_file("mynode", 2)).exists()


def test_the_command_outlives_the_agent_and_a_new_agent_finds_it(agent: Agent) -> None:
    agent.start()
    agent.run("sleep 60")
    before = agent.status()
    agent.kill()
    assert processes.is_alive(before["command"])
    assert agent.call("report")["kind"] == "absent"
    agent.start()
    seen = agent.report()["run"]
    assert (seen["attempt"], seen["state"]) == (1, "running")
    assert not agent.run("echo never")["started"]
    os.kill(before["command"][0], signal.SIGKILL)
    assert agent.ended()["exit"] == -9


def test_an_end_that_nobody_watched_is_known_later(agent: Agent) -> None:
    agent.start()
    agent.run("sleep 0.3; exit 5")
    agent.kill()
    assert agent.ended()["exit"] == 5
    agent.start()
    seen = agent.report()["run"]
    assert (seen["state"], seen["exit"]) == ("exited", 5)


def test_a_command_whose_keeper_was_killed_is_lost_only_when_it_is_gone(agent: Agent) -> None:
    agent.start()
    agent.run("sleep 60")
    status = agent.status()
    os.kill(status["keeper"][0], signal.SIGKILL)
    until(lambda: not processes.is_alive(status["keeper"]))
    assert agent.report()["run"]["state"] == "running"
    processes.signal_all(processes.members(0, status["command"][0]), signal.SIGKILL)
    until(lambda: agent.report()["run"]["state"] == "lost", "the loss")


def test_processes_that_detach_themselves_belong_to_the_command(agent: Agent) -> None:
    agent.start()
    agent.run("setsid setsid sleep 60 & exit 0")
    until(lambda: agent.status().get("main_exit") == 0, "the main process's end")
    seen = agent.report()["run"]
    assert (seen["state"], seen["lingering"], seen["exit"]) == ("running", 1, None)
    assert agent.call("stop", seconds=5)["willing"]
    assert agent.ended()["exit"] == 0


def test_a_stop_kills_what_does_not_listen(agent: Agent) -> None:
    agent.start()
    agent.run("trap '' TERM; echo ready; while :; do sleep 0.1; done")
    until(lambda: agent.log() == "ready\n")
    assert not agent.call("stop", seconds=0.3)["willing"]
    assert agent.ended()["exit"] == -9


def test_a_missing_folder_ends_the_command_at_once(agent: Agent) -> None:
    agent.start()
    agent.run("echo never", workdir="/no/such/folder")
    assert agent.ended()["exit"] == 126
    assert "/no/such/folder" in agent.log()


def test_an_unknown_user_ends_the_command_at_once(agent: Agent) -> None:
    agent.start()
    agent.run("echo never", run_as="nobody-of-that-name")
    assert agent.ended()["exit"] == 126
    assert "no user" in agent.log()


def test_a_command_runs_with_another_users_rights(agent: Agent) -> None:
    agent.root.chmod(0o755)
    for folder in agent.root.parents:
        if folder.stat().st_uid == os.getuid() and not folder.stat().st_mode & stat.S_IXOTH:
            folder.chmod(folder.stat().st_mode | stat.S_IXOTH | stat.S_IROTH)
    agent.start()
    agent.run("id -un; touch $STARCLUSTER_CHECKPOINT_DIR/mine && echo $HOME", run_as="nobody")
    assert agent.ended()["exit"] == 0, agent.log()
    assert agent.log().splitlines()[0] == "nobody"


def test_a_command_that_does_not_exist_is_127(agent: Agent) -> None:
    agent.start()
    agent.run("no-such-program --help")
    assert agent.ended()["exit"] == 127


def test_the_progress_in_the_log_is_reported_with_where_it_began(agent: Agent) -> None:
    agent.start()
    agent.run("echo progress: 40/100; sleep 0.5; echo 'progress: 60/100 loss=1'; sleep 60")
    until(lambda: agent.report()["run"].get("step") == 60, "step 60")
    (first,) = [one for one in agent.report()["stamps"] if one["event"] == "first-progress"]
    assert (first["step"], first["total"], first["attempt"]) == (40, 100, 1)


def test_the_report_is_on_the_shared_volume_and_a_look_wakes_when_it_changes(agent: Agent) -> None:
    agent.start()
    agent.run("sleep 0.5; exit 4")
    until(lambda: agent.call("look", names=["mynode"])["reports"]["mynode"]["report"])
    seen: dict[str, int] = {}
    states = []
    for _ in range(20):
        word = agent.call("look", names=["mynode"], wait=20, seen=seen)["reports"]["mynode"]
        seen = {"mynode": word["report"]["seq"]}
        states.append((word["report"]["run"] or {}).get("state"))
        if states[-1] == "exited":
            break
    assert states[-1] == "exited"
    assert word["last_run"] == 1
    assert word["age"] < 30


def test_a_look_at_a_name_that_never_was(agent: Agent) -> None:
    word = agent.call("look", names=["nobody"])["reports"]["nobody"]
    Path(agent.places.checkpoints("nobody")).mkdir(parents=True)
    assert word == agent.call("look", names=["nobody"])["reports"]["nobody"]
    Path(agent.places.checkpoints("nobody"), "saved").touch()
    assert agent.call("look", names=["nobody"])["reports"]["nobody"]["checkpoint"]
    assert word == {"report": None, "age": 0.0, "last_run": 0, "checkpoint": False}


def test_the_end_of_a_log_and_what_comes_after_it(agent: Agent) -> None:
    agent.start()
    agent.run("seq 1 100; until [ -e $STARCLUSTER_CHECKPOINT_DIR/go ]; do sleep 0.05; done; echo more")
    until(lambda: agent.log().endswith("100\n"))
    found = agent.call("tail", name="mynode", lines=2)
    assert (found["text"], found["attempt"]) == ("99\n100", 1)
    Path(agent.places.checkpoints("mynode"), "go").touch()
    agent.ended()
    assert agent.call("tail", name="mynode", offset=found["offset"])["text"] == "more\n"
    assert "error" in agent.call("tail", name="mynode", attempt=9)


def test_the_log_of_an_attempt_that_is_about_to_begin_is_empty(agent: Agent) -> None:
    log = Path(agent.places.log_file("mynode", 2))
    assert "error" in agent.call("tail", name="mynode", attempt=2, offset=0)
    log.parent.mkdir(parents=True)
    found = agent.call("tail", name="mynode", attempt=2, offset=0)
    assert (found["text"], found["offset"], found.get("error")) == ("", 0, None)
    log.write_text("begun\n")
    assert agent.call("tail", name="mynode", attempt=2, offset=0)["text"] == "begun\n"


def test_starting_an_agent_twice_leaves_one(agent: Agent) -> None:
    agent.start()
    pid = agent.pid()
    assert not agent.start()["started"]
    assert agent.pid() == pid


def test_an_idle_agent_is_replaced_by_a_newer_one_and_a_busy_one_is_not(agent: Agent) -> None:
    agent.start()
    first = agent.pid()
    assert agent.start(agent="newer")["started"]
    second = agent.pid()
    assert second != first
    agent.run("sleep 60")
    assert not agent.start(agent="newest")["started"]
    assert agent.pid() == second


def test_another_protocol_is_refused(agent: Agent) -> None:
    assert agent.call("hello", v=99)["kind"] == "version"


def test_an_unknown_order_is_an_answer(agent: Agent) -> None:
    agent.start()
    assert agent.call("dance")["kind"] == "unknown"


def test_only_the_owner_may_speak_to_the_agent(agent: Agent) -> None:
    agent.start()
    assert stat.S_IMODE(Path(agent.places.socket).stat().st_mode) == 0o600


def test_a_long_log_is_parted_and_read_across_the_parts(agent: Agent) -> None:
    agent.start()
    go = "until [ -e $STARCLUSTER_CHECKPOINT_DIR/go ]; do sleep 0.02; done"
    agent.run(f"echo first; {go}; for i in $(seq 1000); do echo line $i; sleep 0.0001; done", log_limit=4000)
    until(lambda: agent.log() == "first\n")
    found = agent.call("tail", name="mynode", lines=5)
    assert found["text"] == "first"
    Path(agent.places.checkpoints("mynode"), "go").touch()
    read = []
    while True:
        ended = "ended" in agent.status()
        found = agent.call("tail", name="mynode", attempt=1, offset=found["offset"], file=found["file"])
        read.append(found["text"])
        if ended and not found["text"]:
            break
    lines = "".join(read).split("\n")
    assert lines[-4:] == ["line 998", "line 999", "line 1000", ""]
    assert [one for one in lines if one and not one.startswith("line ")] == []
    log = Path(agent.places.log_file("mynode", 1))
    parts = sorted(one.name for one in log.parent.iterdir() if one.name.startswith("log"))
    assert parts == ["log", "log.1", "log.2", "log.3", "log.4"][: len(parts)]
    assert len(parts) > 2
    assert all(one.stat().st_size <= 4000 + 65536 for one in log.parent.iterdir())


def test_the_log_goes_on_when_its_keeper_was_killed(agent: Agent) -> None:
    agent.start()
    agent.run("until [ -e $STARCLUSTER_CHECKPOINT_DIR/go ]; do sleep 0.05; done; seq 20000; echo over; sleep 60")
    status = agent.status()
    os.kill(status["keeper"][0], signal.SIGKILL)
    until(lambda: not processes.is_alive(status["keeper"]))
    Path(agent.places.checkpoints("mynode"), "go").touch()
    until(lambda: agent.log().endswith("20000\nover\n"), "the lines after the keeper's death")
    processes.signal_all(processes.members(0, status["command"][0]), signal.SIGKILL)


def test_the_setup_command_runs_once_an_instance_before_the_command(agent: Agent) -> None:
    agent.start()
    agent.run("echo command; exit 3", setup_command="echo setup")
    assert agent.ended()["exit"] == 3
    assert agent.log() == "setup\ncommand\n"
    agent.run("echo again", attempt=2, setup_command="echo setup")
    agent.ended(2)
    assert agent.log(2) == "again\n"
    agent.run("echo third", attempt=3, setup_command="echo another")
    agent.ended(3)
    assert agent.log(3) == "another\nthird\n"


def test_a_setup_that_fails_ends_the_attempt_and_is_tried_again(agent: Agent) -> None:
    agent.start()
    for attempt in (1, 2):
        agent.run("echo never", attempt=attempt, setup_command="echo no; exit 7")
        assert agent.ended(attempt)["exit"] == 7
        assert agent.log(attempt) == "no\n"
        assert agent.report()["run"]["stage"] == "setup"


def test_what_the_setup_leaves_running_is_not_of_the_command(agent: Agent) -> None:
    agent.start()
    agent.run("exit 4", setup_command="(sleep 30 >/dev/null 2>&1 & echo $! > $STARCLUSTER_CHECKPOINT_DIR/pid)")
    assert agent.ended()["exit"] == 4
    left = int(Path(agent.places.checkpoints("mynode"), "pid").read_text())
    assert processes.is_alive([left, processes.start_of(left)])
    os.kill(left, signal.SIGKILL)


def test_a_node_that_stands_by_leaves_the_names_report_to_the_other_one(agent: Agent) -> None:
    agent.start(stands_by=True)
    beside = Path(agent.places.report_beside("mynode"))
    until(beside.exists, "the report beside the name's")
    assert not Path(agent.places.report("mynode")).exists()
    assert agent.start()["started"], "it takes the name: other settings, another agent"
    until(Path(agent.places.report("mynode")).exists, "the name's report")


def test_a_setup_command_ahead_of_all_attempts_outlives_a_change_of_agents(agent: Agent) -> None:
    agent.start(stands_by=True)
    agent.run(
        ":",
        attempt=0,
        setup_command="while test ! -e go; do sleep 0.1; done; echo done >> setups",
        workdir=str(agent.root),
    )
    assert agent.report()["phase"] == "running"
    assert agent.start(volumes=["vol-1"])["started"]
    assert agent.report()["run"]["state"] == "running"
    (agent.root / "go").touch()
    assert agent.ended(0)["exit"] == 0
    agent.run(
        "true", setup_command="while test ! -e go; do sleep 0.1; done; echo done >> setups", workdir=str(agent.root)
    )
    assert agent.ended(1)["exit"] == 0
    assert (agent.root / "setups").read_text() == "done\n", "once on a machine"

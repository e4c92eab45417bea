"""How commands end, and what the user is told."""

from __future__ import annotations

import pytest

from tests.rehearsal.train.conftest import TAG, Scene


def test_a_finished_command_is_remembered_until_it_is_wanted_again(scene: Scene) -> None:
    scene.write(short="echo attempt $STARCLUSTER_ATTEMPT of $STARCLUSTER_NODE")
    scene.drive("short").ends(0)
    again = scene.drive("short").ends(0)
    assert "finished at" in again
    assert len(scene.instances("short")) == 1
    scene.drive("--again", "short").ends(0)
    assert len(scene.instances("short")) == 2
    assert scene.starcluster("logs", TAG, "short").stdout == "attempt 2 of short\n"
    assert scene.starcluster("logs", TAG, "short", "-a", "1").stdout == "attempt 1 of short\n"
    row = next(line for line in scene.starcluster("nodes", TAG).stdout.splitlines() if line.startswith("short "))
    assert "finished" in row
    assert not scene.alive("short")


@pytest.mark.long
def test_the_log_of_a_command_that_has_not_begun_is_waited_for(scene: Scene) -> None:
    scene.control("capacity", type="c5.large", count=0, market="all")
    scene.write(patient="echo here I am")
    driver = scene.drive("patient")
    driver.says("EC2 has no capacity")
    none = scene.starcluster("logs", TAG, "patient", expect=1)
    assert "patient has no log yet: its command has not been started" in none.stderr
    assert "starcluster logs -f" in none.stderr
    reader = scene.start("starcluster", "logs", "-f", TAG, "patient")
    assert reader.stdout
    assert "it is shown as soon as there is one" in reader.stdout.readline()
    scene.control("capacity", type="c5.large", count=None, market="all")
    driver.ends(0)
    assert reader.communicate(timeout=30)[0] == "here I am\n"
    assert reader.returncode == 0


def test_a_failing_command_is_tried_again_and_then_given_up_with_its_log(scene: Scene) -> None:
    scene.write(fails={"command": "echo try $STARCLUSTER_ATTEMPT went wrong; exit 3", "max_restarts": "1"})
    text = scene.drive("fails").ends(1)
    assert "exit status 3" in text
    assert "try 2 went wrong" in text
    assert f"starcluster logs {TAG} fails" in text
    assert not scene.alive("fails")


def test_a_command_that_does_not_exist_is_given_up_at_once(scene: Scene) -> None:
    scene.write(nosuch="no-such-program --go")
    text = scene.drive("nosuch").ends(1)
    assert "no-such-program: command not found" in text
    assert sum(one["event"] == "run" for one in scene.journal("nosuch")) == 1
    assert not scene.alive("nosuch")


@pytest.mark.long
def test_a_node_is_kept_when_that_is_wished(scene: Scene) -> None:
    scene.write(kept={"command": "true", "on_success": "keep"})
    scene.drive("kept").ends(0)
    assert len(scene.alive("kept")) == 1
    scene.drive("--again", "kept").ends(0)
    assert len(scene.instances("kept")) == 1
    assert sum(one["event"] == "started" for one in scene.journal("kept")) == 2
    scene.remove("kept")


def test_an_on_demand_node_can_be_stopped_at_the_end(scene: Scene) -> None:
    scene.write(halted={"command": "true", "market": "on-demand", "on_success": "stop"})
    scene.drive("halted").ends(0)
    (instance,) = scene.instances("halted")
    assert instance["State"]["Name"] in ("stopping", "stopped")
    scene.remove("halted")


def test_user_workdir_and_environment(scene: Scene) -> None:
    settings = {
        "command": "id -un; pwd; echo $GREETING; touch $STARCLUSTER_CHECKPOINT_DIR/mine",
        "run_as": "sgeadmin",
        "workdir": "/tmp",
        "environment": "\n  GREETING=hello there",
    }
    scene.write(custom=settings)
    scene.drive("custom").ends(0)
    assert scene.starcluster("logs", TAG, "custom").stdout.splitlines()[-3:] == ["sgeadmin", "/tmp", "hello there"]


def test_events_as_lines_of_json(scene: Scene) -> None:
    import json

    scene.write(lines="true")
    text = scene.starcluster("train", "--json-lines", "lines").stdout
    events = [json.loads(line)["event"] for line in text.splitlines()]
    assert events[0] == "begin"
    assert "outcome" in events


def test_everything_launched_carries_its_tags(scene: Scene) -> None:
    scene.write(tagged={"command": "true", "User": "me", "Project": "digits"})
    scene.drive("tagged").ends(0)
    (instance,) = scene.instances("tagged")
    tags = {tag["Key"]: tag["Value"] for tag in instance["Tags"]}
    assert (tags["User"], tags["Project"], tags["@sc-cluster"], tags["alias"]) == ("me", "digits", TAG, "tagged")

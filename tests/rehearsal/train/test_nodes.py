"""What else may happen to a node, its agent and its cluster under a driver."""

from __future__ import annotations

import pytest

from tests.rehearsal.train.conftest import TAG, Scene, until

ONCE = "echo started >> /home/{0}.starts; while test ! -e /home/{0}.go; do sleep 0.1; done"


@pytest.fixture(autouse=True)
def _cluster(scene: Scene) -> None:
    """It is there, also where a test has ended it."""
    if not scene.alive("master"):
        scene.prepare()


def on_node(scene: Scene, name: str, command: str) -> str:
    return scene.starcluster("sshnode", TAG, name, command, expect=None).stdout


def starts(scene: Scene, name: str) -> int:
    return scene.on_master(f"cat /home/{name}.starts").count("started")


def test_a_rebooted_node_is_set_up_anew_and_the_command_goes_on(scene: Scene) -> None:
    scene.write(reboots=ONCE.format("reboots"))
    driver = scene.drive("reboots")
    driver.says("attempt 1 runs")
    before = scene.alive("reboots")
    scene.ec2().reboot_instances(InstanceIds=before)
    driver.says("attempt 2 runs")
    scene.on_master("touch /home/reboots.go")
    driver.ends(0)
    assert [one["InstanceId"] for one in scene.instances("reboots")] == before
    assert starts(scene, "reboots") == 2


@pytest.mark.long
def test_an_agent_that_is_killed_is_started_again_and_the_command_is_not(scene: Scene) -> None:
    scene.write(agentless=ONCE.format("agentless"))
    driver = scene.drive("agentless")
    driver.says("attempt 1 runs")
    on_node(scene, "agentless", "kill -9 $(pgrep -f 'agent-.*pyz serve')")
    driver.says("starting its agent")
    scene.on_master("touch /home/agentless.go")
    driver.ends(0)
    assert starts(scene, "agentless") == 1


@pytest.mark.long
def test_a_hardware_failure_is_replaced(scene: Scene) -> None:
    scene.write(hard=ONCE.format("hard"))
    driver = scene.drive("hard")
    driver.says("attempt 1 runs")
    (first,) = scene.alive("hard")
    scene.control("crash", instance_id=first)
    driver.says("attempt 2 runs")
    scene.on_master("touch /home/hard.go")
    driver.ends(0)
    assert len(scene.instances("hard")) == 2


@pytest.mark.long
def test_three_interruptions_in_a_row(scene: Scene) -> None:
    scene.write(often=ONCE.format("often"))
    driver = scene.drive("often")
    for attempt in (1, 2, 3):
        driver.says(f"attempt {attempt} runs")
        scene.interrupt("often", notice=120 if attempt % 2 else 0)
    driver.says("attempt 4 runs")
    scene.on_master("touch /home/often.go")
    driver.ends(0)
    until(lambda: not scene.alive("often"), "the end of all its nodes")
    assert starts(scene, "often") == 4


def test_the_end_of_the_cluster_ends_the_driver(scene: Scene) -> None:
    """The last one: it takes the cluster away."""
    scene.write(orphan="sleep 600")
    driver = scene.drive("orphan")
    driver.says("attempt 1 runs")
    scene.starcluster("terminate", "-c", TAG)
    driver.ends(3)
    assert not scene.alive("orphan")
    assert scene.ec2().describe_launch_templates()["LaunchTemplates"] == []

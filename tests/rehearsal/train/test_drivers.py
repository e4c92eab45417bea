"""Drivers that die, meet each other, or are sent away."""

from __future__ import annotations

import signal

import pytest

from tests.rehearsal.train.conftest import TAG, Scene, until

LONG = pytest.mark.long
ONCE = "echo started >> /home/{0}.starts; while test ! -e /home/{0}.go; do sleep 0.1; done"


def starts(scene: Scene, name: str) -> int:
    return scene.on_master(f"cat /home/{name}.starts 2>/dev/null || true").count("started")


def let_go(scene: Scene, name: str) -> None:
    scene.on_master(f"touch /home/{name}.go")


def test_a_driver_killed_in_mid_run_is_followed_by_one_that_adopts(scene: Scene) -> None:
    scene.write(adopted=ONCE.format("adopted"))
    first = scene.drive("adopted")
    first.says("attempt 1 runs")
    before = scene.alive("adopted")
    first.kill()
    second = scene.drive("adopted")
    second.says("attempt 1 runs")
    let_go(scene, "adopted")
    second.ends(0)
    assert [one["InstanceId"] for one in scene.instances("adopted")] == before
    assert starts(scene, "adopted") == 1


@pytest.mark.long
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("action", [pytest.param("CreateLaunchTemplate", marks=LONG), "RunInstances"])
def test_a_driver_killed_around_a_call_leaves_one_instance(scene: Scene, when: str, action: str) -> None:
    name = f"k{when}{action}"[:20].lower()
    scene.write(**{name: "true"})
    scene.control("hold", action=action, nth=1, when=when)
    first = scene.drive(name)
    until(lambda: any(one["parked"] for one in scene.control("holds")["holds"]), "the held call")
    first.kill()
    scene.control("clear")
    scene.drive(name).ends(0)
    assert len(scene.instances(name)) == 1
    templates = scene.ec2().describe_launch_templates()["LaunchTemplates"]
    assert [one["LaunchTemplateName"] for one in templates].count(f"sc-{TAG}-{name}") == 1


@pytest.mark.parametrize(
    "word", [pytest.param("setting it up", marks=LONG), pytest.param("mounted", marks=LONG), "starting the command"]
)
def test_a_driver_killed_in_the_middle_of_its_work_leaves_one_command(scene: Scene, word: str) -> None:
    name = "mid" + word.split()[0]
    scene.write(**{name: ONCE.format(name)})
    first = scene.drive(name)
    first.says(word)
    first.kill()
    second = scene.drive(name)
    second.says("runs on")
    let_go(scene, name)
    second.ends(0)
    assert len(scene.instances(name)) == 1
    assert starts(scene, name) == 1


def test_two_drivers_for_two_names_do_not_disturb_each_other(scene: Scene) -> None:
    scene.write("left.cfg", left="sleep 1; echo left")
    scene.write("right.cfg", right="sleep 1; echo right")
    left, right = scene.drive("left", "left.cfg"), scene.drive("right", "right.cfg")
    left.ends(0)
    right.ends(0)
    for name in ("left", "right"):
        assert len(scene.instances(name)) == 1
        assert scene.starcluster("logs", TAG, name).stdout.strip().endswith(name)


def test_one_driver_for_two_names(scene: Scene) -> None:
    scene.write(one="sleep 1", two="sleep 1")
    scene.drive("one", "two").ends(0)
    assert len(scene.instances("one")) == len(scene.instances("two")) == 1


def test_a_second_driver_steps_back_and_takes_over(scene: Scene) -> None:
    scene.write(shared=ONCE.format("shared"))
    first = scene.drive("shared")
    first.says("attempt 1 runs")
    second = scene.drive("shared")
    assert f":{first.process.pid}:" in second.says("supervises it")
    first.kill()
    second.says("attempt 1 runs")
    let_go(scene, "shared")
    second.ends(0)
    assert len(scene.instances("shared")) == 1
    assert starts(scene, "shared") == 1


def test_ctrl_c_ends_the_watching_and_says_what_goes_on(scene: Scene) -> None:
    scene.write(watched=ONCE.format("watched"))
    driver = scene.drive("watched")
    driver.says("attempt 1 runs")
    driver.process.send_signal(signal.SIGINT)
    text = driver.ends(130)
    assert "goes on running" in text
    assert f"starcluster removenode {TAG} watched" in text
    assert len(scene.alive("watched")) == 1
    let_go(scene, "watched")
    scene.drive("watched").ends(0)
    assert starts(scene, "watched") == 1


@pytest.mark.long
def test_trouble_with_ec2_is_waited_out(scene: Scene) -> None:
    scene.write(trouble=ONCE.format("trouble"))
    driver = scene.drive("trouble")
    driver.says("attempt 1 runs")
    scene.control("fault", action="DescribeInstances", code="InternalError", times=20)
    driver.says("InternalError")
    # what the driver has not met yet of the trouble, our own words to the master may
    go = ("sshmaster", TAG, "touch /home/trouble.go")
    until(lambda: scene.starcluster(*go, expect=None).returncode == 0, "the end of the trouble")
    driver.ends(0)
    assert starts(scene, "trouble") == 1


@pytest.mark.long
def test_an_answer_that_is_lost_on_the_way_makes_no_second_instance(scene: Scene) -> None:
    scene.control("fault", action="RunInstances", code="InternalError", times=2)
    scene.write(lossy="true")
    scene.drive("lossy").ends(0)
    assert len(scene.instances("lossy")) == 1

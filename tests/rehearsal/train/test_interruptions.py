"""What EC2 does to a training run, and what becomes of it."""

from __future__ import annotations

import re

from tests.rehearsal.stage import ROOT
from tests.rehearsal.train.conftest import TAG, Scene, until

STEPS = 900


def put_example(scene: Scene) -> None:
    scene.starcluster("put", TAG, str(ROOT / "examples" / "digits"), "/home")


def training(out: str, every: float = 1.0) -> str:
    return f"python3 /home/digits/train.py --steps {STEPS} --pace 0.02 --every {every} --out /home/{out}"


def steps(scene: Scene, out: str) -> list[int]:
    return [int(line.split()[1]) for line in scene.on_master(f"cat /home/{out}/steps.log").splitlines()]


def test_a_notice_costs_no_step(scene: Scene) -> None:
    put_example(scene)
    scene.write(noticed=training("noticed"))
    driver = scene.drive("noticed")
    driver.says("the command works")
    (first,) = scene.alive("noticed")
    boot = scene.starcluster("sshnode", TAG, "noticed", "cat /proc/sys/kernel/random/boot_id").stdout
    scene.interrupt("noticed")
    driver.says("asking EC2 for a c5.large in us-east-1a (spot, generation 2")
    driver.says("attempt 2 runs on")
    (second,) = [one for one in scene.alive("noticed") if one != first]
    assert scene.starcluster("sshnode", TAG, "noticed", "cat /proc/sys/kernel/random/boot_id").stdout != boot
    assert second
    driver.ends(0)
    log = scene.on_master("cat /home/.starcluster/runs/noticed/*/log")
    taken = re.search(r"checkpoint at step (\d+) because=SIGTERM sha256=(\w+)", log)
    resumed = re.search(r"resumed at step (\d+) from checkpoint sha256=(\w+)", log)
    assert taken is not None
    assert resumed is not None
    assert taken.groups() == resumed.groups()
    assert int(taken[1]) > 0
    assert steps(scene, "noticed") == list(range(STEPS))
    events = [one["event"] for one in scene.journal("noticed")]
    told = ["request", "running", "ssh-up", "mounted", "started", "notice", "checkpoint-asked", "command-ended"]
    told += ["drained", "request", "running", "ssh-up", "mounted", "started", "first-progress", "exited", "outcome"]
    rest = iter(events)
    assert all(event in rest for event in told), events


def test_after_a_sudden_death_at_most_one_interval_is_done_twice(scene: Scene) -> None:
    put_example(scene)
    scene.write(sudden=training("sudden"))
    driver = scene.drive("sudden")
    driver.says("the command works")
    until(lambda: len(steps(scene, "sudden")) > 150, "150 steps")
    scene.interrupt("sudden", notice=0)
    driver.says("(spot, generation 2")
    driver.ends(0)
    done = steps(scene, "sudden")
    assert set(done) == set(range(STEPS))
    twice = len(done) - STEPS
    assert twice <= 1.0 / 0.02 + 25, f"{twice} steps were done twice"


def test_a_shortage_is_waited_out_and_said(scene: Scene) -> None:
    scene.control("capacity", type="c5.large", count=0)
    scene.write(scarce="true")
    driver = scene.drive("scarce")
    driver.says("no capacity")
    assert not scene.alive("scarce")
    scene.control("capacity", type="c5.large", count=None)
    driver.says("finished")
    driver.ends(0)
    requests = [one for one in scene.journal("scarce") if one["event"] == "request"]
    assert len(requests) < 10, "the launch was asked for in a hot loop"


def test_the_next_machine_type_is_taken_when_there_is_none_of_the_first(scene: Scene) -> None:
    scene.control("capacity", type="c5.large", count=0, market="all")
    scene.write(wide={"command": "true", "instance_type": "c5.large, c5.xlarge"})
    scene.drive("wide").ends(0)
    assert [one["InstanceType"] for one in scene.instances("wide")] == ["c5.xlarge"]


def test_on_demand_when_spot_is_nowhere_for_too_long(scene: Scene) -> None:
    scene.control("capacity", type="c5.large", count=0)
    scene.write(rich={"command": "true", "fallback": "on-demand", "spot_max_wait": "30"})
    scene.drive("rich").ends(0)
    (instance,) = scene.instances("rich")
    assert "InstanceLifecycle" not in instance


def test_an_interruption_during_the_set_up(scene: Scene) -> None:
    scene.write(early="true")
    driver = scene.drive("early")
    driver.says("setting it up")
    scene.interrupt("early", notice=0)
    driver.ends(0)
    assert not scene.alive("early")


def test_what_a_person_ends_is_not_undone(scene: Scene) -> None:
    scene.write(person="sleep 600")
    driver = scene.drive("person")
    driver.says("attempt 1 runs")
    (instance,) = scene.alive("person")
    scene.ec2().terminate_instances(InstanceIds=[instance])
    text = driver.ends(3)
    assert "terminated by a person" in text
    assert not scene.alive("person")
    scene.write(person="true")
    scene.drive("person").ends(0)

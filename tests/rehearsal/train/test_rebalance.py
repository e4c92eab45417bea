"""rebalance = replace: the node at risk works until its replacement is ready; through the public commands."""

from __future__ import annotations

from typing import Any

import pytest

from tests.rehearsal.train.conftest import TAG, Driver, Scene, until

# each step is a line of attempt, machine and moment on the shared volume; it ends when it is let go
STEPS = (
    "trap 'echo told; exit 0' TERM; while test ! -e /home/go.$STARCLUSTER_NODE; do "
    'echo "$STARCLUSTER_ATTEMPT $(cat /root/prepared) $(date +%s%N)" >> /home/steps.$STARCLUSTER_NODE; '
    "sleep 0.1; done"
)
# which machine it was, told by the setup command as well
PREPARED = "cat /proc/sys/kernel/random/uuid > /root/prepared; echo prepared >> /home/setups.$STARCLUSTER_NODE"
ASKED = {"command": STEPS, "setup_command": PREPARED, "rebalance": "replace"}


def at_risk(scene: Scene, driver: Driver, name: str) -> str:
    """The id of the instance, which works and is warned of."""
    driver.says(f"{name}: attempt 1 runs on")
    (first,) = scene.alive(name)
    scene.control("rebalance", instance_id=first)
    return first


def moments(scene: Scene, name: str) -> dict[str, dict[str, Any]]:
    """The first entry of each kind of event, by instance where there is one."""
    found: dict[str, dict[str, Any]] = {}
    for entry in scene.journal(name):
        found.setdefault(f"{entry['event']} {entry.get('instance', '')}".strip(), entry)
    return found


def attempts(scene: Scene, name: str) -> list[int]:
    return [int(line.split()[0]) for line in scene.on_master(f"cat /home/steps.{name}").splitlines()]


def let_go(scene: Scene, name: str) -> None:
    scene.on_master(f"touch /home/go.{name}")


@pytest.mark.long
def test_the_old_node_works_until_the_new_one_is_ready(scene: Scene) -> None:
    scene.write(moves=ASKED)
    driver = scene.drive("moves")
    first = at_risk(scene, driver, "moves")
    driver.says("moves: attempt 2 runs on")
    until(lambda: first not in scene.alive("moves"), "the end of the old node")
    let_go(scene, "moves")
    driver.ends(0)
    old, new = [one["InstanceId"] for one in scene.instances("moves")]
    assert old == first
    told = moments(scene, "moves")
    order = [f"rebalance {old}", f"launched {new}", f"prepared {new}", f"drain {old}", f"drained {old}"]
    order += [f"succeeded {new}", f"set-up {new}"]
    assert sorted(order, key=lambda event: told[event]["at"]) == order
    steps = attempts(scene, "moves")
    assert steps == sorted(steps), "two at once"
    assert set(steps) == {1, 2}
    assert scene.on_master("cat /home/setups.moves").split() == ["prepared", "prepared"]
    assert scene.alive("moves") == []
    assert "/home" not in scene.on_master("cat /etc/exports")


@pytest.mark.long
def test_without_capacity_the_old_node_goes_on_and_it_is_told_once(scene: Scene) -> None:
    scene.write(stays={**ASKED, "fallback": "on-demand", "spot_max_wait": "1"})
    driver = scene.drive("stays")
    driver.says("stays: attempt 1 runs on")
    scene.control("capacity", type="c5.large", count=0)
    first = at_risk(scene, driver, "stays")
    driver.says("stays: no replacement is to be had now, so it works on")
    before = len(attempts(scene, "stays"))
    until(lambda: len(attempts(scene, "stays")) > before + 20, "more steps")
    assert scene.alive("stays") == [first]
    let_go(scene, "stays")
    text = driver.ends(0)
    assert text.count("no replacement is to be had") == 1
    assert len(scene.instances("stays")) == 1


@pytest.mark.long
def test_a_driver_that_is_killed_on_the_way_is_followed_by_one_that_goes_on(scene: Scene) -> None:
    scene.write(kept=ASKED)
    driver = scene.drive("kept")
    first = at_risk(scene, driver, "kept")
    for word in ("asked for a replacement", "is made ready", "is drained", "takes the name"):
        driver.says(word)
        driver.kill()
        driver = scene.drive("kept")
        driver.says("kept: ")
    driver.says("kept: attempt 2 runs on")
    until(lambda: first not in scene.alive("kept"), "the end of the old node")
    let_go(scene, "kept")
    driver.ends(0)
    assert len(scene.instances("kept")) == 2
    steps = attempts(scene, "kept")
    assert steps == sorted(steps), "two at once"
    assert scene.alive("kept") == []


@pytest.mark.long
def test_a_node_that_dies_or_finishes_while_the_new_one_boots(scene: Scene) -> None:
    scene.write(dies=ASKED, done=ASKED)
    driver = scene.drive("dies", "done")
    at_risk(scene, driver, "dies")
    driver.says("dies: attempt 1 works on")
    scene.interrupt("dies", notice=0)
    at_risk(scene, driver, "done")
    driver.says("done: attempt 1 works on")
    let_go(scene, "done")
    driver.says("dies: attempt 2 runs on")
    let_go(scene, "dies")
    driver.ends(0)
    assert len(scene.instances("dies")) == 2
    assert (scene.alive("dies"), scene.alive("done")) == ([], [])
    assert TAG in scene.starcluster("listclusters").stdout

"""What the settings of a node's section promise, on nodes that EC2 takes, warns of, or lets hang."""

from __future__ import annotations

import pytest

from tests.rehearsal.train.conftest import TAG, Driver, Scene, until

GO = "while test ! -e /home/go.$STARCLUSTER_NODE; do sleep 0.1; done"
SAVES = "trap 'echo told; exit 0' TERM; echo attempt $STARCLUSTER_ATTEMPT; " + GO
DEAF = "trap '' TERM; echo attempt $STARCLUSTER_ATTEMPT; " + GO
TAKEN = "600"  # EC2's seconds of notice: ten of ours, for machines that are slow


def let_go(scene: Scene, *names: str) -> None:
    scene.on_master("; ".join(f"touch /home/go.{name}" for name in names))


def told(text: str) -> list[str]:
    """The lines of a log, but for what bash says of its sleep that was ended with it."""
    return [line for line in text.splitlines() if line != "Terminated"]


def log(scene: Scene, name: str, attempt: int) -> list[str]:
    return told(scene.starcluster("logs", TAG, name, "-a", str(attempt)).stdout)


def take(scene: Scene, *names: str) -> None:
    for name in names:
        scene.interrupt(name, notice=float(TAKEN))


def all_run(driver: Driver, attempt: int, *names: str) -> None:
    for name in names:
        driver.says(f"{name}: attempt {attempt} runs on")


@pytest.mark.long
def test_on_a_notice_the_checkpoint_command_has_its_say(scene: Scene) -> None:
    save = "echo saving $STARCLUSTER_ATTEMPT; kill -0 $STARCLUSTER_PID && "
    names = ("good", "bad", "slow", "deaf")
    scene.write(
        good={"command": SAVES, "checkpoint_command": save + "echo saved"},
        bad={"command": SAVES, "checkpoint_command": save + "exit 3"},
        slow={"command": SAVES, "checkpoint_command": save + "sleep 600", "checkpoint_timeout": "0.5"},
        deaf={"command": DEAF, "stop_timeout": "0.5"},
    )
    driver = scene.drive(*names)
    all_run(driver, 1, *names)
    take(scene, *names)
    driver.says("good: the checkpoint command took")
    driver.says("bad: the checkpoint command ended with exit status 3")
    driver.says("slow: the checkpoint command was ended, it had no more time")
    for name in ("good", "bad", "slow"):
        driver.says(f"{name}: the command has saved its work and ended")
    driver.says("deaf: the command did not end in time and was killed")
    all_run(driver, 2, *names)
    let_go(scene, *names)
    driver.ends(0)
    assert log(scene, "good", 1) == ["attempt 1", "saving 1", "saved", "told"]
    assert log(scene, "bad", 1) == ["attempt 1", "saving 1", "told"]
    assert log(scene, "slow", 1) == ["attempt 1", "saving 1", "told"]
    assert log(scene, "deaf", 1) == ["attempt 1"]
    for name in names:
        assert log(scene, name, 2) == ["attempt 2"]
        assert len(scene.instances(name)) == 2


@pytest.mark.long
def test_set_up_user_and_environment_on_each_machine_anew_and_logs_that_follow(scene: Scene) -> None:
    settings = {
        "setup_command": "hostname > /root/prepared; echo prepared as $(id -un) for $STARCLUSTER_ATTEMPT",
        "command": f"echo $STARCLUSTER_ATTEMPT: $(cat /root/prepared | wc -l) $COLOUR; pwd; {SAVES}",
        "workdir": "/tmp",
        "environment": "\n  COLOUR=dark blue",
    }
    scene.write(
        fitted=settings, unfit={"command": "echo never", "setup_command": "echo no; exit 7", "max_restarts": "1"}
    )
    driver = scene.drive("fitted", "unfit")
    driver.says("fitted: attempt 1 runs on")
    follower = Driver(scene.start("starcluster", "logs", "-f", TAG, "fitted"))
    follower.says("1: 1 dark blue")
    take(scene, "fitted")
    driver.says("fitted: attempt 2 runs on")
    follower.says("--- attempt 2 ---")
    follower.says("2: 1 dark blue")
    let_go(scene, "fitted")
    text = driver.ends(1)
    assert "unfit: the setup command on this node ended with exit status 7" in text
    shown = told(follower.ends(0))
    wanted = ["prepared as root for 1", "1: 1 dark blue", "/tmp", "attempt 1", "told", "--- attempt 2 ---"]
    wanted += ["prepared as root for 2", "2: 1 dark blue", "/tmp", "attempt 2"]
    assert shown == wanted
    assert log(scene, "unfit", 2) == ["no"]
    assert len(scene.instances("unfit")) == 1


@pytest.mark.long
def test_a_rebalance_hint_moves_saves_or_does_nothing(scene: Scene) -> None:
    save = "echo saved"
    names = ("moves", "stays", "deafened")
    start = "echo started >> /home/starts.$STARCLUSTER_NODE; "
    scene.write(
        moves={"command": start + SAVES, "rebalance": "replace", "checkpoint_command": save},
        stays={"command": start + SAVES, "rebalance": "checkpoint", "checkpoint_command": save},
        deafened={"command": start + SAVES, "rebalance": "ignore", "checkpoint_command": save},
    )
    driver = scene.drive(*names)
    all_run(driver, 1, *names)
    first = {name: scene.alive(name) for name in names}
    for name in names:
        scene.control("rebalance", instance_id=first[name][0])
    driver.says("moves: attempt 2 runs on")
    until(lambda: "saved" in log(scene, "stays", 1), "the checkpoint of the one that stays")
    until(lambda: first["moves"][0] not in scene.alive("moves"), "the end of the old node")
    let_go(scene, *names)
    driver.ends(0)
    assert scene.on_master("cat /home/starts.moves /home/starts.stays /home/starts.deafened").count("started") == 4
    assert log(scene, "moves", 1)[-1] == "told"
    assert log(scene, "stays", 1) == ["attempt 1", "saved"]
    assert log(scene, "deafened", 1) == ["attempt 1"]
    assert [len(scene.instances(name)) for name in names] == [2, 1, 1]


@pytest.mark.long
def test_a_node_that_hangs_is_replaced_after_silent_limit_and_not_before(scene: Scene) -> None:
    scene.write(hangs={"command": SAVES, "silent_limit": "60"}, other={"command": SAVES})
    driver = scene.drive("hangs", "other")
    all_run(driver, 1, "hangs", "other")
    (first,) = scene.alive("hangs")
    scene.control("freeze", instance_id=first)
    driver.says("EC2 says it runs, so nothing is done")
    assert scene.alive("hangs") == [first]
    take(scene, "other")
    all_run(driver, 2, "other")
    driver.says("(silent_limit), though EC2 says it runs")
    driver.says("hangs: attempt 2 runs on")
    assert first not in scene.alive("hangs")
    let_go(scene, "hangs", "other")
    driver.ends(0)
    assert len(scene.instances("hangs")) == 2

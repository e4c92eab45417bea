"""Nodes, commands, disks and credentials that do what they should not."""

from __future__ import annotations

import signal
import time

import pytest

from tests.rehearsal.train.conftest import TAG, Driver, Scene, until

GO = "while test ! -e /home/go.$STARCLUSTER_NODE; do sleep 0.1; done"
START = "echo started >> /home/starts.$STARCLUSTER_NODE; "


def let_go(scene: Scene, *names: str) -> None:
    scene.on_master("; ".join(f"touch /home/go.{name}" for name in names))


def starts(scene: Scene, name: str) -> int:
    return scene.on_master(f"cat /home/starts.{name}").count("started")


def on_node(scene: Scene, name: str, command: str) -> str:
    return scene.starcluster("sshnode", TAG, name, command).stdout


# the agent's folder of that name on a disk of 128 KB, which is then filled
FILL = (
    "mkdir /run/small && mount -t tmpfs -o size=128k none /run/small && "
    "cp -a /var/lib/starcluster/full/. /run/small/ && "
    "mount --bind /run/small /var/lib/starcluster/full && ! cat /dev/zero > /run/small/filler"
)


@pytest.mark.long
def test_commands_that_go_into_the_background_or_meet_a_full_disk(scene: Scene) -> None:
    """A daemon is waited for; how a command ended is known though there was no room to write it down."""
    away = f"(setsid sh -c '{GO}; echo over > /home/over' >/dev/null 2>&1 &) ; exit 0"
    scene.write(away=START + away, full={"command": START + GO + "; exit 5", "max_restarts": "0"})
    driver = scene.drive("away", "full")
    driver.says("away: the command has ended, 2 of its processes go on")
    driver.says("full: attempt 1 runs on")
    on_node(scene, "full", FILL)
    let_go(scene, "away", "full")
    text = driver.ends(1)
    assert "full: the command ended with exit status 5" in text
    assert scene.on_master("cat /home/over") == "over\n"
    assert (starts(scene, "away"), starts(scene, "full")) == (1, 1)


def test_credentials_that_run_out_are_told_once_and_waited_for(scene: Scene) -> None:
    scene.write(token=START + GO)
    driver = scene.drive("token")
    driver.says("token: attempt 1 runs on")
    scene.control("fault", action="*", code="RequestExpired", times=100_000)
    driver.says("RequestExpired")
    time.sleep(3)
    scene.control("clear")
    let_go(scene, "token")
    text = driver.ends(0)
    assert sum("RequestExpired" in line for line in text.splitlines()) == 1
    assert starts(scene, "token") == 1
    assert len(scene.instances("token")) == 1


def test_a_laptop_that_sleeps_for_eight_hours(scene: Scene) -> None:
    """Its node is taken meanwhile: another laptop would be free to go on; here nobody does, until it wakes."""
    scene.write(asleep=START + "trap 'exit 0' TERM; " + GO)
    driver = scene.drive("asleep")
    driver.says("asleep: attempt 1 runs on")
    driver.process.send_signal(signal.SIGSTOP)
    scene.interrupt("asleep")
    until(lambda: not scene.alive("asleep"), "the end of the node while nobody watches")
    other = scene.drive("asleep")
    other.says("asleep: attempt 2 runs on")
    marks = {driver: len(driver.lines), other: len(other.lines)}
    driver.process.send_signal(signal.SIGCONT)

    def waiting() -> list[Driver]:
        return [one for one, mark in marks.items() if one.has_said("supervises it; this driver waits", mark)]

    until(waiting, lambda: f"one of them waits\n{driver.text}\n{other.text}")
    let_go(scene, "asleep")
    other.ends(0)
    driver.ends(0)
    assert len(waiting()) == 1, f"{driver.text}\n{other.text}"
    assert starts(scene, "asleep") == 2
    assert len(scene.instances("asleep")) == 2

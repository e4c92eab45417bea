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


CREDENTIALS = ("RequestExpired", "ExpiredToken")  # EC2's own word, and that of its gate


def test_credentials_that_run_out_are_told_once_and_waited_for(scene: Scene) -> None:
    scene.write(token=START + GO)
    driver = scene.drive("token")
    driver.says("token: attempt 1 runs on")
    for code in CREDENTIALS:
        scene.control("fault", action="*", code=code, times=100_000)
        driver.says(code)
        time.sleep(2)
        scene.control("clear")
    let_go(scene, "token")
    text = driver.ends(0)
    assert [sum(code in line for line in text.splitlines()) for code in CREDENTIALS] == [1, 1]
    assert starts(scene, "token") == 1
    assert len(scene.instances("token")) == 1


@pytest.mark.long
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


def test_a_quota_that_is_used_up_ends_with_its_page(scene: Scene) -> None:
    scene.control("quota", market="spot", vcpus=0)
    scene.control("quota", market="on-demand", vcpus=0)
    scene.write(spotty="true", dear={"command": "true", "market": "on-demand"})
    text = scene.drive("spotty", "dear").ends(3)
    for name, code, quota in (
        ("spotty", "MaxSpotInstanceCountExceeded", "L-34B43A08"),
        ("dear", "VcpuLimitExceeded", "L-1216C47A"),
    ):
        (hold,) = [one for one in scene.journal(name) if one["event"] == "complaint"]
        assert code in hold["error"]
        assert f"/servicequotas/home/services/ec2/quotas/{quota}" in text
        assert scene.instances(name) == []
        assert [one["event"] for one in scene.journal(name)].count("request") == 1
    scene.control("quota", market="spot", vcpus=None)
    scene.control("quota", market="on-demand", vcpus=None)


def test_a_permission_that_is_missing_ends_with_its_action(scene: Scene) -> None:
    scene.write(forbidden="true")
    scene.control("fault", action="RunInstances", code="UnauthorizedOperation", times=100)
    text = scene.drive("forbidden").ends(3)
    assert "UnauthorizedOperation" in text
    assert "ec2:RunInstances" in text
    assert scene.instances("forbidden") == []


@pytest.mark.long
def test_an_agent_that_can_not_be_started_is_told_and_its_command_goes_on(scene: Scene) -> None:
    scene.write(mute=START + GO)
    driver = scene.drive("mute")
    driver.says("mute: attempt 1 runs on")
    scene.control("fault", command="starcluster-agent call", given='"op": "start"', code="failed", times=1000)
    on_node(scene, "mute", "kill -9 $(pgrep -f '[a]gent-.*pyz serve')")
    text = driver.ends(3)
    assert "mute: the agent can not be started on i-" in text
    assert "Python 3.8" in text
    assert len(scene.alive("mute")) == 1, "nothing is ended because its agent is dead"
    scene.control("clear")
    again = scene.drive("mute")
    again.says("mute: attempt 1 runs on")
    let_go(scene, "mute")
    again.ends(0)
    assert starts(scene, "mute") == 1

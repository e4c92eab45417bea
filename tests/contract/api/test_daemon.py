"""The daemon's own life: one a folder, killed and started again, ended with nothing left."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from starcluster.localcloud import control
from starcluster.localcloud.places import Places
from tests.contract.api.conftest import RealCloud, until

FIRST_INSTANCE = "first"


def processes_of(folder: Path) -> list[int]:
    """The processes that carry the folder's name."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            words = (path / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if os.fsencode(folder) in words:
            found.append(int(path.name))
    return found


def test_files_are_private(cloud: RealCloud) -> None:
    places = Places(cloud.folder)
    assert places.cloud_json.stat().st_mode & 0o777 == 0o600
    assert places.folder.stat().st_mode & 0o777 == 0o700
    assert places.control_socket.stat().st_mode & 0o777 == 0o600
    assert places.calls.stat().st_mode & 0o777 == 0o600


def test_up_again_is_the_same_cloud(cloud: RealCloud) -> None:
    assert control.up(cloud.folder)["pid"] == cloud.facts["pid"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_state_and_nodes_survive_the_daemon(cloud: RealCloud, number: signal.Signals) -> None:
    instance_id = cloud.run(ClientToken=f"survivor-{number}")
    cloud.wait(instance_id, "running")
    boot_id = cloud.on(instance_id, "cat /proc/sys/kernel/random/boot_id")
    before = cloud.facts
    os.kill(before["pid"], number)
    until(lambda: control.status(cloud.folder) is None)
    after = control.up(cloud.folder, owner_pid=os.getpid())
    assert after["pid"] != before["pid"]
    assert (after["endpoint"], after["access_key"], after["speed"]) == (
        before["endpoint"],
        before["access_key"],
        before["speed"],
    )
    assert cloud.instance(instance_id)["State"]["Name"] == "running"
    assert cloud.run(ClientToken=f"survivor-{number}") == instance_id
    assert cloud.on(instance_id, "cat /proc/sys/kernel/random/boot_id") == boot_id
    other = cloud.run()
    assert cloud.instance(other)["PrivateIpAddress"] != cloud.instance(instance_id)["PrivateIpAddress"]


def test_the_agent_is_started_again(cloud: RealCloud) -> None:
    instance_id = cloud.run()
    cloud.wait(instance_id, "running")
    boot_id = cloud.on(instance_id, "cat /proc/sys/kernel/random/boot_id")
    os.kill(cloud.facts["agent_pid"], signal.SIGKILL)
    until(lambda: cloud.ssh(instance_id, "true").returncode == 0)
    assert cloud.on(instance_id, "cat /proc/sys/kernel/random/boot_id") == boot_id
    assert cloud.instance(instance_id)["State"]["Name"] == "running"


def test_another_versions_state_is_refused(cloud: RealCloud, tmp_path: Path) -> None:
    folder = tmp_path / "old"
    control.up(folder, speed=200, owner_pid=os.getpid())
    control.down(folder)
    stamp = Places(folder).store / "version.json"
    state = (Places(folder).store / "state.pickle").read_bytes()
    stamp.write_text(stamp.read_text().replace('"schema": "1"', '"schema": "0"'))
    with pytest.raises(control.LocalCloudError) as caught:
        control.up(folder, owner_pid=os.getpid())
    assert "schema 0" in caught.value.message
    assert "--delete" in caught.value.hint
    assert (Places(folder).store / "state.pickle").read_bytes() == state
    until(lambda: not processes_of(folder))
    control.down(folder, delete=True)


def test_the_death_of_its_owner_ends_everything(tmp_path: Path) -> None:
    folder = tmp_path / "owned"
    owner = subprocess.Popen(["sleep", "600"])
    try:
        control.up(folder, speed=200, owner_pid=owner.pid)
        owned = RealCloud(folder=folder)
        owned.wait(owned.run(), "running")
        assert processes_of(folder)
    finally:
        owner.kill()
        owner.wait()
    until(lambda: not processes_of(folder))
    assert control.status(folder) is None
    loops = subprocess.run(["losetup", "-a"], capture_output=True, text=True, check=True).stdout
    assert str(folder) not in loops
    control.down(folder, delete=True)


def says_ssh(address: str) -> bool:
    try:
        with socket.create_connection((address, 22), timeout=10) as link:
            return link.recv(8).startswith(b"SSH-2.0-")
    except OSError:
        return False


def test_exposed_nodes_answer_on_their_public_address(tmp_path: Path) -> None:
    """Of two clouds at once, and after the death of a daemon."""
    folders = (tmp_path / "one", tmp_path / "two")
    addresses = []
    try:
        for folder in folders:
            control.up(folder, speed=200, owner_pid=os.getpid(), expose=True)
            exposed = RealCloud(folder=folder)
            instance_id = exposed.run()
            addresses.append(exposed.wait(instance_id, "running")["PublicIpAddress"])
            exposed.on(instance_id, "true")
            assert says_ssh(addresses[-1])
        assert addresses[0].split(".")[2] != addresses[1].split(".")[2]
        os.kill(exposed.facts["pid"], signal.SIGKILL)
        until(lambda: control.status(folders[1]) is None)
        assert control.up(folders[1], owner_pid=os.getpid())["expose"] is True
        until(lambda: says_ssh(addresses[1]))
    finally:
        for folder in folders:
            control.down(folder)
    assert not any(says_ssh(address) for address in addresses)
    assert control.up(folders[0], owner_pid=os.getpid())["expose"] is False
    for folder in folders:
        control.down(folder, delete=True)


@pytest.mark.parametrize("killed", [(), ("pid",), ("pid", "agent_pid")])
def test_up_right_after_the_owners_death_is_a_cloud_that_stays(tmp_path: Path, killed: tuple[str, ...]) -> None:
    """What is left of the cloud before is about to end: nothing may be built on it."""
    folder = tmp_path / "again"
    owner = subprocess.Popen(["sleep", "600"])
    try:
        facts = control.up(folder, speed=200, owner_pid=owner.pid)
        for name in killed:
            os.kill(facts[name], signal.SIGKILL)
    finally:
        owner.kill()
        owner.wait()
    again = control.up(folder, owner_pid=os.getpid())
    try:
        assert not {facts["pid"], facts["agent_pid"]} & {again["pid"], again["agent_pid"]}
        cloud = RealCloud(folder=folder)
        instance_id = cloud.run()
        cloud.wait(instance_id, "running")
        assert cloud.on(instance_id, "echo here") == "here"
        assert control.status(folder) == again
    finally:
        control.down(folder, delete=True)


@pytest.mark.parametrize("agent_too", [False, True])
def test_down_ends_hosts_whose_daemon_is_dead(tmp_path: Path, agent_too: bool) -> None:
    folder = tmp_path / "orphaned"
    facts = control.up(folder, speed=200, owner_pid=os.getpid())
    orphaned = RealCloud(folder=folder)
    orphaned.wait(orphaned.run(), "running")
    os.kill(facts["pid"], signal.SIGKILL)
    if agent_too:
        os.kill(facts["agent_pid"], signal.SIGKILL)
    until(lambda: control.status(folder) is None)
    assert processes_of(folder)
    control.down(folder, delete=True)
    assert not processes_of(folder)
    assert not Places(folder).sockets.exists()


def test_the_aws_program_through_the_environment(cloud: RealCloud) -> None:
    kept = {name: value for name, value in os.environ.items() if name not in control.UNSET}
    words = [sys.executable, "-m", "awscli", "ec2", "describe-vpcs", "--query", "length(Vpcs)"]
    environment = {**kept, **control.env(cloud.folder)}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "1"


def test_two_clouds_side_by_side_and_nothing_left(cloud: RealCloud, tmp_path: Path) -> None:
    folder = tmp_path / "second"
    control.up(folder, speed=200, owner_pid=os.getpid())
    second = RealCloud(folder=folder)
    instance_id = second.run()
    second.wait(instance_id, "running")
    assert second.on(instance_id, "true") == ""
    assert cloud.client().describe_instances(InstanceIds=[])["Reservations"] is not None
    control.down(folder, delete=True)
    assert control.status(folder) is None
    until(lambda: not processes_of(folder))
    assert not folder.exists()
    assert not Places(folder).sockets.exists()
    assert control.status(cloud.folder) is not None

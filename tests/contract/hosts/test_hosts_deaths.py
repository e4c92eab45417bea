"""Whatever process of the cloud is killed, nodes live or die as they should, and nothing is left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from starcluster.localcloud.hosts.client import HostsError
from starcluster.localcloud.hosts.files import read_json
from tests.contract.hosts.conftest import Rig, gone, naming


@pytest.fixture
def owner() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "600"])
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def cloud(folder: Path, owner: subprocess.Popen[bytes]) -> Iterator[Rig]:
    """A cloud with a node that has a volume mounted."""
    made = Rig(folder, owner_pid=owner.pid)
    try:
        made.boot("i-1")
        made.hosts.create_volume("vol-1", size_gib=1)
        made.hosts.attach("i-1", "vol-1", device="/dev/sdf")
        made.ok("i-1", "mkfs.ext4 -q /dev/nvme1n1 && mount /dev/nvme1n1 /home")
        yield made
    finally:
        with contextlib.suppress(HostsError):
            made.end()
        owner.kill()
        owner.wait()
        left = gone(folder)
    assert not left


def test_a_new_agent_takes_the_nodes_over(cloud: Rig) -> None:
    pid, boot_id = cloud.pid("i-1"), cloud.hosts.nodes()["i-1"].boot_id
    cloud.boot("i-2")
    cloud.agent.kill()
    cloud.agent.wait()
    os.kill(recorded_pid("i-2", cloud), signal.SIGKILL)
    cloud.start_agent()
    state = cloud.hosts.nodes()["i-1"]
    assert (state.alive, state.pid, state.boot_id, state.ready) == (True, pid, boot_id, True)
    assert cloud.ok("i-1", "mountpoint /home && cat /proc/sys/kernel/random/boot_id").endswith(boot_id)
    assert not cloud.hosts.nodes()["i-2"].alive
    _, events = cloud.hosts.wait_events(0, timeout=10)
    assert [(one.instance_id, one.how) for one in events] == [("i-2", "died")]
    assert not cloud.hosts.detach("i-1", "vol-1", force=False), "it is known to be attached and mounted"
    cloud.ok("i-1", "echo '/home *(rw)' > /etc/exports && exportfs -ra")
    cloud.run("i-1", "poweroff")
    _, events = cloud.hosts.wait_events(1, timeout=30)
    assert [(one.instance_id, one.how) for one in events] == [("i-1", "poweroff")]


def recorded_pid(instance_id: str, cloud: Rig) -> int:
    return int(read_json(cloud.places.nodes / instance_id / "node.json")["pid"])


def test_there_is_one_agent_a_folder(cloud: Rig) -> None:
    command = [cloud.agent.args[0], *cloud.agent.args[1:]]  # type: ignore[index]
    second = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert second.returncode == 1
    assert "another hosts agent runs" in second.stderr
    assert cloud.hosts.ping()["nodes"] == ["i-1"]


def test_without_its_holder_an_agent_ends_and_the_next_begins_anew(cloud: Rig) -> None:
    os.kill(cloud.holder_pid(), signal.SIGKILL)
    assert cloud.agent.wait(20) == 1
    cloud.start_agent()
    assert not cloud.hosts.nodes()["i-1"].alive
    # the first agent may have buried the node and ended before it wrote that down: then its state alone tells
    _, events = cloud.hosts.wait_events(0, timeout=0.1)
    assert {(one.instance_id, one.how) for one in events} <= {("i-1", "died")}
    cloud.boot("i-1")
    assert cloud.ok("i-1", "lsblk -dno NAME").split() == ["nvme0n1", "nvme1n1"]


def test_a_file_system_that_was_held_still_goes_with_its_node(cloud: Rig) -> None:
    cloud.ok("i-1", "echo synced > /home/f; sync; fsfreeze -f /home")
    cloud.hosts.crash("i-1")
    cloud.boot("i-2")
    cloud.hosts.attach("i-2", "vol-1", device="/dev/sdf")
    assert cloud.ok("i-2", "mount /dev/nvme1n1 /mnt && cat /mnt/f && echo more > /mnt/g && umount /mnt") == "synced"


def test_the_owners_death_ends_everything(cloud: Rig, owner: subprocess.Popen[bytes]) -> None:
    owner.kill()
    owner.wait()
    assert cloud.agent.wait(20) == 0
    assert not gone(cloud.places.folder)


def test_the_death_of_owner_and_agent_ends_everything(cloud: Rig, owner: subprocess.Popen[bytes]) -> None:
    cloud.agent.kill()
    cloud.agent.wait()
    owner.kill()
    owner.wait()
    assert not gone(cloud.places.folder)


def test_killing_every_process_leaves_no_device_and_no_mount(cloud: Rig) -> None:
    holder = cloud.holder_pid()
    for pid in (cloud.agent.pid, holder):
        os.kill(pid, signal.SIGKILL)
    cloud.agent.wait()
    assert not gone(cloud.places.folder, but=frozenset({"sockets"}))
    cloud.start_agent()
    cloud.hosts.quit()
    cloud.agent.wait(20)
    assert not gone(cloud.places.folder)


def test_two_clouds_side_by_side_do_not_meet(cloud: Rig, tmp_path: Path) -> None:
    other = Rig(tmp_path / "other")
    try:
        assert other.boot("i-1") == cloud.spec("i-1").private_ip
        cloud.ok("i-1", "touch /root/first")
        assert "first" not in other.ok("i-1", "ls /root")
        other.hosts.crash("i-1")
        assert cloud.ok("i-1", "hostname") == cloud.spec("i-1").hostname
    finally:
        other.end()
    assert not gone(tmp_path / "other")
    assert cloud.hosts.ping()["nodes"] == ["i-1"]


def test_the_machines_own_network_and_mounts_stay_as_before(folder: Path) -> None:
    before = [_addresses(), Path("/proc/self/mountinfo").read_text()]
    made = Rig(folder)
    try:
        made.boot("i-1")
        assert [_addresses(), Path("/proc/self/mountinfo").read_text()] == before
        own = {os.readlink(f"/proc/{pid}/ns/net") for pid in naming(folder)}
        assert os.readlink("/proc/self/ns/net") not in own, "no process of the cloud could open a port of ours"
    finally:
        made.end()
    assert not gone(folder)


def _addresses() -> str:
    return subprocess.run(["ip", "-o", "-4", "addr"], capture_output=True, text=True, check=True).stdout

"""A booted node: what it sees of the host, what it may do, how it ends."""

from __future__ import annotations

import os
import platform
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from starcluster.localcloud.hosts.client import HostsError


@pytest.fixture(scope="module")
def node(rig) -> str:
    rig.boot("i-node")
    return "i-node"


def test_it_has_its_own_name_address_and_pids(rig, node) -> None:
    assert rig.ok(node, "hostname") == rig.spec(node).hostname
    assert f"{rig.spec(node).private_ip}/16" in rig.ok(node, "ip -o -4 addr show eth0")
    assert rig.spec(node).mac in rig.ok(node, "cat /sys/class/net/eth0/address")
    assert rig.ok(node, "cat /proc/1/comm") == "init"
    assert int(rig.ok(node, "ls -d /proc/[0-9]* | wc -l")) < 15
    assert rig.ok(node, "cat /proc/sys/kernel/random/boot_id") == rig.hosts.nodes()[node].boot_id
    assert Path("/proc/sys/kernel/random/boot_id").read_text().strip() != rig.hosts.nodes()[node].boot_id


def test_the_host_keeps_its_homes_work_and_keys_to_itself(rig, node) -> None:
    assert rig.ok(node, "ls /home") == "ubuntu"
    assert rig.ok(node, "ls -A /mnt /srv /media /boot").split() == ["/boot:", "/media:", "/mnt:", "/srv:"]
    own = set(rig.ok(node, "ls -A /root").split())
    assert own <= {".bashrc", ".profile", ".ssh", ".cache"}
    known = "bin boot dev etc home lib lib32 lib64 libx32 media mnt opt proc root run sbin srv sys tmp usr var"
    assert set(rig.ok(node, "ls -A /").split()) <= set(known.split())
    for secret in (rig.places.folder, Path.cwd(), Path(os.path.realpath(sys.prefix)), Path(rig.key)):
        assert rig.run(node, f"ls {secret}").returncode != 0, secret
    assert rig.ok(node, "cat /etc/resolv.conf") == "nameserver 169.254.169.253\nsearch ec2.internal"
    assert rig.ok(node, "ls /etc/ssh").split() == ["ssh_config", "ssh_host_ed25519_key", "ssh_host_ed25519_key.pub"]
    host_keys = [path.read_text() for path in Path("/etc/ssh").glob("ssh_host_*.pub")]
    assert rig.ok(node, "cat /etc/ssh/ssh_host_ed25519_key.pub") not in host_keys


def test_it_sees_its_own_disks_only(rig, node) -> None:
    assert rig.ok(node, "ls /dev/nvme* /dev/loop* /dev/vd* /dev/sd* 2>/dev/null; true") == "/dev/nvme0n1"
    assert rig.ok(node, "lsblk -dno NAME").split() == ["nvme0n1"]
    assert rig.ok(node, "tail -n +3 /proc/partitions | wc -l") == "1"


def test_knobs_of_the_kernel_are_out_of_reach(rig, node) -> None:
    for command in (
        "echo 1 > /proc/sys/kernel/panic",
        "echo b > /proc/sysrq-trigger",
        "mknod /tmp/disk b 7 0",
        "mknod /root/vda b 254 0",
        "date -s @1",
        "dmesg",
        "echo x > /sys/kernel/mm/transparent_hugepage/enabled",
        "head -c1 /dev/mem",
    ):
        assert rig.run(node, command).returncode != 0, command
    bounding = int(rig.ok(node, "grep CapBnd /proc/self/status").split()[1], 16)
    assert not bounding & (1 << 2 | 1 << 16 | 1 << 22 | 1 << 25 | 1 << 27)


def test_swap_and_bpf_are_out_of_reach(rig, node) -> None:
    """Calls without sense, which a kernel without a filter would find fault with, but not with the right to call."""
    for number in {"x86_64": (167, 168, 321), "aarch64": (224, 225, 280)}[platform.machine()]:
        calls = (
            f"import ctypes; c = ctypes.CDLL(None, use_errno=True); print(c.syscall({number}, 0), ctypes.get_errno())"
        )
        assert rig.ok(node, f'python3 -c "{calls}"') == "-1 1"


def test_ordinary_administration_works(rig, node) -> None:
    rig.ok(node, "useradd -m -s /bin/bash ada && su - ada -c 'touch ~/mine' && test $(stat -c %U ~ada/mine) = ada")
    rig.ok(node, "userdel -r ada 2>/dev/null && test ! -e /home/ada")
    rig.ok(node, "printf '#!/bin/sh\\necho hello\\n' > /usr/bin/greet && chmod +x /usr/bin/greet")
    assert rig.ok(node, "greet", user="ubuntu") == "hello"
    assert not Path("/usr/bin/greet").exists()
    rig.ok(node, "mount -t tmpfs none /mnt && touch /mnt/x && umount /mnt")


def test_python_runs_for_every_user(rig, node) -> None:
    program = "import ssl, sqlite3, sys; assert sys.version_info >= (3, 11); print(sys.executable)"
    for user in ("root", "ubuntu"):
        assert rig.ok(node, f'python3 -c "{program}"', user=user).startswith("/usr")


def test_nothing_leaves_the_machine(rig, node) -> None:
    program = "import socket; socket.create_connection(('192.0.2.1', 80), 0.3)"
    assert rig.run(node, f'python3 -c "{program}"').returncode != 0
    assert rig.ok(node, "ip -o link | wc -l") == "2"


def test_dials_end_as_over_a_real_network(rig, node) -> None:
    with rig.hosts.connect(rig.spec(node).public_ip, 22) as sock:
        assert sock.recv(8) == b"SSH-2.0-"
    with pytest.raises(ConnectionRefusedError):
        rig.hosts.connect(rig.spec(node).private_ip, 2222)
    with pytest.raises(TimeoutError):
        rig.hosts.connect("172.31.9.9", 22, timeout=0.2)


def test_metadata_is_the_nodes_own_and_can_be_replaced(rig, node) -> None:
    ask = (
        "t=$(curl -sX PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' http://169.254.169.254/latest/api/token); "
        'curl -s -H "X-aws-ec2-metadata-token: $t" http://169.254.169.254/latest/meta-data/'
    )
    assert rig.ok(node, ask + "instance-id") == node
    rig.hosts.set_metadata(node, {"instance-id": node, "spot": {"instance-action": "{}"}})
    assert rig.ok(node, ask + "spot/instance-action") == "{}"


def test_the_console_tells_of_the_boot(rig, node) -> None:
    text = rig.hosts.console(node)
    assert rig.hosts.nodes()[node].boot_id in text
    assert "BEGIN SSH HOST KEY KEYS" in text


def test_a_node_cannot_be_booted_twice_nor_forgotten_alive(rig, node) -> None:
    with pytest.raises(HostsError, match="running already"):
        rig.hosts.boot(rig.spec(node))
    with pytest.raises(HostsError, match="running"):
        rig.hosts.forget(node)
    with pytest.raises(HostsError, match="no node i-none"):
        rig.hosts.console("i-none")


def test_a_reboot_keeps_the_disk_and_changes_the_boot_id(rig) -> None:
    rig.boot("i-again")
    rig.ok("i-again", "touch /root/kept /tmp/not-kept; echo '172.31.0.9 master' >> /etc/hosts")
    before = rig.hosts.nodes()["i-again"].boot_id
    keys = rig.ok("i-again", "cat /etc/ssh/ssh_host_ed25519_key.pub")
    rig.hosts.reboot("i-again")
    assert rig.hosts.wait_ready("i-again", timeout=30)
    assert rig.hosts.nodes()["i-again"].boot_id != before
    assert rig.ok("i-again", "ls /root; ls /tmp; grep master /etc/hosts") == "kept\n172.31.0.9 master"
    assert rig.ok("i-again", "cat /etc/ssh/ssh_host_ed25519_key.pub") == keys


def test_stop_and_start_keep_the_disk_until_it_is_forgotten(rig) -> None:
    rig.boot("i-stop")
    rig.ok("i-stop", "touch /root/kept")
    rig.hosts.shutdown("i-stop", timeout=10)
    rig.hosts.shutdown("i-stop", timeout=10)
    assert not rig.hosts.nodes()["i-stop"].alive
    assert not rig.hosts.wait_ready("i-stop", timeout=0.1)
    rig.boot("i-stop")
    assert "kept" in rig.ok("i-stop", "ls /root")
    rig.hosts.crash("i-stop")
    rig.hosts.crash("i-stop")
    rig.hosts.forget("i-stop")
    assert "i-stop" not in rig.hosts.nodes()
    assert not (rig.places.nodes / "i-stop").exists()
    rig.boot("i-stop")
    assert "kept" not in rig.ok("i-stop", "ls -A /root")


@pytest.mark.parametrize(
    ("command", "how", "alive"),
    [
        ("poweroff", "poweroff", False),
        ("shutdown -h now", "poweroff", False),
        ("systemctl poweroff", "poweroff", False),
        ("reboot", "reboot", True),
        ("shutdown -r now", "reboot", True),
    ],
)
def test_what_a_node_does_to_itself_is_told(rig, command, how, alive) -> None:
    newest, _ = rig.hosts.wait_events(0, timeout=0)
    rig.boot("i-self")
    rig.run("i-self", command)
    _, events = rig.hosts.wait_events(newest, timeout=30)
    assert [(one.kind, one.instance_id, one.how) for one in events] == [("exited", "i-self", how)]
    assert rig.hosts.nodes()["i-self"].alive is alive
    rig.hosts.crash("i-self")


def test_a_killed_pid_1_is_a_death(rig) -> None:
    newest, _ = rig.hosts.wait_events(0, timeout=0)
    rig.boot("i-dies")
    os.kill(rig.pid("i-dies"), 9)
    _, events = rig.hosts.wait_events(newest, timeout=30)
    assert [(one.instance_id, one.how) for one in events] == [("i-dies", "died")]
    assert not rig.hosts.nodes()["i-dies"].alive


def test_asked_ends_are_no_events(rig) -> None:
    newest, _ = rig.hosts.wait_events(0, timeout=0)
    rig.boot("i-asked")
    rig.hosts.shutdown("i-asked", timeout=10)
    rig.boot("i-asked")
    rig.hosts.crash("i-asked")
    assert rig.hosts.wait_events(newest, timeout=0.3) == (newest, [])


def test_a_node_can_be_ended_while_it_boots(rig) -> None:
    rig.boot("i-slow")
    rig.hosts.shutdown("i-slow", timeout=10)
    rig.hosts.boot(rig.spec("i-slow", boot_seconds=300.0))
    assert not rig.hosts.wait_ready("i-slow", timeout=0.2)
    with pytest.raises(ConnectionRefusedError):
        rig.hosts.connect(rig.spec("i-slow").private_ip, 22)
    start = time.monotonic()
    rig.hosts.shutdown("i-slow", timeout=60)
    assert time.monotonic() - start < 30, "it did not listen, and had to be killed"


def test_many_nodes_boot_at_once_and_reach_each_other(rig) -> None:
    names = [f"i-many-{number}" for number in range(8)]
    for number, name in enumerate(names):
        rig.numbers[name] = 200 + number
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(rig.boot, names))
    program = "import socket, sys; print(socket.create_connection((sys.argv[1], 22), 5).recv(4))"
    assert "SSH-" in rig.ok(names[0], f'python3 -c "{program}" 172.31.0.207')
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(rig.hosts.crash, names))
    assert not any(rig.hosts.nodes()[name].alive for name in names)


def test_a_frozen_node_does_nothing_until_it_is_thawed_or_ended(rig) -> None:
    rig.boot("i-frozen")
    rig.ok("i-frozen", "(while date +%s%N > /root/now; do sleep 0.05; done) >/dev/null 2>&1 &")
    rig.hosts.freeze("i-frozen")
    with rig.hosts.connect(rig.spec("i-frozen").private_ip, 22) as dialled:
        dialled.settimeout(1)
        with pytest.raises(TimeoutError):
            dialled.recv(100)
    assert rig.hosts.nodes()["i-frozen"].alive
    rig.hosts.freeze("i-frozen", thaw=True)
    before = rig.ok("i-frozen", "cat /root/now")
    rig.ok("i-frozen", f"until [ $(cat /root/now) != {before} ]; do sleep 0.05; done")
    rig.hosts.freeze("i-frozen")
    rig.hosts.shutdown("i-frozen", timeout=0.5)
    assert not rig.hosts.nodes()["i-frozen"].alive
    with pytest.raises(HostsError, match="is not running"):
        rig.hosts.freeze("i-frozen")
    rig.hosts.forget("i-frozen")

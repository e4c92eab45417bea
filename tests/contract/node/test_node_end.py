"""How a node ends: in order, with a status that tells why, and its clients told at once."""

import signal
import subprocess
import time

import pytest

from tests.contract.node.standin_node import Node

OPEN = b"#cloud-config\ndisable_root: false\n"
LISTENER = 'trap "echo bye > /home/told; exit" TERM; echo > /run/up; while :; do sleep 0.02; done'
REASONS = [(signal.SIGTERM, 0), (signal.SIGINT, 10), (signal.SIGUSR1, 11)]


@pytest.mark.parametrize(("number", "status"), REASONS)
def test_each_signal_has_its_exit_status(fresh: Node, number: signal.Signals, status: int) -> None:
    fresh.boot(OPEN)
    fresh.ssh(f"setsid bash -c '{LISTENER}' &>/dev/null &")
    fresh.wait_for("test -e /run/up")
    client = subprocess.Popen(
        fresh.words("ssh", "node", "echo up; sleep 60"), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert client.stdout is not None
    assert client.stdout.readline() == b"up\n"
    assert fresh.signal(number) == status
    assert client.wait(5) == 255
    client.stdout.close()
    assert (fresh.root / "home/told").read_text() == "bye\n"


def test_who_does_not_listen_is_killed(fresh: Node) -> None:
    fresh.boot(OPEN)
    fresh.ssh("setsid bash -c 'trap \"\" TERM; echo > /run/up; while :; do sleep 1; done' &>/dev/null &")
    fresh.wait_for("test -e /run/up")
    assert fresh.signal(signal.SIGTERM) == 0


def test_a_shell_on_a_terminal_does_not_hold_the_end_up(fresh: Node) -> None:
    fresh.boot(OPEN)
    words = fresh.words("ssh", "-tt", "node")
    client = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert client.stdin is not None
    assert client.stdout is not None
    client.stdin.write(b"echo u''p\n")
    client.stdin.flush()
    while b"up\r\n" not in client.stdout.readline():
        pass
    before = time.monotonic()
    fresh.signal(signal.SIGTERM)
    client.communicate(timeout=5)
    assert client.returncode == 255
    assert time.monotonic() - before < 4  # the whole grace is 5 seconds


def test_a_request_to_end_that_comes_early_is_remembered(fresh: Node) -> None:
    fresh.boot(OPEN + b"bootcmd: ['kill -USR1 1']\n", ends=11)


def test_a_long_boot_command_does_not_hold_the_end_up(fresh: Node) -> None:
    fresh.boot(OPEN + b"bootcmd: ['kill -INT 1; exec sleep 60']\n", ends=10)


def test_host_keys_stay_and_a_second_boot_does_not_repeat_the_first(fresh: Node) -> None:
    data = OPEN + b"bootcmd: [echo boot >> /home/boots]\nruncmd: [echo once >> /home/once]\n"
    fresh.boot(data)
    assert fresh.out("cloud-init status --wait >/dev/null 2>&1; cat /home/boots") == "boot"
    fresh.wait_for("test -e /var/lib/cloud/instance/boot-finished")
    key = (fresh.root / "etc/ssh/ssh_host_ed25519_key.pub").read_text()
    assert fresh.signal(signal.SIGINT) == 10
    fresh.boot(data, first_boot=False)
    assert fresh.out("cat /home/boots /home/once") == "boot\nboot\nonce"
    assert (fresh.root / "etc/ssh/ssh_host_ed25519_key.pub").read_text() == key
    assert fresh.console.count("BEGIN SSH HOST KEY KEYS") == 1


def test_a_disk_of_another_instance_gets_keys_of_its_own(fresh: Node) -> None:
    fresh.boot(OPEN + b"runcmd: [echo once >> /home/once]\n", instance_id="i-1")
    fresh.wait_for("test -e /var/lib/cloud/instance/boot-finished")
    key = (fresh.root / "etc/ssh/ssh_host_ed25519_key.pub").read_text()
    fresh.signal(signal.SIGTERM)
    (fresh.folder / "known_hosts").unlink()
    fresh.boot(OPEN + b"runcmd: [echo once >> /home/once]\n", instance_id="i-2")
    fresh.wait_for("test -e /var/lib/cloud/instance/boot-finished")
    assert (fresh.root / "home/once").read_text() == "once\nonce\n"
    assert (fresh.root / "etc/ssh/ssh_host_ed25519_key.pub").read_text() != key

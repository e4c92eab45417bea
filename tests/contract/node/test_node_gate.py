"""Commands that are held, failed or written down between the client and the node, by the cloud's own gate."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from starcluster.localcloud.api.calls import CallLog
from starcluster.localcloud.api.commandgate import CommandGate
from starcluster.localcloud.api.faults import CONNECTION_RESET, Command, Fault, Faults, When
from tests.contract.node.standin_node import Node

ORDER = Command(text="tee", given="go on")


class Cloud:
    """The daemon's side, in this process."""

    def __init__(self, node: Node) -> None:
        folder = Path(f"/proc/{node.pid}/root/run/localcloud/gate")
        folder.mkdir(parents=True, exist_ok=True)
        self.socket = folder / "command.sock"
        self.faults, self.log = Faults(), CallLog(None)
        self.gate = CommandGate(
            self.socket, faults=self.faults, log=self.log, instance_at={"127.0.0.1": "i-1"}.get
        )  # fmt: skip
        self.faults.changed = self.gate.refresh

    @property
    def parked(self) -> bool:
        return any(each["parked"] for each in self.faults.holds())

    def noted(self) -> list[tuple[object, object]]:
        return [(each["given"], each["error"]) for each in self.log.after(0)]

    def fail(self, code: str, *, status: int = 400, when: When = When.BEFORE) -> None:
        message = f"{code}: ordered"
        self.faults.add(
            Fault(action=ORDER, code=code, status=status, message=message, times=1, probability=1.0, when=when)
        )


@pytest.fixture
def cloud(node: Node) -> Iterator[Cloud]:
    made = Cloud(node)
    yield made
    made.faults.clear()
    made.gate.stop()


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def start(node: Node, command: str, given: bytes) -> subprocess.Popen[bytes]:
    """A client that has said all and waits."""
    pipe = subprocess.PIPE
    client = subprocess.Popen(node.words("ssh", "node", command), stdin=pipe, stdout=pipe, stderr=pipe)
    assert client.stdin is not None
    client.stdin.write(given)
    client.stdin.close()
    client.stdin = None
    return client


def content(node: Node, name: str) -> str:
    return node.out(f"cat /run/{name} 2>/dev/null; true")


def test_a_command_held_before_it_runs(node: Node, cloud: Cloud) -> None:
    cloud.faults.hold(ORDER, 1, When.BEFORE)
    client = start(node, "tee /run/before; exit 7", b"please go on")
    until(lambda: cloud.parked)
    assert content(node, "before") == ""
    cloud.faults.release(None)
    assert client.communicate(timeout=10)[0] == b"please go on"
    assert client.returncode == 7
    assert content(node, "before") == "please go on"
    assert cloud.noted() == [("please go on", None)]


def test_a_command_held_after_it_ran(node: Node, cloud: Cloud) -> None:
    cloud.faults.hold(ORDER, 1, When.AFTER)
    client = start(node, "tee /run/after; echo err >&2; exit 7", b"go on")
    until(lambda: cloud.parked)
    assert content(node, "after") == "go on"
    assert client.poll() is None
    assert client.stdout is not None
    os.set_blocking(client.stdout.fileno(), False)
    assert client.stdout.read() is None  # nothing has come
    os.set_blocking(client.stdout.fileno(), True)
    cloud.faults.release(None)
    assert client.communicate(timeout=10) == (b"go on", b"err\n")
    assert client.returncode == 7


@pytest.mark.parametrize(("when", "written"), [(When.BEFORE, ""), (When.AFTER, "go on")])
def test_a_client_that_dies_meanwhile(node: Node, cloud: Cloud, when: When, written: str) -> None:
    cloud.faults.hold(ORDER, 1, when)
    client = start(node, f"tee /run/dies-{when}", b"go on")
    until(lambda: cloud.parked)
    client.kill()
    client.communicate()
    until(lambda: not cloud.faults.holds())
    assert not cloud.socket.exists()
    node.ssh("sleep 0.2")  # what would be started by mistake has the time
    assert content(node, f"dies-{when}") == written
    assert cloud.noted() == [("go on", "ClientGone")]


def test_the_whole_input_is_waited_for(node: Node, cloud: Cloud) -> None:
    cloud.faults.hold(ORDER, 1, When.BEFORE)
    client = subprocess.Popen(node.words("ssh", "node", "tee /run/slow"), stdin=subprocess.PIPE)
    assert client.stdin is not None
    client.stdin.write(b"go ")
    client.stdin.flush()
    node.ssh("sleep 0.2")  # the first part is there by now
    client.stdin.write(b"on")
    client.stdin.close()
    until(lambda: cloud.parked)
    cloud.faults.clear()
    assert client.wait(10) == 0
    assert content(node, "slow") == "go on"


def test_the_nth_of_those_that_are_meant(node: Node, cloud: Cloud) -> None:
    cloud.faults.hold(ORDER, 2, When.BEFORE)
    assert node.ssh("tee /run/n", given=b"go on").stdout == b"go on"
    assert node.ssh("tee /run/n", given=b"stop").stdout == b"stop"
    assert node.ssh("cat", given=b"go on").stdout == b"go on"
    client = start(node, "tee /run/n", b"go on")
    until(lambda: cloud.parked)
    cloud.faults.clear()
    assert client.communicate(timeout=10)[0] == b"go on"
    assert not cloud.socket.exists()


def test_watched_commands_are_written_down(node: Node, cloud: Cloud) -> None:
    cloud.faults.watch(Command(text="wc"))
    data = os.urandom(3_000_000)
    assert node.ssh("wc -c", given=data).stdout == b"3000000\n"
    assert node.ssh("cat", given=data).stdout == data
    assert node.ssh("exec <&-; wc -c </dev/null; echo done", given=data).stdout == b"0\ndone\n"
    told = cloud.log.after(0)
    assert [each["kind"] for each in told] == ["command", "command"]
    assert [each["ids"] for each in told] == [["i-1"], ["i-1"]]
    assert told[0]["command"] == "wc -c"
    assert len(told[0]["given"]) == 200


def test_much_output_is_not_kept_back(node: Node, cloud: Cloud) -> None:
    cloud.faults.hold(Command(text="head"), 1, When.AFTER)
    client = start(node, "head -c 30000000 /dev/zero", b"")
    assert client.stdout is not None
    assert len(client.stdout.read(29_000_000)) == 29_000_000
    until(lambda: cloud.parked)
    cloud.faults.clear()
    assert len(client.stdout.read()) == 1_000_000
    client.communicate()


@pytest.mark.parametrize(("when", "written"), [(When.BEFORE, ""), (When.AFTER, "go on")])
def test_a_failure_on_order(node: Node, cloud: Cloud, when: When, written: str) -> None:
    cloud.fail("Broken", status=3, when=when)
    result = node.ssh(f"tee /run/fails-{when}", given=b"go on")
    assert (result.returncode, result.stdout, result.stderr) == (3, b"", b"Broken: ordered\n")
    assert content(node, f"fails-{when}") == written
    assert cloud.noted() == [("go on", "Broken")]
    until(lambda: not cloud.socket.exists())  # it was the only order
    assert node.ssh("tee /run/fails", given=b"go on").returncode == 0


def test_a_connection_reset_on_order(node: Node, cloud: Cloud) -> None:
    cloud.fail(CONNECTION_RESET, when=When.AFTER)
    result = node.ssh("tee /run/reset", given=b"go on")
    assert (result.returncode, result.stdout) == (255, b"")
    assert content(node, "reset") == "go on"


def test_terminals_and_sftp_do_not_pass_the_gate(node: Node, cloud: Cloud) -> None:
    cloud.faults.watch(Command(text=""))
    assert node.ssh("tty", "-tt").stdout.startswith(b"/dev/pts/")
    (node.folder / "batch").write_text("ls /run\n")
    assert node.run("sftp", "-b", str(node.folder / "batch"), "node").returncode == 0
    assert cloud.noted() == []


def test_a_gate_that_dies_lets_all_pass(node: Node, cloud: Cloud) -> None:
    """As a killed daemon leaves it: the socket is there and nobody listens."""
    cloud.faults.hold(ORDER, 1, When.BEFORE)
    cloud.socket.rename(cloud.socket.with_name("away"))
    cloud.gate.stop()
    cloud.socket.with_name("away").rename(cloud.socket)
    assert node.ssh("tee /run/dead", given=b"go on").stdout == b"go on"
    cloud.socket.unlink()


def test_an_open_input_does_not_hold_a_command_that_nobody_means(node: Node, cloud: Cloud) -> None:
    cloud.faults.watch(Command(text="something else"))
    client = subprocess.Popen(
        node.words("ssh", "node", "echo here; cat"), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert client.stdout is not None
    assert client.stdout.readline() == b"here\n"
    client.communicate(timeout=10)

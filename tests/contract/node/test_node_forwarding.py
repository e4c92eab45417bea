"""What goes along with a connection: ports, agents, forced commands."""

import contextlib
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.node.standin_node import Node


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return int(one.getsockname()[1])


@contextlib.contextmanager
def background(node: Node, *words: str) -> Iterator[None]:
    process = subprocess.Popen(
        node.words("ssh", "-N", "-o", "ExitOnForwardFailure=yes", *words, "node"), stderr=subprocess.PIPE
    )
    try:
        yield
    finally:
        process.kill()
        process.communicate()


def banner(port: int, *, say: bytes = b"", socks_to: int | None = None, limit: float = 10) -> bytes:
    """The first bytes from that local port, once somebody listens there."""
    end = time.monotonic() + limit
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as one:
                if socks_to is not None:
                    one.sendall(b"\x05\x01\x00")
                    assert one.recv(2) == b"\x05\x00"
                    one.sendall(b"\x05\x01\x00\x03\x09localhost" + socks_to.to_bytes(2, "big"))
                    assert one.recv(10)[1] == 0
                one.sendall(say)
                return one.recv(7)
        except ConnectionResetError:
            return b""
        except ConnectionRefusedError:
            assert time.monotonic() < end
            time.sleep(0.05)


@pytest.mark.parametrize("user", ["root", "alice"])
def test_a_local_port_leads_into_the_node(node: Node, user: str) -> None:
    port = free_port()
    with background(node, "-l", user, "-L", f"127.0.0.1:{port}:localhost:22"):
        assert banner(port) == b"SSH-2.0"


def test_a_dynamic_port_leads_into_the_node(node: Node) -> None:
    port = free_port()
    with background(node, "-D", f"127.0.0.1:{port}"):
        assert banner(port, socks_to=22) == b"SSH-2.0"


def test_a_refused_port_is_refused(node: Node) -> None:
    result = node.ssh("", "-W", "127.0.0.1:9")
    assert result.returncode != 0
    assert b"refused" in result.stderr or b"failed" in result.stderr


def test_a_remote_port_leads_out_of_it(node: Node) -> None:
    with socket.create_server(("127.0.0.1", 0)) as here:
        local = here.getsockname()[1]

        def answer() -> None:
            with contextlib.suppress(OSError):
                one, _ = here.accept()
                one.sendall(b"from outside")
                one.close()

        threading.Thread(target=answer, daemon=True).start()
        with background(node, "-l", "alice", "-R", f"5022:127.0.0.1:{local}"):
            node.wait_for("grep -q ':139E .* 0A ' /proc/net/tcp")  # 5022, listening
            assert "0100007F:139E" in node.out("cat /proc/net/tcp")  # on the loopback only
            assert node.out("exec 3<>/dev/tcp/127.0.0.1/5022; cat <&3") == "from outside"
    node.wait_for("! grep -q ':139E .* 0A ' /proc/net/tcp")


def test_a_privileged_remote_port_is_for_root_only(node: Node) -> None:
    words = ("-o", "ExitOnForwardFailure=yes", "-R", "80:127.0.0.1:9", "node", "true")
    assert node.run("ssh", "-l", "alice", *words).returncode == 255
    assert node.run("ssh", "-l", "root", *words).returncode == 0


@pytest.mark.parametrize(("user", "answer"), [("alice", b""), ("root", b"\0\0\0\x05\x0c\0\0")])
def test_sockets_of_others_are_not_for_a_user(node: Node, user: str, answer: bytes) -> None:
    node.ssh("rm -f /run/secret.sock; ssh-agent -a /run/secret.sock > /run/agent.env")
    port = free_port()
    with background(node, "-l", user, "-L", f"127.0.0.1:{port}:/run/secret.sock"):
        assert banner(port, say=b"\0\0\0\x01\x0b") == answer  # which keys have you? None.
    node.ssh(". /run/agent.env; kill $SSH_AGENT_PID")


def test_the_agent_is_forwarded_to_the_user_alone(node: Node, tmp_path: Path) -> None:
    place = f"/tmp/agent-{os.getpid()}"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", place], stdout=subprocess.DEVNULL)
    try:
        while not os.path.exists(place):
            time.sleep(0.01)
        environment = {**os.environ, "SSH_AUTH_SOCK": place}
        subprocess.run(["ssh-add", "-q", node.key], env=environment, check=True)
        command = "ssh-add -l; stat -c '%U %a' $(dirname $SSH_AUTH_SOCK) $SSH_AUTH_SOCK; echo $SSH_AUTH_SOCK"
        result = node.ssh(command, "-A", user="alice", env=environment)
        lines = result.stdout.decode().splitlines()
        assert "ED25519" in lines[0]
        assert lines[1] == "alice 700"
        assert lines[2].startswith("alice ")
        assert node.out("ls /tmp | grep -c asyncssh || true") == "0", "the socket outlived its connection"
        inner = "ssh -o StrictHostKeyChecking=accept-new root@localhost id -un"
        assert node.ssh(inner, "-A", user="alice", env=environment).stdout == b"root\n"
    finally:
        agent.kill()
        agent.wait()
        Path(place).unlink(missing_ok=True)


@pytest.fixture
def with_options(node: Node) -> Iterator[object]:
    """Lets a test put options before alice's key."""
    path = "/home/alice/.ssh/authorized_keys"
    node.ssh(f"cp -p {path} /run/keys")

    def put(options: str) -> None:
        node.ssh(f"cat > {path}", given=f"{options} {node.public_key}\n".encode())

    yield put
    node.ssh(f"cp -p /run/keys {path}")


def test_a_forced_command_knows_what_was_asked(node: Node, with_options: object) -> None:
    assert callable(with_options)
    with_options('command="echo forced: $SSH_ORIGINAL_COMMAND; exit 5"')
    result = node.ssh("rm -rf /", user="alice")
    assert (result.returncode, result.stdout) == (5, b"forced: rm -rf /\n")
    assert node.run("scp", str(node.key), "alice@node:x").returncode != 0
    assert node.ssh("test -e /home/alice/x").returncode == 1


def test_options_take_rights_away(node: Node, with_options: object) -> None:
    assert callable(with_options)
    with_options("restrict,pty")
    assert node.ssh("tty", "-tt", user="alice").returncode == 0
    assert node.ssh("", "-W", "127.0.0.1:22", user="alice").returncode != 0
    with_options("no-pty")
    assert b"PTY allocation request failed" in node.ssh("tty", "-tt", user="alice").stderr
    with_options('from="10.0.0.0/8"')
    assert node.ssh("true", user="alice").returncode == 255

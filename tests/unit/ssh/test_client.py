"""SSHClient against a server in this process: results, failures, host keys, lost connections."""

from __future__ import annotations

import gc
import shlex
import threading
import weakref
from pathlib import Path

import paramiko
import pytest

from starcluster import exception
from starcluster.ssh.client import SSHClient, with_profile
from starcluster.ssh.hostkeys import HostKey, KnownHosts
from starcluster.ssh.streams import drain_patiently
from tests.unit.ssh.server import FakeServer, PairDialer


def test_execute_returns_stripped_lines_stdout_first(client: SSHClient) -> None:
    assert client.execute("anything") == ["out", "err"]


def test_only_a_newline_ends_a_line_and_no_line_goes_on_in_the_other_stream(
    client: SSHClient, server: FakeServer
) -> None:
    server.answer = lambda command, data: (0, b"10%\r20%\n\n page\x0ctwo\t\xc2\xa0\nlast", b"warning\n")
    assert client.execute("x") == ["10%\r20%", "", "page\x0ctwo\t\xa0", "last", "warning"]
    server.answer = lambda command, data: (0, b"", b"a\tb\x01\xc3\xa9\n")
    assert client.execute("x", only_printable=True) == ["a\tb\u00e9"]
    server.answer = lambda command, data: (0, b"", b"")
    assert client.execute("x") == []


def test_what_is_started_goes_on_by_itself(client: SSHClient, server: FakeServer) -> None:
    assert client.get_status("x") == 0
    assert client.execute_async("serve") is None  # type: ignore[func-returns-value]
    assert (client.get_last_status(), server.commands[-1][:6], server.commands[-1][-1]) == (None, "nohup ", "&")
    assert with_profile("serve") in shlex.split(server.commands[-1])


def test_programs_that_are_all_there(client: SSHClient, server: FakeServer) -> None:
    assert client.check_required(["out"])
    server.answer = lambda command, data: (1, b"", b"")
    with pytest.raises(exception.RemoteCommandNotFound, match="node001 has no program 'x'"):
        client.check_required(["x"])


def test_execute_reads_the_profile_first_unless_told_otherwise(client: SSHClient, server: FakeServer) -> None:
    client.execute("ls /x")
    client.execute("ls /y", source_profile=False)
    assert server.commands == [with_profile("ls /x"), "ls /y"]


def test_a_failed_command_names_the_node_and_its_output(client: SSHClient, server: FakeServer) -> None:
    server.answer = lambda command, data: (3, b"some output\n", b"no such thing\n")
    with pytest.raises(exception.RemoteCommandFailed) as caught:
        client.execute("make it")
    assert caught.value.exit_status == 3
    assert caught.value.command == "make it"
    assert "node001" in caught.value.msg
    assert "no such thing" in caught.value.msg


def test_failures_can_be_ignored(client: SSHClient, server: FakeServer) -> None:
    server.answer = lambda command, data: (1, b"", b"oops\n")
    assert client.execute("x", ignore_exit_status=True) == ["oops"]
    assert client.execute("x", raise_on_failure=False) == ["oops"]
    assert client.get_status("x") == 1
    assert client.get_last_status() == 1


def test_a_command_that_is_not_silent_prints_both_streams_the_errors_last(
    client: SSHClient, server: FakeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.answer = lambda command, data: (1, b"some output\n", b"why\n")
    client.execute("x", silent=False, ignore_exit_status=True)
    assert capsys.readouterr().out == "some output\nwhy\n"
    client.execute("x", ignore_exit_status=True)
    assert capsys.readouterr().out == ""


def test_a_command_that_loses_its_connection_is_told_as_it_was_given(client: SSHClient, server: FakeServer) -> None:
    def answer(command: str, data: bytes) -> tuple[int, bytes, bytes]:
        client.close()  # another thread switches the user
        return 0, b"", b""

    server.answer = answer
    with pytest.raises(exception.SSHConnectionError, match="lost node001 during 'make it'"):
        client.execute("make it")


def test_a_lot_on_both_streams_does_not_block(client: SSHClient, server: FakeServer) -> None:
    server.answer = lambda command, data: (0, b"o" * 3_000_000, b"e" * 3_000_000)
    status, output, errors = client.run("x")
    assert (status, len(output), len(errors)) == (0, 3_000_000, 3_000_000)


def test_script_goes_through_stdin_and_stops_at_the_first_failure(client: SSHClient, server: FakeServer) -> None:
    sent: list[bytes] = []

    def answer(command: str, data: bytes) -> tuple[int, bytes, bytes]:
        sent.append(data)
        return 4, b"", b"mount: no such device\n"

    server.answer = answer
    with pytest.raises(exception.RemoteCommandFailed, match="mount /home: status 4 on node001\nmount: no such device"):
        client.script("mount /dev/x /home", what="mount /home")
    assert b"set -eu" in sent[0]
    assert b"mount /dev/x /home" in sent[0]


class QuietChannel:
    """A channel whose standard error is silent beyond its limit before it speaks."""

    closed = False

    def __init__(self, *blocks: bytes | None) -> None:
        self._blocks = list(blocks)

    def recv_stderr(self, size: int) -> bytes:
        block = self._blocks.pop(0)
        if block is None:
            raise TimeoutError
        return block


def test_a_silent_stderr_ends_no_reader_with_a_traceback() -> None:
    parts: list[bytes] = []
    drain_patiently(QuietChannel(None, b"late", None, b""), parts)  # type: ignore[arg-type]
    assert parts == [b"late"]


def test_a_lost_connection_is_made_anew(client: SSHClient, dialer: PairDialer) -> None:
    client.execute("one")
    dialer.transports[0].close()
    assert client.execute("two") == ["out", "err"]
    assert len(dialer.transports) == 2


def test_switch_user_stays_until_switched_back(client: SSHClient, server: FakeServer) -> None:
    client.execute("x")
    client.switch_user("alice")
    client.execute("x")
    assert client.get_current_user() == "alice"
    assert server.users == ["root", "alice"]


def test_refused_key_is_an_auth_error(client: SSHClient) -> None:
    with pytest.raises(exception.SSHAuthException, match="nobody") as caught:
        client.switch_user("nobody")
    assert "is there such a user on the node" in caught.value.hint


def test_another_host_key_than_the_consoles_is_refused_before_login(
    server: FakeServer, dialer: PairDialer, known: KnownHosts, key_file: Path
) -> None:
    other = paramiko.ECDSAKey.generate()
    known.add("i-2", [HostKey(kind=other.get_name(), blob=other.get_base64())])
    client = SSHClient("h", private_key=str(key_file), dialer=dialer, known=known, instance_id="i-2")
    with pytest.raises(exception.HostKeyMismatch):
        client.execute("x")
    assert server.users == []


def test_an_unknown_host_key_is_remembered_or_refused(dialer: PairDialer, known: KnownHosts, key_file: Path) -> None:
    strict = SSHClient("h", private_key=str(key_file), dialer=dialer, known=known, instance_id="i-3", strict=True)
    with pytest.raises(exception.HostKeyMismatch, match="SSH_STRICT"):
        strict.connect()
    assert known.keys("i-3") == []
    with SSHClient("h", private_key=str(key_file), dialer=dialer, known=known, instance_id="i-3") as trusting:
        trusting.execute("x")
    assert len(known.keys("i-3")) == 1


def test_a_connection_is_compressed_when_asked_for(dialer: PairDialer, known: KnownHosts, key_file: Path) -> None:
    with SSHClient("h", private_key=str(key_file), dialer=dialer, known=known) as client:
        assert client.connect().transport.local_compression == "none"
        assert client.connect(compress=True).transport.local_compression.startswith("zlib")
        assert client.connect().transport.local_compression.startswith("zlib")
        assert client.connect(compress=False).transport.local_compression == "none"


def test_no_route_is_a_connection_error(known: KnownHosts, key_file: Path) -> None:
    class Nowhere:
        def dial(self, host: str, port: int, timeout: float) -> object:
            raise ConnectionRefusedError("refused")

        def proxy_command(self) -> None:
            return None

    client = SSHClient("h", private_key=str(key_file), dialer=Nowhere(), known=known)  # type: ignore[arg-type]
    with pytest.raises(exception.SSHConnectionError, match="refused"):
        client.execute("x")


def test_a_client_that_nobody_has_any_more_leaves_no_connection(
    client: SSHClient, dialer: PairDialer, server: FakeServer
) -> None:
    """A driver makes nodes, and so clients, by the hundred in a month."""
    other = SSHClient(
        "node.example",
        private_key=client._private_key,
        dialer=dialer,
        known=client._known,
        instance_id="i-1",
    )
    assert other.execute("x") == ["out", "err"]
    ours, theirs = other.transport, dialer.transports[-1]
    del other
    gc.collect()
    ours.join(5)
    assert not ours.is_alive(), "its thread has ended"
    theirs.join(5)
    assert not theirs.is_active()
    assert client.execute("x") == ["out", "err"], "other connections go on"


def test_a_client_that_connects_anew_keeps_no_old_connection(client: SSHClient) -> None:
    """That of the master is made anew whenever the network was away, for as long as the driver runs."""
    old = weakref.ref(client.transport)
    client.close()
    assert client.execute("x") == ["out", "err"]
    for thread in threading.enumerate():
        if thread is old():
            thread.join(5)
    del thread
    gc.collect()
    assert old() is None


def test_the_host_key(client: SSHClient, host_key: paramiko.PKey) -> None:
    assert client.get_server_public_key().get_base64() == host_key.get_base64()

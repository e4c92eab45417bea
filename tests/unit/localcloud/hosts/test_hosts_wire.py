"""The line protocol between client, agent and holder, and the client's errors."""

import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from starcluster.localcloud.hosts import wire
from starcluster.localcloud.hosts.client import Hosts, HostsError
from starcluster.localcloud.hosts.spec import Event, NodeSpec, NodeState


def test_a_message_longer_than_any_buffer_arrives() -> None:
    ours, theirs = socket.socketpair()
    message = {"text": "x" * 3_000_000}
    with ours, theirs:
        sender = threading.Thread(target=wire.send, args=(ours, message))
        sender.start()
        assert wire.receive(theirs) == (message, [])
        sender.join()


def test_descriptors_ride_on_a_message() -> None:
    ours, theirs = socket.socketpair()
    read, write = os.pipe()
    with ours, theirs:
        wire.send(ours, {"a": 1}, [write])
        message, fds = wire.receive(theirs)
        assert message == {"a": 1}
        os.write(fds[0], b"through")
        assert os.read(read, 10) == b"through"
        for fd in (read, write, *fds):
            os.close(fd)


def test_a_closed_peer_is_none() -> None:
    ours, theirs = socket.socketpair()
    ours.close()
    with theirs:
        assert wire.receive(theirs) == (None, [])


def test_a_spec_travels_whole() -> None:
    spec = NodeSpec(
        instance_id="i-1",
        private_ip="172.31.0.5",
        hostname="ip-172-31-0-5",
        mac="0e:00:00:00:00:01",
        user_data=bytes(range(256)),
        authorized_keys=("ssh-ed25519 AAAA me",),
        metadata={"placement": {"availability-zone": "us-east-1a"}},
        boot_seconds=0.5,
    )
    assert NodeSpec.of(spec.plain()) == spec


def test_keys_of_a_newer_writer_are_ignored() -> None:
    values = {"alive": True, "pid": 3, "boot_id": "b", "ready": False, "mood": "fine"}
    assert NodeState.of(values) == NodeState(alive=True, pid=3, boot_id="b", ready=False)


@pytest.fixture
def agent_that_answers(tmp_path: Path) -> Iterator[Callable[[dict[str, Any] | None], Hosts]]:
    """An agent that gives one prepared answer; None closes without one."""
    path = tmp_path / "agent.sock"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    asked: list[Any] = []

    def prepared(answer: dict[str, Any] | None) -> Hosts:
        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                asked.append(wire.receive(connection)[0])
                if answer is not None:
                    wire.send(connection, answer)

        threading.Thread(target=serve, daemon=True).start()
        hosts = Hosts(path)
        hosts.asked = asked  # type: ignore[attr-defined]
        return hosts

    yield prepared
    listener.close()


def test_an_answer_becomes_values(agent_that_answers: Callable[..., Any]) -> None:
    event = {"number": 4, "kind": "exited", "instance_id": "i-1", "how": "died"}
    hosts = agent_that_answers({"newest": 4, "events": [event]})
    assert hosts.wait_events(3, timeout=1) == (4, [Event(**event)])
    assert hosts.asked == [{"op": "wait_events", "args": {"after": 3, "timeout": 1}}]


@pytest.mark.parametrize(
    ("kind", "error"),
    [("hosts", HostsError), ("refused", ConnectionRefusedError), ("timeout", TimeoutError), ("new", HostsError)],
)
def test_errors_keep_their_kind(agent_that_answers: Callable[..., Any], kind: str, error: type[Exception]) -> None:
    with pytest.raises(error, match="no such thing"):
        agent_that_answers({"error": "no such thing", "kind": kind}).connect("172.31.0.5", 22)


def test_an_agent_that_breaks_off_or_is_not_there_is_a_hosts_error(
    agent_that_answers: Callable[..., Any], tmp_path: Path
) -> None:
    with pytest.raises(HostsError, match="does not answer"):
        agent_that_answers(None).ping()
    with pytest.raises(HostsError, match="does not answer"):
        Hosts(tmp_path / "nobody.sock").ping()

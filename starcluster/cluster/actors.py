"""Nodes that play their part in a plugin's test: they answer by the facts that they were given, and note the rest.

They are Nodes, with another connection; so what a plugin asks of a node is noted as the commands that it comes to.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

from starcluster import exception
from starcluster.cluster.node import Node
from starcluster.model import BlockDevice, Instance, InstanceState
from starcluster.names import GROUP_PREFIX
from starcluster.ssh.client import SSHClient

Note = str | dict[str, Any]


class Connection:
    """What plugins see as node.ssh. A fact's key is a command, or an absolute path for a file's content.

    A fact is lines, or a text, or {"output": lines, "exit": status}.
    """

    def __init__(self, alias: str, facts: Mapping[str, Any]) -> None:
        self.alias = alias
        self.facts = dict(facts)
        self.notes: list[Note] = []
        self.user = "root"
        self._status = 0

    def note(self, note: Note) -> None:
        self.notes.append(note)

    def _answer(self, command: str) -> tuple[int, list[str]]:
        """A question that the facts answer is no command; every other one is noted, and succeeds in silence."""
        if command not in self.facts:
            self.note(command)
            self._status = 0
            return 0, []
        self._status, lines = read_fact(self.facts[command])
        return self._status, lines

    def execute(self, command: str, *_: Any, ignore_exit_status: bool = False, raise_on_failure: bool = True,
                detach: bool = False, **__: Any) -> list[str] | None:  # fmt: skip
        status, lines = self._answer(command)
        if status and not ignore_exit_status and raise_on_failure:
            raise exception.RemoteCommandFailed(
                f"{command}: status {status} on {self.alias}", command, status, "\n".join(lines)
            )
        return None if detach else lines

    def script(self, text: str, *, what: str, secret: bool = False) -> list[str]:
        """Told by what it is for, which is what a fact may be given for too."""
        status, lines = self._answer(what)
        if status:
            raise exception.RemoteCommandFailed(
                f"{what}: status {status} on {self.alias}", what, status, "\n".join(lines)
            )
        return lines

    def run(self, command: str, *_: Any, **__: Any) -> tuple[int, bytes, bytes]:
        status, lines = self._answer(command)
        return status, "".join(f"{line}\n" for line in lines).encode(), b""

    def get_status(self, command: str, *_: Any, **__: Any) -> int:
        return self._answer(command)[0]

    def execute_async(self, command: str, *_: Any, **__: Any) -> None:
        self._answer(command)

    def get_last_status(self) -> int:
        return self._status

    def which(self, prog: str) -> list[str]:
        return self._answer(f"which {prog}")[1]

    def has_required(self, progs: Sequence[str]) -> bool:
        return all(self.which(prog) for prog in progs)

    # --- files

    def remote_file(self, file: str, mode: str = "w") -> WrittenFile:
        if "r" in mode:
            if file not in self.facts:
                raise FileNotFoundError(f"{self.alias} has no {file}: the test gives no fact of that name")
            return WrittenFile(file, None, "\n".join(read_fact(self.facts[file])[1]) + "\n")
        note: dict[str, Any] = {"append" if "a" in mode else "write": file, "text": ""}
        self.note(note)
        return WrittenFile(file, note)

    def path_exists(self, path: str) -> bool:
        return path in self.facts

    isfile = path_exists

    def isdir(self, path: str) -> bool:
        return path.rstrip("/") + "/" in self.facts

    def get_remote_file_lines(self, remote_file: str, regex: str | None = None, matching: bool = True) -> list[str]:
        import re

        lines = read_fact(self.facts.get(remote_file, []))[1]
        return [line for line in lines if not regex or bool(re.search(regex, line)) == matching]

    def mkdir(self, path: str, mode: int = 0o755, ignore_failure: bool = False) -> None:
        self.note(f"mkdir {path}")

    def makedirs(self, path: str, mode: int = 0o755) -> None:
        self.note(f"mkdir -p {path}")

    def unlink(self, path: str) -> None:
        self.note(f"rm {path}")

    def chmod(self, mode: int, path: str) -> None:
        self.note(f"chmod {mode:o} {path}")

    def chown(self, uid: int, gid: int, path: str) -> None:
        self.note(f"chown {uid}:{gid} {path}")

    def remove_lines_from_file(self, remote_file: str, regex: str) -> None:
        self.note({"remove lines": regex, "of": remote_file})

    def put(self, localpaths: str | Sequence[str], remotepath: str = ".") -> None:
        self.note({"put": localpaths if isinstance(localpaths, str) else list(localpaths), "to": remotepath})

    def get(self, remotepaths: str | Sequence[str], localpath: str = "") -> None:
        self.note({"get": remotepaths if isinstance(remotepaths, str) else list(remotepaths), "to": localpath})

    # --- who

    def switch_user(self, user: str) -> None:
        self.user = user
        self.note(f"# as {user}")

    def connect(self, host: str | None = None, username: str | None = None, *_: Any, **__: Any) -> Connection:
        if username and username != self.user:
            self.switch_user(username)
        return self

    def get_current_user(self) -> str:
        return self.user

    @property
    def _username(self) -> str:  # plugins read it where they switch users and back
        return self.user

    def close(self) -> None:
        """There is nothing to close."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        raise exception.PluginError(
            f"node.ssh.{name} is nothing that a node of a test can play",
            hint="try the plugin on the local cloud instead",
        )


class WrittenFile(io.StringIO):
    """A remote file whose text is in its note as soon as it is written."""

    def __init__(self, name: str, note: dict[str, Any] | None, text: str = "") -> None:
        super().__init__(text)
        self.name, self._note = name, note

    def write(self, data: Any) -> int:
        text = data.decode("utf-8", "replace") if isinstance(data, bytes) else data
        count = super().write(text)
        if self._note is not None:
            self._note["text"] = self.getvalue()
        return count

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def chmod(self, mode: int) -> None:
        if self._note is not None:
            self._note["mode"] = f"{mode:o}"

    def chown(self, uid: int, gid: int) -> None:
        if self._note is not None:
            self._note["owner"] = f"{uid}:{gid}"


def read_fact(fact: Any) -> tuple[int, list[str]]:
    """(exit status, lines)"""
    if isinstance(fact, dict):
        return int(fact.get("exit", 0)), read_fact(fact.get("output", []))[1]
    if isinstance(fact, list):
        return 0, [str(line) for line in fact]
    return 0, str(fact).splitlines()


class Actor(Node):
    """A running node of EC2's shape without EC2."""

    def __init__(self, alias: str, number: int, facts: Mapping[str, Any]) -> None:
        # nothing of EC2 and no key is there: what needs them fails by name
        nobody = cast("Any", _Nobody())
        super().__init__(_instance(alias, number), ec2=nobody, access=nobody, region="us-east-1")
        self.connection = Connection(alias, facts)
        self._together = threading.local()

    @property
    def ssh(self) -> SSHClient:
        return cast("SSHClient", self.connection)

    @contextmanager
    def together(self) -> Iterator[Any]:
        yield self.connection

    def is_ssh_up(self) -> bool:
        return True

    def is_up(self) -> bool:
        return True

    def update(self) -> InstanceState:
        return self.state

    @property
    def host_keys(self) -> Sequence[Any]:
        return []

    def twin(self) -> Actor:
        """Nobody else uses it meanwhile."""
        return self

    def after_hook(self) -> None:
        """There is no connection to put in order."""

    def add_tag(self, key: str, value: str | None = None) -> None:
        self.connection.note({"tag": key, "value": value or ""})

    def remove_tag(self, key: str, value: str | None = None) -> None:
        self.connection.note({"remove tag": key})


def _instance(alias: str, number: int) -> Instance:
    ip = f"10.0.0.{number + 10}"
    return Instance(
        id=f"i-{number:017x}",
        state=InstanceState.RUNNING,
        instance_type="m5.large",
        zone="us-east-1a",
        private_ip=ip,
        public_ip=f"203.0.113.{number + 10}",
        private_dns=f"ip-{ip.replace('.', '-')}.ec2.internal",
        public_dns=f"{alias}.example.com",
        block_devices=cast("tuple[BlockDevice, ...]", ()),
        group_ids=("sg-00000000000000001",),
        group_names=(f"{GROUP_PREFIX}test",),
        tags={"alias": alias, "Name": alias},
        launched=datetime(2026, 1, 1, tzinfo=UTC),
    )


class _Nobody(SimpleNamespace):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name == "network":  # groups have names; what they let in nobody knows
            return self
        raise exception.PluginError(
            "the plugin asks for something that a test has not: EC2, or a real connection",
            hint="try the plugin on the local cloud instead",
        )

"""SSH_PROXY: the way to nodes that this machine does not reach by itself, through another program's pipe.

A bastion is a ProxyJump, AWS's Session Manager a ProxyCommand. Only bytes go through them: the node's host key is
checked here, as without them.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

from starcluster import exception
from starcluster.ownfolder import home

_PATIENCE = 2  # seconds for a program to end
_LOOK_UP_LIMIT = 10


@dataclass(frozen=True, kw_only=True)
class BastionDialer:
    """Through an SSH server that reaches the nodes; "" and None leave it to the user's own ~/.ssh/config.

    Its host key must be the one in ~/.ssh/known_hosts, or the first one that was seen, unless `strict`.
    """

    host: str
    user: str = ""
    port: int | None = None
    key_file: Path | None = None
    strict: bool = False
    children: list[subprocess.Popen[bytes]] = field(default_factory=list, compare=False, repr=False)

    def dial(self, host: str, port: int, timeout: float) -> socket.socket:
        return _dial(self._words(f"{host}:{port}"), f"the bastion {self.host}", timeout, self.children)

    def proxy_command(self) -> str:
        return _in_ssh_config(self._words("%h:%p"), ("%h:%p",))

    def address(self) -> str:
        """The bastion's own IPv4 address; OSError when that can not be found."""
        words = ["ssh", "-G", *self._login()]
        told = subprocess.run(words, capture_output=True, text=True, timeout=_LOOK_UP_LIMIT, check=False).stdout
        names = [line.partition(" ")[2] for line in told.splitlines() if line.startswith("hostname ")]
        return socket.gethostbyname(names[0] if names else self.host)

    def _words(self, target: str) -> list[str]:
        known = home() / "known_bastions"
        options = [
            "BatchMode=yes",
            f'UserKnownHostsFile="{_literal(known)}" ~/.ssh/known_hosts',
            f"StrictHostKeyChecking={'yes' if self.strict else 'accept-new'}",
            "ServerAliveInterval=15",
            "ServerAliveCountMax=4",
            "ConnectTimeout=30",
        ]
        spoken = [piece for option in options for piece in ("-o", option)]
        return ["ssh", *spoken, "-W", target, *self._login()]

    def _login(self) -> list[str]:
        words = ["-p", str(self.port)] if self.port else []
        words += ["-l", self.user] if self.user else []
        words += ["-i", _literal(self.key_file)] if self.key_file else []
        return [*words, "--", self.host]


@dataclass(frozen=True, kw_only=True)
class SsmDialer:
    """Through AWS's Session Manager, by the aws program and its session-manager-plugin; it asks for instances by id."""

    region: str
    profile: str = ""
    target: str = ""
    children: list[subprocess.Popen[bytes]] = field(default_factory=list, compare=False, repr=False)

    def to(self, instance_id: str) -> SsmDialer:
        """The way to that instance; without one there is none."""
        return replace(self, target=instance_id)

    def dial(self, host: str, port: int, timeout: float) -> socket.socket:
        del host
        return _dial(self._words(str(port)), "AWS's Session Manager", timeout, self.children)

    def proxy_command(self) -> str:
        return _in_ssh_config(self._words("%p"), ("portNumber=%p",))

    def _words(self, port: str) -> list[str]:
        if not self.target:
            raise exception.SSHConnectionError("the Session Manager is asked for instances by their ids")
        words = ["aws", "ssm", "start-session", "--target", self.target, "--region", self.region]
        words += ["--profile", self.profile] if self.profile else []
        return [*words, "--document-name", "AWS-StartSSHSession", "--parameters", f"portNumber={port}"]


def _check_program(name: str) -> None:
    if shutil.which(name) is None:
        raise exception.CommandNotFound(
            f"SSH_PROXY needs the program '{name}', which is not on this machine",
            hint="install awscli and its session-manager-plugin" if name == "aws" else "install an OpenSSH client",
        )


def _literal(path: Path) -> str:
    """ssh takes % in a path for something else."""
    return str(path.expanduser()).replace("%", "%%")


def _in_ssh_config(words: list[str], alive: tuple[str, ...]) -> str:
    """The words as a ProxyCommand, where a % is doubled but in those that are `alive`."""
    return " ".join(word if word in alive else shlex.quote(word).replace("%", "%%") for word in words)


class _Piped(socket.socket):
    """Our end of the program's pipe; the program ends with it."""

    process: subprocess.Popen[bytes] | None = None

    def close(self) -> None:
        super().close()
        if self.process is not None:
            _end(self.process)


def _dial(words: list[str], what: str, timeout: float, children: list[subprocess.Popen[bytes]]) -> socket.socket:
    """The pipe as a socket, once the SSH server at its other end has greeted; OSError says why it did not."""
    _check_program(words[0])
    children[:] = [child for child in children if child.poll() is None]
    near, far = socket.socketpair()
    ours = _Piped(fileno=near.detach())
    with tempfile.TemporaryFile() as told, far:
        # of its own session: Ctrl-C is ours to hear
        process = subprocess.Popen(words, stdin=far.fileno(), stdout=far.fileno(), stderr=told, start_new_session=True)
        ours.process = process
        children.append(process)
        far.close()
        ours.settimeout(timeout)
        try:
            greeted = bool(ours.recv(1, socket.MSG_PEEK))
        except TimeoutError:
            ours.close()
            raise TimeoutError(f"{what}: no answer within {timeout:.0f} s{_said(told)}") from None
        if not greeted:
            _await_end(process)
            ours.close()
            raise ConnectionRefusedError(f"{what} does not get through{_said(told)}")
    return ours


def _end(process: subprocess.Popen[bytes]) -> None:
    """The program and those that it has started; aws runs its plugin as a child."""
    for deadly in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, deadly)
            _await_end(process)


def _await_end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_PATIENCE)


def _said(told: IO[bytes]) -> str:
    told.seek(0)
    lines = [line.strip() for line in told.read().decode("utf-8", "replace").splitlines() if line.strip()]
    return f": {lines[-1]}" if lines else ""

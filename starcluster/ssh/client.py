"""SSH to one node, as plugins know it: `node.ssh` with execute, remote_file, put, get and the rest.

The connection is made on first use and made anew after a loss. The node's host key is compared with what
its console told (ssh/hostkeys.py) before anything is sent.
"""

from __future__ import annotations

import contextlib
import logging
import shlex
import threading
import weakref
from typing import cast

from starcluster import exception
from starcluster.logger import log
from starcluster.ssh.dialer import Dialer, TcpDialer
from starcluster.ssh.files import RemoteFiles
from starcluster.ssh.hostkeys import HostKey, KnownHosts
from starcluster.ssh.keys import read_private_key
from starcluster.ssh.lean import paramiko
from starcluster.ssh.sftp import TellingSftp
from starcluster.ssh.streams import drain, drain_patiently, say
from starcluster.ssh.words import is_printable, lines_of, with_profile

# what paramiko has to say is in the errors that we raise; without a handler Python would print it
logging.getLogger("paramiko").addHandler(logging.NullHandler())

_NOT_LET_IN = "the cluster was launched with another key pair, or the node is still booting"
_NO_SUCH_USER = "is there such a user on the node, and is the cluster's key in its ~/.ssh/authorized_keys?"
_KEEPALIVE = 10
_SESSIONS = 8  # at once on one connection: OpenSSH's server takes ten


def _hang_up(transport: paramiko.Transport) -> None:
    """Close the connection without waiting for the transport's thread, which ends by itself then.

    This runs wherever the garbage is collected.
    """
    with contextlib.suppress(OSError, EOFError):
        transport.packetizer.close()


class SSHClient(RemoteFiles):
    def __init__(
        self,
        host: str,
        username: str | None = None,
        password: str | None = None,
        private_key: str | None = None,
        private_key_pass: str | None = None,
        port: int = 22,
        timeout: float = 30,
        *,
        dialer: Dialer | None = None,
        known: KnownHosts | None = None,
        instance_id: str = "",
        strict: bool = False,
        label: str = "",
    ) -> None:
        """`instance_id` is the name under which the host key is known; without one the host's name is.

        `label` names the node in messages.
        """
        self._label = label or host
        self._host, self._port, self._timeout = host, port, timeout
        self._username = username or "root"
        self._password, self._private_key = password, private_key
        self._private_key_pass = private_key_pass
        self._dialer = dialer or TcpDialer()
        self._known = known or KnownHosts()
        self._identity = instance_id or host
        self._strict, self._compress = strict, False
        self._transport: paramiko.Transport | None = None
        self._sftp: paramiko.SFTPClient | None = None
        self._lock = threading.RLock()
        self._sessions = threading.BoundedSemaphore(_SESSIONS)
        self._last_status: int | None = None
        self._hanging_up: weakref.finalize[..., SSHClient] | None = None

    # --- the connection

    @property
    def transport(self) -> paramiko.Transport:
        """The live connection, made if there is none."""
        with self._lock:
            if self._transport is None or not self._transport.is_active():
                self.connect()
            if self._transport is None:
                raise exception.SSHConnectionError(f"no connection to {self._host}")
            return self._transport

    @property
    def sftp(self) -> paramiko.SFTPClient:
        with self._lock:
            transport = self.transport
            if self._sftp is None or self._sftp.sock.closed:  # a plugin may have closed it
                client = paramiko.SFTPClient.from_transport(transport)
                if client is None:
                    raise exception.SSHConnectionError(f"{self._host} offers no SFTP")
                self._sftp = cast("paramiko.SFTPClient", TellingSftp(client, self._label))
            return self._sftp

    def connect(
        self,
        host: str | None = None,
        username: str | None = None,
        password: str | None = None,
        private_key: str | None = None,
        private_key_pass: str | None = None,
        port: int | None = None,
        timeout: float | None = None,
        compress: bool | None = None,
    ) -> SSHClient:
        """Connect anew; arguments that are given replace the ones from the start."""
        with self._lock:
            self.close()
            self._host, self._port = host or self._host, port or self._port
            self._username, self._password = username or self._username, password or self._password
            self._private_key = private_key or self._private_key
            self._private_key_pass = private_key_pass or self._private_key_pass
            self._timeout = timeout or self._timeout
            self._compress = self._compress if compress is None else compress
            transport = self._open()
            try:
                self._verify(transport)
                self._authenticate(transport)
            except BaseException:
                transport.close()
                raise
            transport.set_keepalive(_KEEPALIVE)
            self._transport = transport
            # its thread keeps a transport alive for ever, so a client that nobody has any more closes it
            self._hanging_up = weakref.finalize(self, _hang_up, transport)
        return self

    def _open(self) -> paramiko.Transport:
        """A transport after its key exchange."""
        try:
            sock = self._dialer.dial(self._host, self._port, self._timeout)
        except OSError as error:
            raise exception.SSHConnectionError(f"no connection to {self._host} port {self._port}: {error}") from error
        try:
            transport = paramiko.Transport(sock)
            transport.use_compression(self._compress)
            self._prefer_known_keys(transport)
            transport.banner_timeout = self._timeout
            transport.start_client(timeout=self._timeout)
        except (paramiko.SSHException, EOFError, OSError) as error:
            sock.close()
            raise exception.SSHConnectionError(f"{self._host} does not speak SSH (yet): {error}") from error
        return transport

    def _prefer_known_keys(self, transport: paramiko.Transport) -> None:
        """Ask the server for a key of a type that we can compare."""
        known = {key.kind for key in self._known.keys(self._identity)}
        options = transport.get_security_options()
        wanted = [kind for kind in options.key_types if kind in known or ("rsa" in kind and "ssh-rsa" in known)]
        if wanted:
            options.key_types = tuple(wanted)

    def _verify(self, transport: paramiko.Transport) -> None:
        """HostKeyMismatch unless the server shows the key that the console told."""
        shown = transport.get_remote_server_key()
        key = HostKey(kind=shown.get_name(), blob=shown.get_base64())
        known = self._known.keys(self._identity)
        if key in known:
            return
        if known:
            raise exception.HostKeyMismatch(
                f"{self._host} shows another host key than {self._identity} printed on its console",
                hint="somebody may be listening; nothing was sent. If the keys were changed on purpose, "
                f"remove the lines of {self._identity} from {self._known.path}",
            )
        if self._strict:
            raise exception.HostKeyMismatch(
                f"the host key of {self._identity} is not known and SSH_STRICT is on",
                hint=f"compare it yourself (ssh-keyscan {self._host}) and add it to {self._known.path}",
            )
        log.warning("the console of %s told no host keys: trusting the first one seen", self._identity)
        self._known.add(self._identity, [key])

    def _authenticate(self, transport: paramiko.Transport) -> None:
        try:
            if self._private_key:
                transport.auth_publickey(self._username, read_private_key(self._private_key))
            elif self._password is not None:
                transport.auth_password(self._username, self._password)
            else:
                raise exception.SSHNoCredentialsError(f"no key and no password to log in to {self._host}")
        except paramiko.AuthenticationException as error:
            raise exception.SSHAuthException(
                f"{self._username}@{self._host} refuses the key {self._private_key or '(password)'}",
                hint=_NOT_LET_IN if self._username == "root" else _NO_SUCH_USER,
            ) from error
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise exception.SSHConnectionError(f"the login to {self._host} broke off: {error}") from error

    def close(self) -> None:
        """Drop the connection; the next use makes a new one."""
        with self._lock:
            for thing in (self._sftp, self._transport):
                if thing is not None:
                    with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
                        thing.close()
            self._sftp = self._transport = None
            if self._hanging_up is not None:  # it would keep what is closed for as long as there is this client
                self._hanging_up.detach()

    def switch_user(self, user: str) -> None:
        """Go on as another user; stays so until switched back."""
        if user != self._username or self._transport is None:
            self.connect(username=user)

    def go_back_to(self, user: str) -> None:
        """The next use is by that user; nothing is sent now, for the node may be gone."""
        if user != self._username:
            log.debug("%s: back to %s from %s", self._label, user, self._username)
            self.close()
            self._username = user

    def get_current_user(self) -> str:
        return self._username

    # --- commands

    def execute(
        self,
        command: str,
        silent: bool = True,
        only_printable: bool = False,
        ignore_exit_status: bool = False,
        log_output: bool = True,
        detach: bool = False,
        source_profile: bool = True,
        raise_on_failure: bool = True,
    ) -> list[str] | None:
        """Run a command and return its stripped lines, stdout's first, then stderr's.

        A non-zero exit raises RemoteCommandFailed unless `ignore_exit_status` or not `raise_on_failure`.
        `detach` leaves the command running and returns None.
        """
        if detach:
            quoted = shlex.quote(with_profile(command) if source_profile else command)
            self.run(f"nohup sh -c {quoted} >/dev/null 2>&1 </dev/null &")
            self._last_status = None
            return None
        words = with_profile(command) if source_profile else command
        status, output, errors = self.run(words, echo=not silent, shown=command)
        lines = lines_of(output, errors)
        if only_printable:
            lines = ["".join(filter(is_printable, line)) for line in lines]
        if log_output:
            log.debug("%s: %s -> %d: %s", self._label, command, status, lines[-20:])
        if status:
            self._failed(command, status, lines, ignore_exit_status, raise_on_failure)
        return lines

    def _failed(self, command: str, status: int, lines: list[str], ignored: bool, raise_on_failure: bool) -> None:
        if ignored:
            log.debug("%s: (ignored) exit %d of: %s", self._label, status, command)
            return
        shown = command if len(command) <= 300 else command[:300] + " ..."
        message = f"the command '{shown}' ended with status {status} on {self._label}"
        if lines:
            message += ":\n" + "\n".join(lines[-20:])
        if raise_on_failure:
            raise exception.RemoteCommandFailed(message, command, status, "\n".join(lines))
        log.error("%s", message)

    def run(
        self, command: str, *, data: bytes = b"", echo: bool = False, timeout: float | None = None, shown: str = ""
    ) -> tuple[int, bytes, bytes]:
        """Run a command as it is: (exit status, stdout, stderr). `timeout`: seconds without a sign of life.

        `echo`: print what it prints, standard error at the end. `shown`: what messages call it.
        """
        with self._sessions:
            return self._run(command, data, echo, timeout, shown or command)

    def _run(
        self, command: str, data: bytes, echo: bool, timeout: float | None, shown: str
    ) -> tuple[int, bytes, bytes]:
        channel = self._channel()
        channel.settimeout(timeout)
        try:
            channel.exec_command(command)
            errors: list[bytes] = []
            reader = threading.Thread(target=drain_patiently, args=(channel, errors), daemon=True)
            reader.start()
            if data:
                channel.sendall(data)
            channel.shutdown_write()
            output: list[bytes] = []
            drain(channel.recv, output, echo)
            reader.join()
            if echo:
                say(b"".join(errors))
            status = channel.recv_exit_status()
        except TimeoutError as error:
            raise exception.SSHConnectionError(f"{self._label} has been silent for {timeout} seconds") from error
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise exception.SSHConnectionError(f"lost {self._label} during '{shown}': {error}") from error
        finally:
            channel.close()
        if status == -1 and not self.is_active():
            raise exception.SSHConnectionError(f"lost {self._label} during '{shown}'")
        self._last_status = status
        return status, b"".join(output), b"".join(errors)

    def script(self, text: str, *, what: str, secret: bool = False) -> list[str]:
        """Run lines of bash, the first failing one ends them; stdout's lines, or RemoteCommandFailed with `what`.

        The output of a `secret` script is kept out of the log.
        """
        whole = "set -eu\nexport LC_ALL=C\nmain() {\n:\n" + text + "\n}\nmain </dev/null\n"
        status, output, errors = self.run("exec bash -s", data=whole.encode())
        lines = output.decode("utf-8", "replace").splitlines()
        log.debug("%s: %s -> %d: %s", self._label, what, status, "(secret)" if secret else lines[-5:])
        if status:
            told = [*lines, *errors.decode("utf-8", "replace").splitlines()]
            message = "\n".join([f"{what}: status {status} on {self._label}", *told[-20:]])
            raise exception.RemoteCommandFailed(message, what, status, "\n".join(told))
        return lines

    def is_active(self) -> bool:
        """The connection stands, as far as this end knows."""
        return self._transport is not None and self._transport.is_active()

    def _channel(self) -> paramiko.Channel:
        """A new session; a connection that was lost since its last use is made anew, once."""
        for last in (False, True):
            try:
                return self.transport.open_session(timeout=self._timeout)
            except (paramiko.SSHException, EOFError, OSError) as error:
                self.close()
                if last:
                    raise exception.SSHConnectionError(f"lost {self._label}: {error}") from error
        raise exception.SSHConnectionError(f"lost {self._label}")

    def execute_async(self, command: str, source_profile: bool = True) -> None:
        """Start a command that goes on after the connection has gone; nobody hears what it prints, or how it ends."""
        self.execute(command, detach=True, source_profile=source_profile)

    def get_status(self, command: str, source_profile: bool = True) -> int:
        """The exit status of a command."""
        return self.run(with_profile(command) if source_profile else command)[0]

    def get_last_status(self) -> int | None:
        """The exit status of the last command."""
        return self._last_status

    def which(self, prog: str) -> list[str]:
        """Where a program is on the node: [path] or []."""
        return self.execute(f"command -v {shlex.quote(prog)}", ignore_exit_status=True) or []

    def has_required(self, progs: list[str]) -> bool:
        return all(self.which(prog) for prog in progs)

    def check_required(self, progs: list[str]) -> bool:
        """True, or RemoteCommandNotFound for the first program that the node has not."""
        for prog in progs:
            if not self.which(prog):
                raise exception.RemoteCommandNotFound(f"{self._label} has no program '{prog}'")
        return True

    def get_env(self) -> dict[str, str]:
        """The environment that commands see."""
        lines = self.execute("env") or []
        return dict(line.split("=", 1) for line in lines if "=" in line)

    def get_path(self) -> str:
        """Its folders with colons between, as in the environment."""
        return self.get_env().get("PATH", "")

    def get_server_public_key(self) -> paramiko.PKey:
        """The node's host key."""
        return self.transport.get_remote_server_key()

    def interactive_shell(self, user: str = "root") -> int:
        """A shell on this terminal, for machines without an ssh program; its exit status."""
        from starcluster.ssh.terminal import attach

        return attach(self._channel(), "")

    def __enter__(self) -> SSHClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


Connection = SSHClient

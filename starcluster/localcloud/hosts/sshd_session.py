"""One SSH session: a command, a login shell or SFTP, run by the user in a child of its own."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncssh

from starcluster.localcloud.hosts.sshd_accounts import FORCED, Account, login_environment
from starcluster.localcloud.hosts.sshd_children import Reaper, Streams, enter, fork, run_as
from starcluster.localcloud.hosts.sshd_gate import Passage, is_open
from starcluster.localcloud.hosts.sshd_pumps import Inlet, Outlet, open_pipe
from starcluster.localcloud.hosts.sshd_sftp import serve_sftp
from starcluster.localcloud.hosts.sshd_terminal import Size, Terminal, open_terminal, resize


class Session(asyncssh.SSHServerSession):  # type: ignore[misc]
    """What asyncssh tells about a channel, turned into a child process and its end into an exit status."""

    def __init__(self, connection: Any, account: Account, reaper: Reaper) -> None:
        self._connection = connection
        self._account = account
        self._reaper = reaper
        self._channel: Any = None
        self._command: str | None = None
        self._subsystem: str | None = None
        self._term = ""
        self._terminal: Terminal | None = None
        self._pid: int | None = None
        self._status: int | None = None
        self._inlet: Inlet | None = None
        self._outlets: set[Outlet] = set()
        self._passage: Passage | None = None

    # -- what the client asks for

    def connection_made(self, channel: Any) -> None:
        self._channel = channel

    def pty_requested(self, term_type: str, term_size: Size, term_modes: dict[int, int]) -> bool:
        try:
            self._terminal = open_terminal(self._account, term_size, term_modes)
        except OSError:
            return False
        self._term = term_type
        return True

    def shell_requested(self) -> bool:
        return True

    def exec_requested(self, command: str) -> bool:
        self._command = command
        return True

    def subsystem_requested(self, subsystem: str) -> bool:
        self._subsystem = subsystem
        return subsystem == "sftp"

    def session_started(self) -> None:
        if self._command is not None and self._terminal is None and is_open():
            address = self._connection.get_extra_info("sockname")[0]
            self._passage = Passage(self._channel, self._connection, self._command, address, self._begin)
        else:
            self._begin()

    def _begin(self) -> None:
        try:
            self._start(self._work())
        except OSError as error:
            self._channel.write_stderr(f"{error.strerror}\n".encode())
            self._channel.exit(254)
            return
        if self._passage is not None and self._inlet is not None:
            self._passage.hand_over(self._inlet)

    # -- what the client sends

    def data_received(self, data: bytes, datatype: int | None) -> None:
        if self._inlet is not None:
            self._inlet.feed(data)
        elif self._passage is not None:
            self._passage.feed(data)

    def eof_received(self) -> bool:
        """The client may stop sending and still receive. A terminal's input does not end this way."""
        if self._inlet is not None and self._terminal is None:
            self._inlet.end()
        elif self._passage is not None:
            self._passage.end()
        return True

    def terminal_size_changed(self, width: int, height: int, pixwidth: int, pixheight: int) -> None:
        if self._terminal is not None and self._outlets:
            resize(self._terminal.master, (width, height, pixwidth, pixheight))

    def signal_received(self, name: str) -> None:
        number = getattr(signal, f"SIG{name}", None)
        if number is not None and self._pid is not None and self._status is None:
            try:
                os.killpg(self._pid, number)
            except ProcessLookupError:
                pass

    def break_received(self, msec: int) -> bool:
        self.signal_received("INT")
        return True

    # -- flow control and the end

    def pause_writing(self) -> None:
        for outlet in self._outlets:
            outlet.pause()

    def resume_writing(self) -> None:
        for outlet in self._outlets:
            outlet.resume()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone. Closing the terminal hangs its session up; pipes break when they are used."""
        for outlet in self._outlets:
            outlet.close()
        self._outlets.clear()
        if self._passage is not None:
            self._passage.close()
        if self._inlet is not None:
            self._inlet.close()
        elif self._terminal is not None:
            os.close(self._terminal.master)
            os.close(self._terminal.slave)

    # -- the child

    def _work(self) -> Callable[[], int]:
        """What the child will do once forked."""
        account, environment = self._account, self._environment()
        forced = self._connection.get_key_option(FORCED)
        command = self._command if forced is None else str(forced)
        if self._subsystem is not None and forced is None:
            client = str(self._connection.get_extra_info("client_version", ""))
            return lambda: _sftp_as(account, client)
        asked = self._command or self._subsystem
        if forced is not None and asked is not None:
            environment["SSH_ORIGINAL_COMMAND"] = asked
        shell = os.path.basename(account.shell)
        argv = [f"-{shell}"] if command is None else [shell, "-c", command]
        return lambda: run_as(account, argv, account.shell, environment)

    def _environment(self) -> dict[str, str]:
        environment = login_environment(self._account)
        for name, value in self._channel.get_environment().items():
            if name == "LANG" or name.startswith("LC_"):
                environment[name] = value
        peer, peer_port = self._connection.get_extra_info("peername")[:2]
        own, own_port = self._connection.get_extra_info("sockname")[:2]
        environment["SSH_CLIENT"] = f"{peer} {peer_port} {own_port}"
        environment["SSH_CONNECTION"] = f"{peer} {peer_port} {own} {own_port}"
        if self._terminal is not None:
            environment.update(SSH_TTY=self._terminal.name, TERM=self._term or "dumb")
        agent = self._channel.get_agent_path()
        if agent:
            environment["SSH_AUTH_SOCK"] = agent
            self._give_away(Path(agent))
        return environment

    def _give_away(self, agent: Path) -> None:
        """The forwarded agent's socket was made by root; it is the user's."""
        for place in (agent, agent.parent):
            os.chown(place, self._account.uid, self._account.gid)

    def _start(self, work: Callable[[], int]) -> None:
        if self._terminal is not None:
            self._start_on_terminal(work, self._terminal)
        else:
            self._start_on_pipes(work)

    def _start_on_terminal(self, work: Callable[[], int], terminal: Terminal) -> None:
        slave = terminal.slave
        pid = fork(work, Streams(stdin=slave, stdout=slave, stderr=slave, terminal=True))
        os.close(slave)
        self._inlet = self._new_inlet(os.dup(terminal.master))
        self._add_outlet(terminal.master, self._channel.write)
        self._expect(pid)

    def _start_on_pipes(self, work: Callable[[], int]) -> None:
        stdin, out, err = open_pipe(ours=1), open_pipe(ours=0), open_pipe(ours=0)
        pid = fork(work, Streams(stdin=stdin[0], stdout=out[1], stderr=err[1]))
        for theirs in (stdin[0], out[1], err[1]):
            os.close(theirs)
        self._inlet = self._new_inlet(stdin[1])
        self._add_outlet(out[0], self._channel.write)
        self._add_outlet(err[0], self._channel.write_stderr)
        self._expect(pid)

    def _new_inlet(self, fd: int) -> Inlet:
        return Inlet(fd, self._channel.pause_reading, self._channel.resume_reading)

    def _add_outlet(self, fd: int, write: Callable[[bytes], None]) -> None:
        def ended() -> None:
            self._outlets.discard(outlet)
            self._finish()

        outlet = Outlet(fd, write if self._passage is None else self._passage.kept(write), ended)
        self._outlets.add(outlet)

    def _expect(self, pid: int) -> None:
        self._pid = pid
        self._reaper.expect(pid, self._child_ended)

    def _child_ended(self, status: int) -> None:
        self._status = status
        if self._terminal is not None:
            for outlet in list(self._outlets):
                outlet.drain()
        self._finish()

    def _finish(self) -> None:
        """Report the exit once the child is gone and all that it wrote is on its way."""
        if self._status is None or self._outlets:
            return
        if self._passage is not None and self._passage.asks_at_the_end:
            self._passage.leave(self._report)
        else:
            self._report()

    def _report(self) -> None:
        if self._status is None:
            return
        if os.WIFSIGNALED(self._status):
            number = os.WTERMSIG(self._status)
            self._channel.exit_with_signal(_signal_name(number), os.WCOREDUMP(self._status))
        else:
            self._channel.exit(os.waitstatus_to_exitcode(self._status))
        if self._inlet is not None:
            self._inlet.close()


def _sftp_as(account: Account, client: str) -> int:
    enter(account)
    return serve_sftp(client)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name.removeprefix("SIG")
    except ValueError:  # one of the real-time signals between SIGRTMIN and SIGRTMAX
        return f"RT{number}@localcloud"

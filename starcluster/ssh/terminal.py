"""A remote command on this terminal through paramiko, for machines that have no ssh program."""

from __future__ import annotations

import os
import select
import shutil
import sys
import termios
import tty
from typing import Any

from starcluster.ssh.lean import paramiko

_BLOCK = 32768


def attach(channel: paramiko.Channel, command: str, *, pseudo_tty: bool = False) -> int:
    """Tie the channel to stdin, stdout and stderr until the command (or the shell) ends; its exit status."""
    on_terminal = sys.stdin.isatty() and (pseudo_tty or not command)
    if on_terminal or pseudo_tty:
        size = shutil.get_terminal_size()
        channel.get_pty(os.environ.get("TERM", "vt100"), size.columns, size.lines)
    if command:
        channel.exec_command(command)
    else:
        channel.invoke_shell()
    saved = termios.tcgetattr(sys.stdin) if on_terminal else None
    try:
        if on_terminal:
            tty.setraw(sys.stdin.fileno())
        _pump(channel)
    finally:
        if saved is not None:
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, saved)
    return channel.recv_exit_status()


def _pump(channel: paramiko.Channel) -> None:
    """Move bytes both ways until the far end has closed its output."""
    inputs: list[Any] = [channel, sys.stdin]
    while True:
        ready = select.select(inputs, [], [])[0]
        if channel in ready and not _show(channel):
            return
        if sys.stdin in ready:
            typed = os.read(sys.stdin.fileno(), _BLOCK)
            if typed:
                channel.sendall(typed)
            else:
                channel.shutdown_write()
                inputs.remove(sys.stdin)


def _show(channel: paramiko.Channel) -> bool:
    """Print what has come; False at the end of the output."""
    if channel.recv_stderr_ready():
        os.write(2, channel.recv_stderr(_BLOCK))
        return True
    block = channel.recv(_BLOCK)
    if not block:
        return False
    os.write(1, block)
    return True

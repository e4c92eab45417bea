"""ssh -t: a real controlling terminal, with the size, the keys and the hang-up of one."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Iterator

import pytest

from tests.contract.node.standin_node import Node


class Screen:
    """ssh with a terminal of ours, as a person has it."""

    def __init__(self, node: Node, *words: str, user: str = "alice", size: tuple[int, int] = (33, 101)) -> None:
        self.master, slave = pty.openpty()
        self.resize(*size)
        self.text = ""
        self.process = subprocess.Popen(
            ["setsid", "--ctty", "--wait", *node.words("ssh", "-t", "-l", user, "node", *words)],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**os.environ, "TERM": "xterm-256color"},
        )
        os.close(slave)

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def read_until(self, *words: str, limit: float = 15) -> str:
        end = time.monotonic() + limit
        while not all(word in self.text for word in words):
            assert time.monotonic() < end, f"{words} never came: {self.text!r}"
            if select.select([self.master], [], [], 0.2)[0]:
                self.text += os.read(self.master, 65536).decode(errors="replace")
        taken, self.text = self.text, ""
        return taken

    def status(self) -> int:
        end = time.monotonic() + 15
        while self.process.poll() is None and time.monotonic() < end:
            if select.select([self.master], [], [], 0.05)[0]:
                try:
                    self.text += os.read(self.master, 65536).decode(errors="replace")
                except OSError:
                    break
        return self.process.wait(5)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.master)


@pytest.fixture
def screens(node: Node) -> Iterator[list[Screen]]:
    opened: list[Screen] = []
    yield opened
    for screen in opened:
        screen.close()


def test_the_terminal_is_the_users_and_controls_the_session(node: Node) -> None:
    look = "tty; stat -c '%U %G %a' $(tty); ps -o tpgid=,tty= -p $$; test $SSH_TTY = $(tty)"
    node.ssh("usermod -s /bin/sh alice")  # bash would take a terminal for its own that it was not given
    result = node.ssh(look, "-tt", user="alice")
    node.ssh("usermod -s /bin/bash alice")
    name, owner, control = result.stdout.decode().split("\r\n")[:3]
    assert result.returncode == 0
    assert name.startswith("/dev/pts/")
    assert owner == "alice tty 620"
    assert int(control.split()[0]) > 0
    assert control.split()[1] == name.removeprefix("/dev/")


def test_the_exit_status_comes_through_a_terminal(node: Node) -> None:
    assert node.ssh("exit 9", "-tt").returncode == 9


def test_all_output_comes_before_the_end(node: Node) -> None:
    for _ in range(10):
        assert node.ssh("seq 2000", "-tt").stdout.replace(b"\r", b"").split()[-1] == b"2000"


def test_size_and_type_are_the_clients(node: Node, screens: list[Screen]) -> None:
    screen = Screen(node, "stty size; echo $TERM", size=(41, 97))
    screens.append(screen)
    screen.read_until("41 97", "xterm-256color")
    assert screen.status() == 0


def test_a_new_size_is_told(node: Node, screens: list[Screen]) -> None:
    screen = Screen(node, "trap 'stty size; exit 0' WINCH; echo up; while :; do sleep 0.05; done")
    screens.append(screen)
    screen.read_until("up")
    screen.resize(55, 66)
    screen.read_until("55 66")


def test_without_a_command_there_is_a_login_shell(node: Node, screens: list[Screen]) -> None:
    screen = Screen(node)
    screens.append(screen)
    screen.type("shopt -q login_shell && echo log''in-$0; exit 4\n")
    screen.read_until("login--bash")
    assert screen.status() == 4


def test_control_c_interrupts_the_command(node: Node, screens: list[Screen]) -> None:
    screen = Screen(node, "trap 'echo inter''rupted; exit 3' INT; echo u''p; sleep 30")
    screens.append(screen)
    screen.read_until("up")
    screen.type("\x03")
    screen.read_until("interrupted")
    assert screen.status() == 3


def test_the_modes_of_the_clients_terminal_are_taken_over(node: Node, screens: list[Screen]) -> None:
    master, slave = pty.openpty()
    attributes = termios.tcgetattr(slave)
    attributes[6][termios.VERASE] = b"\x08"
    attributes[0] &= ~termios.IXON
    termios.tcsetattr(slave, termios.TCSANOW, attributes)
    words = ["setsid", "--ctty", "--wait", *node.words("ssh", "-t", "node", "stty -a")]
    result = subprocess.run(words, stdin=slave, capture_output=True, timeout=20, check=True)
    os.close(master)
    os.close(slave)
    assert b"erase = ^H" in result.stdout
    assert b"-ixon" in result.stdout


def test_a_client_that_goes_away_hangs_the_session_up(node: Node, screens: list[Screen]) -> None:
    script = "trap 'echo hung up > /run/hangup; exit' HUP; echo u''p; while :; do sleep 0.05; done"
    screen = Screen(node, script, user="root")
    screens.append(screen)
    screen.read_until("up")
    subprocess.run(["pkill", "-KILL", "-P", str(screen.process.pid)], check=False)
    screen.process.kill()
    node.wait_for("grep -q 'hung up' /run/hangup")


def test_no_terminal_is_left_behind(node: Node) -> None:
    node.wait_for("! ls /dev/pts | grep -q '[0-9]'")

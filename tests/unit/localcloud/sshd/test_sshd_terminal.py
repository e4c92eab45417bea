"""Terminal modes as RFC 4254 numbers them, on a real pty."""

import fcntl
import os
import struct
import termios
from collections.abc import Iterator

import pytest

from starcluster.localcloud.hosts.sshd_terminal import apply_modes, resize


@pytest.fixture
def slave() -> Iterator[int]:
    master, slave = os.openpty()
    yield slave
    os.close(master)
    os.close(slave)


def test_characters_flags_and_sizes(slave: int) -> None:
    apply_modes(slave, {3: 8, 4: 255, 38: 0, 40: 1, 53: 0, 70: 0, 91: 1})
    input_, output, control, local, _, _, characters = termios.tcgetattr(slave)
    assert characters[termios.VERASE] == b"\x08"
    assert characters[termios.VKILL] == b"\x00"
    assert not input_ & termios.IXON
    assert input_ & termios.IXOFF
    assert not local & termios.ECHO
    assert not output & termios.OPOST
    assert control & termios.CSIZE == termios.CS8


def test_unknown_opcodes_and_none_at_all_change_nothing(slave: int) -> None:
    before = termios.tcgetattr(slave)
    apply_modes(slave, {})
    apply_modes(slave, {11: 3, 199: 1, 128: 38400})
    assert termios.tcgetattr(slave) == before


def test_a_size_out_of_range_does_no_harm(slave: int) -> None:
    resize(slave, (80, 24, 640, 1 << 20))
    size = struct.unpack("HHHH", fcntl.ioctl(slave, termios.TIOCGWINSZ, b"\0" * 8))
    assert size == (24, 80, 640, 0)

"""The terminal of a session: a pty with the modes and the size that the client's own terminal has."""

import fcntl
import os
import struct
import termios
from collections.abc import Mapping
from dataclasses import dataclass

from starcluster.localcloud.hosts.sshd_accounts import Account, find_group

Size = tuple[int, int, int, int]

# RFC 4254, section 8: opcode -> what termios calls it
CHARACTERS = {
    1: termios.VINTR,
    2: termios.VQUIT,
    3: termios.VERASE,
    4: termios.VKILL,
    5: termios.VEOF,
    6: termios.VEOL,
    7: termios.VEOL2,
    8: termios.VSTART,
    9: termios.VSTOP,
    10: termios.VSUSP,
    12: termios.VREPRINT,
    13: termios.VWERASE,
    14: termios.VLNEXT,
    18: termios.VDISCARD,
}
INPUT, OUTPUT, CONTROL, LOCAL = 0, 1, 2, 3  # where termios.tcgetattr() keeps each set of flags
CHARACTER_LIST = 6
FLAGS = {
    30: (INPUT, termios.IGNPAR),
    31: (INPUT, termios.PARMRK),
    32: (INPUT, termios.INPCK),
    33: (INPUT, termios.ISTRIP),
    34: (INPUT, termios.INLCR),
    35: (INPUT, termios.IGNCR),
    36: (INPUT, termios.ICRNL),
    38: (INPUT, termios.IXON),
    39: (INPUT, termios.IXANY),
    40: (INPUT, termios.IXOFF),
    41: (INPUT, termios.IMAXBEL),
    42: (INPUT, 0o040000),  # IUTF8, which the termios module lacks
    50: (LOCAL, termios.ISIG),
    51: (LOCAL, termios.ICANON),
    53: (LOCAL, termios.ECHO),
    54: (LOCAL, termios.ECHOE),
    55: (LOCAL, termios.ECHOK),
    56: (LOCAL, termios.ECHONL),
    57: (LOCAL, termios.NOFLSH),
    58: (LOCAL, termios.TOSTOP),
    59: (LOCAL, termios.IEXTEN),
    60: (LOCAL, termios.ECHOCTL),
    61: (LOCAL, termios.ECHOKE),
    62: (LOCAL, 0o040000),  # PENDIN
    70: (OUTPUT, termios.OPOST),
    72: (OUTPUT, termios.ONLCR),
    73: (OUTPUT, termios.OCRNL),
    74: (OUTPUT, termios.ONOCR),
    75: (OUTPUT, termios.ONLRET),
    92: (CONTROL, termios.PARENB),
    93: (CONTROL, termios.PARODD),
}
SIZES = {90: termios.CS7, 91: termios.CS8}
DISABLED = 255


@dataclass(frozen=True, kw_only=True)
class Terminal:
    """Both ends of a pty and its name, /dev/pts/N."""

    master: int
    slave: int
    name: str


def open_terminal(account: Account, size: Size, modes: Mapping[int, int]) -> Terminal:
    """A new pty that belongs to the account. OSError where the node has none left."""
    master, slave = os.openpty()
    try:
        name = os.ttyname(slave)
        tty = find_group("tty")
        os.chown(name, account.uid, account.gid if tty is None else tty)
        os.chmod(name, 0o620)
        apply_modes(slave, modes)
        resize(slave, size)
        os.set_blocking(master, False)
    except OSError:
        os.close(master)
        os.close(slave)
        raise
    return Terminal(master=master, slave=slave, name=name)


def resize(fd: int, size: Size) -> None:
    """Give the terminal its size: columns, rows, and both in pixels; its foreground gets SIGWINCH."""
    columns, rows, width, height = (value & 0xFFFF for value in size)
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, width, height))


def apply_modes(fd: int, modes: Mapping[int, int]) -> None:
    """Set what the client's terminal has set; opcodes that Linux does not know are left out."""
    if not modes:
        return
    attributes = termios.tcgetattr(fd)
    for opcode, value in modes.items():
        if opcode in CHARACTERS:
            attributes[CHARACTER_LIST][CHARACTERS[opcode]] = b"\0" if value == DISABLED else bytes([value & 255])
        elif opcode in FLAGS:
            where, flag = FLAGS[opcode]
            attributes[where] = attributes[where] | flag if value else attributes[where] & ~flag
        elif opcode in SIZES and value:
            attributes[CONTROL] = attributes[CONTROL] & ~termios.CSIZE | SIZES[opcode]
    termios.tcsetattr(fd, termios.TCSANOW, attributes)

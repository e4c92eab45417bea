"""The filter's program, run by a small machine of this test's own."""

from __future__ import annotations

import errno

import pytest

from starcluster.localcloud.hosts.syscallfilter import _INSTRUCTION, program

ALLOW, REFUSE = 0x7FFF_0000, 0x0005_0000 | errno.EPERM
X86_64, I386, AARCH64 = 0xC000_003E, 0x4000_0003, 0xC000_00B7


def verdict(machine: str, convention: int, number: int) -> int:
    """What the kernel would answer to that call."""
    code = list(_INSTRUCTION.iter_unpack(program(machine)))
    data, value, at = {0: number, 4: convention}, 0, 0
    while True:
        operation, yes, no, operand = code[at]
        at += 1
        if operation == 0x20:
            value = data[operand]
        elif operation == 0x54:
            value &= operand
        elif operation == 0x15:
            at += yes if value == operand else no
        else:
            assert operation == 0x06
            return int(operand)


@pytest.mark.parametrize(
    ("machine", "convention", "number", "answer"),
    [
        ("x86_64", X86_64, 167, REFUSE),  # swapon
        ("x86_64", X86_64, 321, REFUSE),  # bpf
        ("x86_64", X86_64, 165, ALLOW),  # mount
        ("x86_64", X86_64, 0, ALLOW),  # read
        ("x86_64", X86_64, 167 | 0x4000_0000, REFUSE),  # swapon as x32 programs call it
        ("x86_64", I386, 87, REFUSE),  # swapon as 32-bit programs call it
        ("x86_64", I386, 167, ALLOW),  # another call there
        ("x86_64", AARCH64, 0, REFUSE),  # no such programs run here
        ("aarch64", AARCH64, 224, REFUSE),
        ("aarch64", AARCH64, 40, ALLOW),
        ("aarch64", 0x4000_0028, 87, REFUSE),
    ],
)
def test_the_whole_machines_calls_are_refused(machine: str, convention: int, number: int, answer: int) -> None:
    assert verdict(machine, convention, number) == answer

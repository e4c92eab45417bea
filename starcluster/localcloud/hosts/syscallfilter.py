"""A seccomp filter that keeps a node's root from what would be the whole machine's: its swap, modules, kernel, BPF.

Capabilities do not do it: swapon and bpf are CAP_SYS_ADMIN's, which nodes need for mounting.
"""

import ctypes
import errno
import platform
import struct
from collections.abc import Mapping

from starcluster.localcloud.hosts import syscalls

_PR_SET_SECCOMP = 22
_SECCOMP_MODE_FILTER = 2
_ALLOW = 0x7FFF_0000
_REFUSE = 0x0005_0000 | errno.EPERM
_LOAD, _JUMP_IF_EQUAL, _AND, _RETURN = 0x20, 0x15, 0x54, 0x06
_NUMBER_AT, _MACHINE_AT = 0, 4  # where struct seccomp_data has the call and the calling convention
_X32_BIT = 0x4000_0000
_INSTRUCTION = struct.Struct("=HBBI")

# swapon, swapoff, init_module, finit_module, delete_module, kexec_load, kexec_file_load, bpf
_X86_64 = (167, 168, 175, 313, 176, 246, 320, 321)
_AARCH64 = (224, 225, 105, 273, 106, 104, 294, 280)
_I386 = (87, 115, 128, 350, 129, 283, 357)  # kexec_file_load has no number there
_ARM = (87, 115, 128, 379, 129, 347, 401, 386)
# calls by AUDIT_ARCH: a 64-bit kernel runs 32-bit programs, too
_REFUSED: Mapping[str, Mapping[int, tuple[int, ...]]] = {
    "x86_64": {0xC000_003E: _X86_64, 0x4000_0003: _I386},
    "aarch64": {0xC000_00B7: _AARCH64, 0x4000_0028: _ARM},
}


def refuse_machine_calls() -> None:
    """From now on this thread and all its children get EPERM for these calls. Needs CAP_SYS_ADMIN."""
    code = program(platform.machine())
    text = ctypes.create_string_buffer(code, len(code))
    length = len(code) // _INSTRUCTION.size
    header = ctypes.create_string_buffer(struct.pack("@HP", length, ctypes.addressof(text)))
    syscalls.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(header))


def program(machine: str) -> bytes:
    """The filter as classic BPF: a block for each calling convention; an unknown one is refused whole."""
    code = [_INSTRUCTION.pack(_LOAD, 0, 0, _MACHINE_AT)]
    for convention, numbers in _REFUSED[machine].items():
        block = _block(numbers)
        code += [_INSTRUCTION.pack(_JUMP_IF_EQUAL, 0, len(block), convention), *block]
    code.append(_INSTRUCTION.pack(_RETURN, 0, 0, _REFUSE))
    return b"".join(code)


def _block(numbers: tuple[int, ...]) -> list[bytes]:
    block = [
        _INSTRUCTION.pack(_LOAD, 0, 0, _NUMBER_AT),
        _INSTRUCTION.pack(_AND, 0, 0, ~_X32_BIT & 0xFFFF_FFFF),
    ]
    for place, number in enumerate(numbers):
        to_refusal = len(numbers) - place
        block.append(_INSTRUCTION.pack(_JUMP_IF_EQUAL, to_refusal, 0, number))
    return [*block, _INSTRUCTION.pack(_RETURN, 0, 0, _ALLOW), _INSTRUCTION.pack(_RETURN, 0, 0, _REFUSE)]

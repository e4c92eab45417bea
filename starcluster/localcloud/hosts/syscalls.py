"""The Linux calls that Python 3.11 lacks, by ctypes: namespaces, mounts, capabilities, mount cloning.

Every function raises OSError with the call's name on failure. Numbers are given for x86_64 and aarch64; both
share the numbers of calls added after Linux 5.0 (open_tree and later).
"""

import ctypes
import os
import platform
from dataclasses import dataclass

CLONE_FS = 0x0000_0200
CLONE_NEWNS = 0x0002_0000
CLONE_NEWUTS = 0x0400_0000
CLONE_NEWIPC = 0x0800_0000
CLONE_NEWPID = 0x2000_0000
CLONE_NEWNET = 0x4000_0000

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18

MNT_DETACH = 2
AT_FDCWD = -100
OPEN_TREE_CLONE = 1
OPEN_TREE_CLOEXEC = os.O_CLOEXEC
MOVE_MOUNT_F_EMPTY_PATH = 4
AT_EMPTY_PATH = 0x1000
MOUNT_ATTR_RDONLY = 1

PR_SET_PDEATHSIG = 1
PR_SET_NAME = 15
PR_CAPBSET_READ = 23
PR_CAPBSET_DROP = 24
PR_SET_CHILD_SUBREAPER = 36

_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_CAPGET = {"x86_64": 125, "aarch64": 90}
_CAPSET = {"x86_64": 126, "aarch64": 91}
_OPEN_TREE = 428
_MOVE_MOUNT = 429
_MOUNT_SETATTR = 442
_CAPABILITY_VERSION_3 = 0x2008_0522
_U32 = 0xFFFF_FFFF

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def supported_machine() -> bool:
    """Whether the call numbers of this processor are known."""
    return platform.machine() in _PIVOT_ROOT


def _checked(result: int, call: str) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{call}: {os.strerror(code)}")
    return result


def _text(value: str | os.PathLike[str] | None) -> bytes | None:
    return None if value is None else os.fsencode(value)


def unshare(flags: int) -> None:
    """Leave the shared namespaces (or, with CLONE_FS, the shared working directory) named by `flags`."""
    _checked(_libc.unshare(flags), f"unshare({flags:#x})")


def setns(fd: int, kind: int = 0) -> None:
    """Join the namespace that `fd` refers to."""
    _checked(_libc.setns(fd, kind), "setns")


def mount(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    fstype: str | None = None,
    flags: int = 0,
    data: str | None = None,
) -> None:
    """mount(2)."""
    result = _libc.mount(_text(source), _text(target), _text(fstype), ctypes.c_ulong(flags), _text(data))
    _checked(result, f"mount {source} on {os.fspath(target)}")


def umount(target: str | os.PathLike[str], flags: int = 0) -> None:
    """umount2(2)."""
    _checked(_libc.umount2(_text(target), flags), f"umount {os.fspath(target)}")


def pivot_root(new_root: str, put_old: str) -> None:
    """Make `new_root` the root of this mount namespace, the former root visible at `put_old`."""
    number = _PIVOT_ROOT[platform.machine()]
    _checked(_libc.syscall(number, _text(new_root), _text(put_old)), "pivot_root")


def open_tree(path: str) -> int:
    """A detached copy of the mount at `path` (its submounts are not part of it), as a file descriptor."""
    flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC
    return _checked(_libc.syscall(_OPEN_TREE, AT_FDCWD, _text(path), flags), f"open_tree {path}")


def move_mount(tree: int, target: str) -> None:
    """Attach a mount got from `open_tree` at `target`."""
    result = _libc.syscall(_MOVE_MOUNT, tree, b"", AT_FDCWD, _text(target), MOVE_MOUNT_F_EMPTY_PATH)
    _checked(result, f"move_mount {target}")


def mount_setattr(tree: int, attributes: int) -> None:
    """Set attributes (MOUNT_ATTR_RDONLY) of a mount got from `open_tree`. Linux 5.12 and later."""
    words = (ctypes.c_uint64 * 4)(attributes, 0, 0, 0)
    size = ctypes.c_size_t(ctypes.sizeof(words))
    result = _libc.syscall(_MOUNT_SETATTR, tree, b"", AT_EMPTY_PATH, ctypes.byref(words), size)
    _checked(result, "mount_setattr")


def sethostname(name: str) -> None:
    """Set the host name of this UTS namespace."""
    raw = name.encode()
    _checked(_libc.sethostname(raw, len(raw)), "sethostname")


def prctl(option: int, value: int = 0, other: int = 0) -> int:
    """prctl(2) with up to two arguments."""
    unsigned = [ctypes.c_ulong(number) for number in (value, other, 0, 0)]
    return _checked(_libc.prctl(option, *unsigned), f"prctl({option})")


def set_process_name(name: str) -> None:
    """The name that ps shows (15 characters)."""
    buffer = ctypes.create_string_buffer(name.encode()[:15])
    _checked(_libc.prctl(PR_SET_NAME, buffer, 0, 0, 0), "prctl(PR_SET_NAME)")


def set_command_line(text: str) -> None:
    """What ps shows as this process's command line, cut to the room that the first one had."""
    with open("/proc/self/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].split()
    start, end = int(fields[45]), int(fields[46])
    ctypes.memmove(start, os.fsencode(text)[: end - start - 1].ljust(end - start, b"\0"), end - start)


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """The three capability sets of a thread, as bit masks."""

    effective: int
    permitted: int
    inheritable: int


def capabilities() -> Capabilities:
    """The capabilities of this thread."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    words = (ctypes.c_uint32 * 6)()
    number = _CAPGET[platform.machine()]
    _checked(_libc.syscall(number, ctypes.byref(header), ctypes.byref(words)), "capget")
    return Capabilities(
        effective=words[0] | words[3] << 32,
        permitted=words[1] | words[4] << 32,
        inheritable=words[2] | words[5] << 32,
    )


def set_capabilities(wanted: Capabilities) -> None:
    """Set the capabilities of this thread; what is no longer permitted cannot come back."""
    sets = (wanted.effective, wanted.permitted, wanted.inheritable)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    words = (ctypes.c_uint32 * 6)(*(one & _U32 for one in sets), *(one >> 32 for one in sets))
    number = _CAPSET[platform.machine()]
    _checked(_libc.syscall(number, ctypes.byref(header), ctypes.byref(words)), "capset")


def keep_capabilities(kept: int) -> None:
    """Drop every capability that is not in the mask `kept`, also from the bounding set (so from all children)."""
    for number in range(64):
        try:
            present = prctl(PR_CAPBSET_READ, number)
        except OSError:
            break
        if present and not kept >> number & 1:
            prctl(PR_CAPBSET_DROP, number)
    now = capabilities()
    set_capabilities(
        Capabilities(effective=now.effective & kept, permitted=now.permitted & kept, inheritable=now.inheritable & kept)
    )

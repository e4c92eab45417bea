"""What a local cloud could leave on this machine: seen from outside, without asking the cloud itself.

Everything of a cloud carries its folder's name, so clouds of other tests do not disturb the look.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

_GUARD = """
cat > /dev/null
found=yes
while [ -n "$found" ]; do
  found=
  for pid in $(grep -lsaF -e "$1" /proc/[0-9]*/environ /proc/[0-9]*/cmdline | cut -d/ -f3 | sort -u); do
    [ "$pid" = $$ ] || { kill -9 "$pid" 2> /dev/null && found=yes; }
  done
done
"""


class Guard:
    """Kills every process that has the folder in its environment or its command line, once this process has ended.

    However it ended: what waits for that is another process, at the other end of a pipe that the kernel closes.
    """

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            ["sh", "-c", _GUARD, "guard", str(folder)], stdin=subprocess.PIPE, env={}, start_new_session=True
        )

    def close(self) -> None:
        """Do it now, and wait until it is done."""
        self._process.communicate()


def processes_naming(folder: Path) -> dict[int, str]:
    """The processes whose command line has the folder's path in it, this one excepted."""
    found = {}
    for pid in _pids():
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in words:
            found[pid] = words
    return found


def hold_namespaces(folder: Path) -> dict[str, int]:
    """The network namespaces of the cloud's processes, the host's own left out: inode -> open descriptor.

    Held open, because the kernel gives the inode of one that has ended to the next cloud's.
    """
    own = os.readlink("/proc/self/ns/net")
    held: dict[str, int] = {}
    for pid in processes_naming(folder):
        name = _namespace(pid)
        if name not in ("", own, *held):
            try:
                held[name] = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            except OSError:
                continue
    return held


def left_of(folder: Path, held: dict[str, int]) -> list[str]:
    """Whatever of the cloud in this folder is still here; `held` is what it had while it was up, and is let go."""
    alive = {_namespace(pid) for pid in _pids()}
    for descriptor in held.values():
        os.close(descriptor)
    return [
        *(f"process {pid}: {words}" for pid, words in processes_naming(folder).items()),
        *(f"loop {line}" for line in _lines("losetup", "-a") if str(folder) in line),
        *(f"mount {line}" for line in Path("/proc/mounts").read_text().splitlines() if str(folder) in line),
        *(f"namespace {name}" for name in held.keys() & alive),
    ]


def host_links() -> set[str]:
    """The network interfaces of this machine itself."""
    return {line.split(":")[1].strip() for line in _lines("ip", "-o", "link")}


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()]


def _namespace(pid: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/ns/net")
    except OSError:
        return ""


def _lines(*words: str) -> list[str]:
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()

"""File systems on a node's block devices: made, checked, grown, held still for an instant.

ext4 and xfs are known. Both replay their journal when they are mounted after a sudden death; ext4 has a checker
that repairs what is safe to repair, xfs's own needs the journal to be replayed first, and is left to a person.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from starcluster import exception
from starcluster.cluster.nodebase import NodeBase

# e2fsck: 0 clean, 1 repaired; more needs a person
_FSCK_DONE = 1
_APT = "-o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confnew"
# the longest that a file system stands still if nobody comes back to let it go on; seconds of the node's clock
FREEZE_LIMIT = 30


@dataclass(frozen=True, kw_only=True)
class FileSystem:
    """What a kind of file system takes; `program` is part of `package`."""

    make: str
    program: str
    package: str
    label: str


KNOWN: dict[str, FileSystem] = {
    "ext4": FileSystem(
        make="mkfs.ext4 -F -E lazy_itable_init=1,lazy_journal_init=1",
        program="mkfs.ext4",
        package="e2fsprogs",
        label="-L",
    ),
    "xfs": FileSystem(make="mkfs.xfs -f", program="mkfs.xfs", package="xfsprogs", label="-L"),
}


class FileSystems(NodeBase):
    def filesystem(self, device: str) -> str:
        """The type of the file system (or other signature) on a device; "" when the device is empty."""
        lines = self.ssh.script(
            f"status=0; blkid -p -o value -s TYPE -s PTTYPE {shlex.quote(device)} || status=$?\n"
            # 2 = nothing found, 8 = several signatures, which is not empty either
            'case $status in 0|2) ;; 8) echo ambivalent ;; *) return "$status" ;; esac',
            what=f"look what is on {device}",
        )
        return lines[0] if lines else ""

    def describe_filesystem(self, device: str) -> str:
        """What blkid says of a device, for people: `ext4, label "data", uuid ...`; "" when it is empty."""
        kind = self.filesystem(device)
        if not kind:
            return ""
        lines = self.ssh.script(
            f"blkid -p -o export {shlex.quote(device)} || true", what=f"read the labels of {device}"
        )
        words = dict(line.split("=", 1) for line in lines if "=" in line)
        label = f', label "{words["LABEL"]}"' if words.get("LABEL") else ""
        uuid = f", uuid {words['UUID']}" if words.get("UUID") else ""
        return f"{kind}{label}{uuid}"

    def make_filesystem(self, device: str, kind: str = "ext4", command: str = "", *, force: bool = False) -> None:
        """Format a device; one with any signature is refused unless `force`. Installs the program where it lacks."""
        found = self.describe_filesystem(device)
        if found and not force:
            raise exception.InvalidOperation(
                f"{device} on {self.alias} is not empty: it holds {found}",
                hint="nothing was formatted; look at it first, and use --force only if that may be lost",
            )
        known = KNOWN.get(kind)
        if known is None:
            raise exception.InvalidOperation(
                f"file systems of kind '{kind}' can not be made", hint=f"the kinds are {' and '.join(KNOWN)}"
            )
        if not command:
            self.install_program(known.program, known.package)
        wipe = f"wipefs -a {shlex.quote(device)} >/dev/null\n" if found else ""
        self.ssh.script(
            f"{wipe}{command or known.make} {shlex.quote(device)} >/dev/null",
            what=f"make a file system on {device}",
        )

    def install_program(self, program: str, package: str) -> None:
        """Install what a stock image may lack; an image that has it is asked once and left alone."""
        path = "PATH=$PATH:/usr/sbin:/sbin"
        if self.ssh.script(f"{path}; command -v {program} || true", what=f"look for {program}"):
            return
        try:
            self.ssh.script(_install(package), what=f"install {package} on {self.alias}")
        except exception.RemoteCommandFailed as error:
            raise exception.RemoteCommandNotFound(
                f"{self.alias} has no program '{program}', and its package {package} could not be installed: {error}",
                hint=f"use an image that has {package}; nodes of the local cloud install packages only after"
                " `starcluster local up --packages`",
            ) from error

    def check_filesystem(self, device: str) -> None:
        """Repair what a sudden death left, as far as that is safe; more damage than that is an error.

        InvalidOperation says how to look at what could not be repaired; such a disk is not mounted for writing.
        """
        try:
            if self.filesystem(device) == "xfs":
                self._replay_xfs(device)
            else:
                self._fsck(device)
        except exception.RemoteCommandFailed as error:
            raise damaged(self.alias, device, error) from error

    def _fsck(self, device: str) -> None:
        self.ssh.script(
            f"status=0; fsck -p {shlex.quote(device)} || status=$?\n"
            f'if [ "$status" -gt {_FSCK_DONE} ]; then return "$status"; fi',
            what=f"check the file system on {device}",
        )

    def _replay_xfs(self, device: str) -> None:
        """A mount replays the journal; only then may xfs_repair be asked, by a person: it may drop files."""
        source = shlex.quote(device)
        self.ssh.script(
            f'real=$(readlink -f {source}); if grep -q "^$real " /proc/mounts; then return 0; fi\n'
            "tmp=$(mktemp -d); status=0\n"
            f'mount -t xfs {source} "$tmp" || status=$?\n'
            '[ "$status" != 0 ] || umount "$tmp" || status=$?\n'
            'rmdir "$tmp"; return "$status"',
            what=f"replay the journal of the file system on {device}",
        )

    def grow_filesystem(self, device: str, command: str = "") -> str:
        """Let a file system fill its device, mounted or not; its kind, "" for a disk without one.

        `command` replaces resize2fs. A signature that is no known file system is left alone, and its name returned.
        """
        kind = self.filesystem(device)
        if kind == "xfs":
            self.install_program("xfs_growfs", "xfsprogs")
            self._grow(_GROW_XFS.format(source=shlex.quote(device)), device)
        elif command or kind in ("ext4", "ext3", "ext2"):
            self._grow(_GROW_EXT.format(source=shlex.quote(device), grow=command or "resize2fs"), device)
        return kind

    def _grow(self, script: str, device: str) -> None:
        try:
            self.ssh.script(script, what=f"grow the file system on {device}")
        except exception.RemoteCommandFailed as error:
            hint = _NO_CAPABILITY if _NOT_ALLOWED.search(error.output) else _NOT_GROWN
            raise exception.InvalidOperation(
                f"the volume has its new size, but the file system on {device} of {self.alias} could not grow:"
                f" {_last_line(error)}",
                code="NotGrown",
                hint=hint,
            ) from error

    def freeze(self, path: str, limit: int = FREEZE_LIMIT) -> None:
        """Sync a mounted file system and hold its writers. The node lets it go on after `limit` seconds by itself.

        The watchdog begins before the freeze, in a session of its own, so that nothing but the node's own death can
        keep the file system frozen. What a run that was killed in between has left is let go first: the system freezes
        nothing twice, and it would go on only at its watchdog's time.
        """
        target = shlex.quote(path)
        self.ssh.script(
            f"if [ -f {_watchdog(path)} ]; then\n{_thaw(path)}fi\n"
            f"sync -f {target}\n"
            # its note goes with it: the number in it would be another process's some day
            f'setsid sh -c \'sleep {limit}; rm -f "$2"; fsfreeze -u "$1"\' thaw {target} {_watchdog(path)} >/dev/null'
            " 2>&1 </dev/null &\n"
            "watchdog=$!\n"
            f"fsfreeze -f {target} || {{ {_END.format(pid='$watchdog')}; return 1; }}\n"
            f"echo $watchdog > {_watchdog(path)}",
            what=f"hold the file system at {path} still",
        )

    def thaw(self, path: str) -> bool:
        """Let it go on; False when the watchdog was faster, so that it was not still for the whole time."""
        return "thawed" in self.ssh.script(_thaw(path), what=f"let the file system at {path} go on")


# what mount and the checkers say of a file system that is broken
DAMAGE = re.compile(r"needs cleaning|bad superblock|wrong fs type|can't read superblock|INCONSISTENCY", re.IGNORECASE)
# it may not have its own session yet
_END = "kill -- -{pid} 2>/dev/null || kill {pid} 2>/dev/null || true"
_LOOK = (
    "nothing was written to it. Make a snapshot before anything else (starcluster snapshotvolume), then look at it on"
    " {alias}: `fsck -n {device}` (xfs: `xfs_repair -n`) tells the damage, `mount -o ro,noload {device} /mnt` (xfs:"
    " ro,norecovery) shows the files; `fsck {device}` (xfs: `xfs_repair`) repairs, and asks"
)
_NOT_GROWN = (
    "it is whole, with its old size. Repeat the command; if that does not help, unmount it first"
    " (starcluster detachvolume) and repeat it then"
)
_NOT_ALLOWED = re.compile("Permission denied|Operation not permitted")
_NO_CAPABILITY = (
    "it is whole, with its old size. To grow while it is mounted the node needs CAP_SYS_RESOURCE, which a container"
    " under the local cloud may lack: unmount it (starcluster detachvolume) and repeat the command"
)
_GROW_EXT = """real=$(readlink -f {source})
if ! grep -q "^$real " /proc/mounts; then
status=0; e2fsck -fp "$real" || status=$?
if [ "$status" -gt 1 ]; then return "$status"; fi
fi
{grow} "$real" >/dev/null"""
_GROW_XFS = """real=$(readlink -f {source}); made=
PATH=$PATH:/usr/sbin:/sbin
path=$(awk -v device="$real" '$1 == device {{ print $2; exit }}' /proc/mounts)
if [ -z "$path" ]; then path=$(mktemp -d); made=1; mount -t xfs "$real" "$path"; fi
status=0; xfs_growfs "$path" >/dev/null || status=$?
if [ -n "$made" ]; then umount "$path"; rmdir "$path"; fi
return "$status\""""


def damaged(alias: str, device: str, error: exception.RemoteCommandFailed) -> exception.InvalidOperation:
    """What is said of a file system that only a person may repair."""
    return exception.InvalidOperation(
        f"the file system on {device} of {alias} is damaged and is not mounted: {_first_complaint(error)}",
        code="DamagedFileSystem",
        hint=_LOOK.format(alias=alias, device=device),
    )


def _first_complaint(error: exception.RemoteCommandFailed) -> str:
    """The line that tells the damage, else the last one."""
    lines = [line.strip() for line in error.output.splitlines() if DAMAGE.search(line)]
    return lines[0] if lines else _last_line(error)


def _install(package: str) -> str:
    return (
        "if command -v apt-get >/dev/null; then\nexport DEBIAN_FRONTEND=noninteractive\n"
        f"apt-get -y {_APT} update >/dev/null; apt-get -y {_APT} install {package} >/dev/null\n"
        f"else yum -d 0 -e 0 -y install {package}; fi"
    )


def _watchdog(path: str) -> str:
    """Where the watchdog's process is written down."""
    return shlex.quote("/run/starcluster-thaw" + path.replace("/", "-"))


def _thaw(path: str) -> str:
    """Lines of bash that let a file system go on and end its watchdog."""
    target, watchdog = shlex.quote(path), _watchdog(path)
    return (
        f"if fsfreeze -u {target} 2>/dev/null; then echo thawed; fi\n"
        f"if [ -f {watchdog} ]; then pid=$(cat {watchdog}); {_END.format(pid='$pid')}; rm -f {watchdog}; fi\n"
    )


def _last_line(error: exception.RemoteCommandFailed) -> str:
    lines = [line.strip() for line in error.output.splitlines() if line.strip()]
    return lines[-1] if lines else f"the check ended with status {error.exit_status}"

"""Disks of a node: EBS volumes found by their id, file systems, mounts."""

from __future__ import annotations

import re
import shlex

from starcluster import exception
from starcluster.clock import Clock, wait_until
from starcluster.cluster.filesystems import DAMAGE, FileSystems, damaged
from starcluster.cluster.nodebase import lock

_BY_ID = "/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_"
_DEVICE_LIMIT = 60.0
_DEVICE_PAUSE = 1.0
# name, first sector, sectors, type; the kernel counts sectors of 512 bytes
_EACH_PARTITION = """lsblk -nrpo NAME,TYPE | awk '$2 == "part" { print $1 }' | sort -u | while read -r part; do
in_sys=/sys/class/block/${part##*/}
echo "$part $(cat "$in_sys/start") $(cat "$in_sys/size") $(lsblk -dnro PARTTYPE "$part")"
done"""


class Disks(FileSystems):
    @property
    def clock(self) -> Clock:
        raise AttributeError("clock")

    def find_volume_device(self, volume_id: str, device: str = "", limit: float = _DEVICE_LIMIT) -> str:
        """The block device that is this EBS volume, waited for up to `limit` EC2 seconds.

        Nitro: by the volume's id, never by letter (the kernel's order changes over boots). Xen has no ids: there
        the letter of `device` (`/dev/sdf`) tells, as sdf or xvdf.
        """
        found = wait_until(
            lambda: self._volume_device(volume_id, device), limit=limit, pause=_DEVICE_PAUSE, clock=self.clock
        )
        if not found:
            raise exception.WaitTimeout(
                f"{volume_id} is attached to {self.alias}, but no disk of that id appeared in {limit:.0f} s",
                hint=f"look at the node: starcluster sshnode CLUSTER {self.alias} lsblk -o NAME,SERIAL",
            )
        return found

    def _volume_device(self, volume_id: str, device: str) -> str:
        serial = volume_id.replace("-", "")
        letter = re.sub(r"^/dev/(sd|xvd)", "", device)
        xen = f"/dev/xvd{letter} /dev/sd{letter}" if letter else ""
        lines = self.ssh.script(
            f"link={_BY_ID}{serial}\n"
            'if [ -b "$link" ]; then echo "$link"; return 0; fi\n'
            "name=$(lsblk -dnro NAME,SERIAL 2>/dev/null | "
            f"awk -v serial={shlex.quote(serial)} '$2 == serial {{ print $1; exit }}')\n"
            'if [ -n "$name" ]; then echo "/dev/$name"; return 0; fi\n'
            "[ ! -b /dev/nvme0n1 ] || return 0\n"
            f'for path in {xen or "/dev/null"}; do if [ -b "$path" ]; then echo "$path"; return 0; fi; done',
            what=f"look for the disk of {volume_id}",
        )
        return lines[0] if lines else ""

    def choose_partition(self, device: str, partition: int | None = None) -> str:
        """The part of a disk to mount: the numbered one, the only one, or the whole disk if it has none."""
        real, *parts = self.ssh.script(
            f'real=$(readlink -f {shlex.quote(device)}); echo "$real"; '
            'lsblk -nrpo NAME,TYPE "$real" | awk \'$2 == "part" { print $1 }\'',
            what=f"list the partitions of {device}",
        )
        if partition is not None:
            wanted = f"{real}p{partition}" if real[-1].isdigit() else f"{real}{partition}"
            if wanted not in parts:
                raise exception.InvalidOperation(f"{device} on {self.alias} has no partition {partition}")
            return wanted
        if len(parts) > 1:
            raise exception.InvalidOperation(
                f"{device} on {self.alias} has {len(parts)} partitions", hint="set PARTITION in its [volume] section"
            )
        return parts[0] if parts else device

    def grow_partition(self, device: str) -> None:
        """Let the partition that was chosen of a disk fill the disk; a disk without partitions is left alone."""
        disk, number = partition_of(device)
        if not number:
            return
        self.ssh.script(
            "PATH=$PATH:/usr/sbin:/sbin\n"
            # growpart ends 1 when there is nothing to grow
            f"if command -v growpart >/dev/null; then status=0; growpart {disk} {number} >/dev/null || status=$?\n"
            'if [ "$status" -gt 1 ]; then return "$status"; fi\n'
            f"else echo ', +' | sfdisk --no-reread --force -N {number} {disk} >/dev/null; fi\n"
            f"partx -u {disk}",
            what=f"grow partition {number} of {disk}",
        )

    def holders_of(self, path: str) -> list[str]:
        """The processes that keep a mounted path busy: `PID USER COMMAND`."""
        return self.ssh.script(
            f"for pid in $(fuser -m {shlex.quote(path)} 2>/dev/null); do "
            'ps -o pid=,user=,args= -p "$pid" 2>/dev/null | cut -c1-120 || true; done',
            what=f"look who holds {path}",
        )

    def get_mount_map(self) -> dict[str, list[str]]:
        """Mounted device (or NFS share) -> [path, type, options]."""
        lines = self.ssh.execute("cat /proc/mounts", source_profile=False) or []
        rows = [line.split() for line in lines if line.count(" ") >= 3]
        return {row[0]: [_unescape(row[1]), row[2], row[3]] for row in rows}

    def mounted_device(self, path: str) -> str:
        """What is mounted at a path, "" when nothing is."""
        rows = [line.split() for line in self.ssh.execute("cat /proc/mounts", source_profile=False) or []]
        on_path = [row[0] for row in rows if len(row) > 1 and _unescape(row[1]) == path.rstrip("/")]
        return on_path[-1] if on_path else ""

    def get_device_map(self) -> dict[str, int]:
        """Block device -> how many blocks of 1 KiB it has."""
        lines = self.ssh.execute("lsblk -bdnrpo NAME,SIZE", source_profile=False) or []
        return {line.split()[0]: int(line.split()[1]) // 1024 for line in lines if len(line.split()) == 2}

    def get_partition_map(self, device: str | None = None) -> dict[str, list[int | str]]:
        """Partition -> [first sector, last sector, blocks of 1 KiB, type as fdisk has it], of one device or all."""
        command = f"readlink -f {shlex.quote(device or '/')}\n{_EACH_PARTITION}"
        disk, *lines = self.ssh.execute(command, source_profile=False) or [""]
        rows = [line.split() for line in lines]
        return {
            name: [int(start), int(start) + int(sectors) - 1, int(sectors) // 2, _fdisk_type(*kind)]
            for name, start, sectors, *kind in rows
            if not device or partition_of(name)[0] == disk
        }

    def mount_device(self, device: str, path: str, options: str = "defaults,nofail") -> None:
        """Mount a device for good (fstab); a device that is mounted there already is left alone."""
        target, source = shlex.quote(path.rstrip("/")), shlex.quote(device)
        script = (
            f"{lock('fstab')}\nmkdir -p {target}\n"
            f"real=$(readlink -f {source})\n"
            f"now=$(awk -v path={target} '$2 == path {{ print $1 }}' /proc/mounts | tail -n1)\n"
            f'if [ -z "$now" ] || [ "$(readlink -f "$now")" != "$real" ]; then\n'
            f"mount -o {shlex.quote(options)} {source} {target}\nfi\n"
            # last, so that what can not be mounted is not tried at every boot
            f"{fstab_lines(path, f'{device} {path} auto {options} 0 2')}"
        )
        try:
            self.ssh.script(script, what=f"mount {device} at {path} on {self.alias}")
        except exception.RemoteCommandFailed as error:
            if DAMAGE.search(error.output):
                raise damaged(self.alias, device, error) from error
            raise

    def keep_what_is_under(self, device: str, path: str) -> None:
        """Before `device` hides `path`: copy what it does not have yet (home folders of the image's users)."""
        source, target = shlex.quote(device), shlex.quote(path.rstrip("/"))
        self.ssh.script(
            f"[ -d {target} ] || return 0\n"
            f'real=$(readlink -f {source}); if grep -q "^$real " /proc/mounts; then return 0; fi\n'
            "tmp=$(mktemp -d); "
            f'mount {source} "$tmp"\n'
            f'(cd {target} && for name in * .[!.]*; do if [ -e "$name" ] && [ ! -e "$tmp/$name" ]; then '
            'cp -a -- "$name" "$tmp/"; fi; done) || { umount "$tmp"; return 1; }\n'
            'umount "$tmp"; rmdir "$tmp"',
            what=f"keep what is in {path} on {self.alias}",
        )

    def unmount(self, path: str, *, force: bool = False) -> None:
        """Sync and unmount, and take the line out of fstab; what is not mounted is no error.

        `force` ends the processes that hold it.
        """
        target = shlex.quote(path.rstrip("/"))
        kill = (
            f"fuser -k -TERM -m {target} >/dev/null 2>&1 && sleep 1 || true\n"
            f"fuser -k -KILL -m {target} >/dev/null 2>&1 && sleep 0.2 || true\n"
        )
        self.ssh.script(
            f"{lock('fstab')}\ncd /\n"
            f"while awk -v path={target} '$2 == path {{ found = 1 }} END {{ exit !found }}' /proc/mounts; do\n"
            f"sync -f {target} || true\n{kill if force else ''}umount {target}\ndone\n"
            # last, so that what can not be unmounted is mounted again after a reboot
            f"{fstab_lines(path, '')}",
            what=f"unmount {path} on {self.alias}",
        )

    def mount_points_of(self, device: str) -> list[str]:
        """The paths at which a device, or a partition of it, is mounted."""
        return self.ssh.script(
            f"real=$(readlink -f {shlex.quote(device)})\n"
            'awk -v device="$real" \'$1 == device || $1 ~ "^" device "p?[0-9]+$" { print $2 }\' /proc/mounts',
            what=f"look where {device} is mounted",
        )


def fstab_lines(path: str, line: str) -> str:
    """Lines of bash that put `line` in the place of what fstab has for this path; "" takes it out."""
    target = shlex.quote(path.rstrip("/"))
    add = f'printf "%s\\n" {shlex.quote(line)} >> /etc/fstab.starcluster\n' if line else ""
    return (
        "touch /etc/fstab\n"
        f"awk -v path={target} '/^[ \\t]*#/ || $2 != path' /etc/fstab > /etc/fstab.starcluster\n"
        f"{add}cat /etc/fstab.starcluster > /etc/fstab; rm -f /etc/fstab.starcluster\n"
    )


def _fdisk_type(kind: str = "") -> str:
    """Two hexadecimal digits; a disk with GPT, whose types are UUIDs, counts as ee."""
    return "ee" if "-" in kind else kind.removeprefix("0x") or "83"


def partition_of(device: str) -> tuple[str, str]:
    """(disk, number) of a partition such as /dev/nvme1n1p1, /dev/xvdf1 or a -part1 link; the number is "" of a disk."""
    found = re.fullmatch(r"(/dev/disk/.+)-part(\d+)|(/dev/nvme\d+n\d+)p(\d+)|(/dev/(?:sd|xvd)[a-z]+)(\d+)", device)
    if found is None:
        return device, ""
    disk, number = (one for one in found.groups() if one is not None)
    return disk, number


def _unescape(path: str) -> str:
    """A path of /proc/mounts, where a space is \\040."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), path)


def by_id(volume_id: str) -> str:
    """The stable name of a volume's disk on Nitro."""
    return _BY_ID + volume_id.replace("-", "")

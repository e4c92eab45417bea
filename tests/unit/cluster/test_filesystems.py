"""File systems on a node: which programs are called, in which order, and what is never done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from starcluster import exception
from starcluster.clock import Clock, wait_until
from starcluster.cluster.disks import Disks, partition_of
from tests.fakes.shell import Shell

EMPTY = "exit 2"


def holds(kind: str, **words: str) -> str:
    """blkid's two answers about a device."""
    lines = "\n".join([f"TYPE={kind}", *(f"{key}={value}" for key, value in words.items())])
    return f'case "$*" in *export*) echo "{lines}" ;; *) echo {kind} ;; esac'


class Box(Disks):
    """A node with a shell and nothing else."""

    def __init__(self, shell: Shell) -> None:
        self.shell = shell

    @property
    def alias(self) -> str:
        return "bob"

    @property
    def ssh(self) -> Any:
        return self.shell


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    made = Shell(tmp_path)
    made.has("blkid", body=EMPTY)
    made.has("mkfs.ext4", "mkfs.xfs", "wipefs", "fsck", "e2fsck", "resize2fs", "xfs_growfs", "xfs_repair")
    made.has("mount", "umount", "sync", "fsfreeze", "growpart", "partx", "sfdisk")
    return made


@pytest.fixture
def box(shell: Shell) -> Box:
    return Box(shell)


@pytest.fixture
def disk(tmp_path: Path) -> str:
    path = tmp_path / "disk"
    path.touch()
    return str(path)


@pytest.mark.parametrize(
    ("kind", "call"),
    [("ext4", "mkfs.ext4 -F -E lazy_itable_init=1,lazy_journal_init=1"), ("xfs", "mkfs.xfs -f")],
)
def test_an_empty_disk_is_formatted(box: Box, shell: Shell, disk: str, kind: str, call: str) -> None:
    box.make_filesystem(disk, kind)
    assert shell.calls[-1] == f"{call} {disk}"
    assert "wipefs" not in shell.programs()


def test_what_holds_anything_is_not_formatted(box: Box, shell: Shell, disk: str) -> None:
    shell.has("blkid", body=holds("ext4", LABEL="precious", UUID="1-2"))
    with pytest.raises(exception.InvalidOperation, match='it holds ext4, label "precious", uuid 1-2') as caught:
        box.make_filesystem(disk)
    assert "--force" in caught.value.hint
    assert set(shell.programs()) == {"blkid"}
    box.make_filesystem(disk, force=True)
    assert [call.split()[0] for call in shell.calls[-2:]] == ["wipefs", "mkfs.ext4"]


def test_several_signatures_are_something_too(box: Box, shell: Shell, disk: str) -> None:
    shell.has("blkid", body="exit 8")
    with pytest.raises(exception.InvalidOperation, match="it holds ambivalent"):
        box.make_filesystem(disk)


def test_the_users_own_command_formats(box: Box, shell: Shell, disk: str) -> None:
    box.make_filesystem(disk, command="mkfs.ext4 -N 10")
    assert shell.calls[-1] == f"mkfs.ext4 -N 10 {disk}"
    with pytest.raises(exception.InvalidOperation, match="'ntfs' can not be made"):
        box.make_filesystem(disk, "ntfs")


def test_a_program_that_the_image_lacks_is_installed(box: Box, shell: Shell, disk: str) -> None:
    (shell.bin / "mkfs.xfs").unlink()
    shell.has("apt-get", body=f'case "$*" in *install*) cp {shell.bin}/mkfs.ext4 {shell.bin}/mkfs.xfs ;; esac')
    (shell.bin / "cp").symlink_to("/bin/cp")
    box.make_filesystem(disk, "xfs")
    assert next(call for call in shell.calls if "install" in call).endswith("install xfsprogs")
    assert shell.programs()[-1] == "mkfs.xfs"


def test_a_program_that_can_not_be_installed_is_told(box: Box, shell: Shell, disk: str) -> None:
    (shell.bin / "mkfs.xfs").unlink()
    shell.has("apt-get", body="echo no network >&2; exit 100")
    with pytest.raises(exception.RemoteCommandNotFound, match=r"no program 'mkfs\.xfs'") as caught:
        box.make_filesystem(disk, "xfs")
    assert "--packages" in caught.value.hint


@pytest.mark.parametrize("status", [0, 1])
def test_ext4_is_repaired_as_far_as_that_is_safe(box: Box, shell: Shell, disk: str, status: int) -> None:
    shell.has("blkid", body=holds("ext4"))
    shell.has("fsck", body=f"exit {status}")
    box.check_filesystem(disk)
    assert shell.calls[-1] == f"fsck -p {disk}"


def test_damage_beyond_that_is_left_to_a_person(box: Box, shell: Shell, disk: str) -> None:
    shell.has("blkid", body=holds("ext4"))
    shell.has("fsck", body="echo RUN fsck MANUALLY; exit 4")
    with pytest.raises(exception.InvalidOperation, match="is not mounted: RUN fsck MANUALLY") as caught:
        box.check_filesystem(disk)
    assert caught.value.code == "DamagedFileSystem"
    for word in ("snapshotvolume", f"fsck -n {disk}", f"ro,noload {disk}"):
        assert word in caught.value.hint


def test_the_journal_of_xfs_is_replayed_by_a_mount_and_nothing_repaired(box: Box, shell: Shell, disk: str) -> None:
    shell.has("blkid", body=holds("xfs"))
    box.check_filesystem(disk)
    assert [name for name in shell.programs() if name != "blkid"] == ["mount", "umount"]
    shell.has("mount", body="echo Structure needs cleaning >&2; exit 32")
    with pytest.raises(exception.InvalidOperation, match="Structure needs cleaning"):
        box.check_filesystem(disk)
    assert "xfs_repair" not in shell.programs()
    assert "fsck" not in shell.programs()


def test_ext4_that_is_not_mounted_is_checked_before_it_grows(box: Box, shell: Shell, disk: str) -> None:
    shell.has("blkid", body=holds("ext4"))
    assert box.grow_filesystem(disk) == "ext4"
    assert shell.calls[1:] == [f"e2fsck -fp {disk}", f"resize2fs {disk}"]
    shell.has("e2fsck", body="echo bad blocks; exit 4")
    with pytest.raises(exception.InvalidOperation, match="could not grow: bad blocks") as caught:
        box.grow_filesystem(disk)
    assert (caught.value.code, shell.programs()[-1]) == ("NotGrown", "e2fsck")
    assert "CAP_SYS_RESOURCE" not in caught.value.hint
    shell.has("e2fsck", body="echo 'Permission denied to resize filesystem'; exit 4")
    with pytest.raises(exception.InvalidOperation) as caught:
        box.grow_filesystem(disk)
    assert "CAP_SYS_RESOURCE" in caught.value.hint


def test_xfs_grows_while_it_is_mounted_and_is_mounted_for_that(box: Box, shell: Shell, disk: str) -> None:
    shell.has("blkid", body=holds("xfs"))
    assert box.grow_filesystem(disk) == "xfs"
    assert shell.programs()[1:] == ["mount", "xfs_growfs", "umount"]
    shell.has("xfs_growfs", body="exit 1")
    with pytest.raises(exception.InvalidOperation, match="could not grow"):
        box.grow_filesystem(disk)
    assert shell.programs()[-1] == "umount"


def test_what_is_no_known_file_system_is_left_alone(box: Box, shell: Shell, disk: str) -> None:
    shell.has("blkid", body=holds("LVM2_member"))
    assert box.grow_filesystem(disk) == "LVM2_member"
    assert set(shell.programs()) == {"blkid"}
    shell.has("mygrow")
    box.grow_filesystem(disk, "mygrow")
    assert shell.calls[-1] == f"mygrow {disk}"


def test_what_can_not_be_mounted_for_its_damage_is_told_so_and_not_tried_at_every_boot(box: Box, shell: Shell) -> None:
    shell.has("flock", "tail")
    shell.has("mount", body="echo 'mount: /x: mount(2) failed: Structure needs cleaning.' >&2; echo dmesg >&2; exit 32")
    with pytest.raises(exception.InvalidOperation, match=r"is not mounted: mount: /x: .*needs cleaning") as caught:
        box.mount_device("/dev/null", str(shell.folder / "at"))
    assert caught.value.code == "DamagedFileSystem"
    assert not (shell.folder / "fstab").exists()
    shell.has("mount", body="echo no such device >&2; exit 32")
    with pytest.raises(exception.RemoteCommandFailed):
        box.mount_device("/dev/null", str(shell.folder / "at"))
    shell.has("mount")
    box.mount_device("/dev/null", str(shell.folder / "at"))
    assert (shell.folder / "fstab").read_text() == f"/dev/null {shell.folder}/at auto defaults,nofail 0 2\n"


# -- standing still


def test_still_and_on_again(box: Box, shell: Shell) -> None:
    box.freeze("/data")
    assert shell.calls == ["sync -f /data", "fsfreeze -f /data"]
    assert box.thaw("/data")
    assert shell.calls[-1] == "fsfreeze -u /data"
    assert not list(shell.folder.glob("starcluster-thaw*"))


def test_the_node_goes_on_by_itself(box: Box, shell: Shell) -> None:
    box.freeze("/data", limit=0)
    assert wait_until(lambda: "fsfreeze -u /data" in shell.calls, limit=30, pause=0.02, clock=Clock())
    shell.has("fsfreeze", body="exit 1")
    assert not box.thaw("/data")


def test_what_a_killed_run_has_left_frozen_is_let_go_and_frozen_anew(box: Box, shell: Shell) -> None:
    box.freeze("/data", limit=60)
    left = next(shell.folder.glob("starcluster-thaw*")).read_text()
    box.freeze("/data", limit=60)
    assert shell.calls[2:] == ["fsfreeze -u /data", "sync -f /data", "fsfreeze -f /data"]
    assert next(shell.folder.glob("starcluster-thaw*")).read_text() != left
    box.thaw("/data")


def test_a_watchdog_that_has_done_its_work_leaves_no_number_behind(box: Box, shell: Shell) -> None:
    box.freeze("/data", limit=2)
    assert wait_until(lambda: "fsfreeze -u /data" in shell.calls, limit=30, pause=0.02, clock=Clock())
    assert not list(shell.folder.glob("starcluster-thaw*"))


def test_a_thaw_ends_the_watchdog(box: Box, shell: Shell) -> None:
    box.freeze("/data", limit=60)
    watchdog = int(next(shell.folder.glob("starcluster-thaw*")).read_text())
    assert Path(f"/proc/{watchdog}").exists()
    box.thaw("/data")
    gone = wait_until(lambda: not _runs(watchdog), limit=30, pause=0.02, clock=Clock())
    assert gone


def test_what_can_not_stand_still_leaves_no_watchdog(box: Box, shell: Shell) -> None:
    noted = shell.folder / "watchdog"
    shell.has("setsid", body=f'echo $$ > {noted}; exec /usr/bin/setsid "$@"')
    shell.has("fsfreeze", body=f"while [ ! -s {noted} ]; do sleep 0.01; done; exit 1")
    with pytest.raises(exception.RemoteCommandFailed):
        box.freeze("/data", limit=60)
    assert not list(shell.folder.glob("starcluster-thaw*"))
    watchdog = int(noted.read_text())
    assert wait_until(lambda: not _runs(watchdog), limit=10, pause=0.02, clock=Clock())


def _runs(pid: int) -> bool:
    """It is there, and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


# -- partitions and holders


@pytest.mark.parametrize(
    ("device", "parts"),
    [
        ("/dev/nvme1n1p2", ("/dev/nvme1n1", "2")),
        ("/dev/xvdf1", ("/dev/xvdf", "1")),
        ("/dev/sdf12", ("/dev/sdf", "12")),
        ("/dev/disk/by-id/nvme-vol1-part3", ("/dev/disk/by-id/nvme-vol1", "3")),
        ("/dev/nvme1n1", ("/dev/nvme1n1", "")),
        ("/dev/disk/by-id/nvme-Store_vol01", ("/dev/disk/by-id/nvme-Store_vol01", "")),
    ],
)
def test_a_partition_and_its_disk(device: str, parts: tuple[str, str]) -> None:
    assert partition_of(device) == parts


def test_a_partition_grows_by_growpart_or_sfdisk(box: Box, shell: Shell) -> None:
    box.grow_partition("/dev/nvme1n1")
    assert shell.calls == []
    box.grow_partition("/dev/nvme1n1p1")
    assert shell.calls == ["growpart /dev/nvme1n1 1", "partx -u /dev/nvme1n1"]
    shell.has("growpart", body="exit 1")  # nothing to grow
    box.grow_partition("/dev/nvme1n1p1")
    shell.has("growpart", body="exit 2")
    with pytest.raises(exception.RemoteCommandFailed):
        box.grow_partition("/dev/nvme1n1p1")
    (shell.bin / "growpart").unlink()
    box.grow_partition("/dev/nvme1n1p1")
    assert shell.calls[-2:] == ["sfdisk --no-reread --force -N 1 /dev/nvme1n1", "partx -u /dev/nvme1n1"]


def test_who_holds_a_path(box: Box, shell: Shell) -> None:
    shell.has("fuser", body="echo ' 12 34'")
    shell.has("ps", body='[ "$4" = 12 ] && echo "   12 root     sleep 500"')
    assert box.holders_of("/data") == ["   12 root     sleep 500"]
    shell.has("fuser", body="exit 1")
    assert box.holders_of("/data") == []

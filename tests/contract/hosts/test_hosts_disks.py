"""Volumes, snapshots, NFS, and what a sudden death takes with it."""

from __future__ import annotations

import itertools

import pytest

from starcluster.localcloud.hosts.client import HostsError

BY_ID = "/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_"
WRITE = (
    "import os; f = os.open('/home/synced', os.O_CREAT | os.O_RDWR); os.write(f, b's' * 9000); os.fsync(f); "
    "os.fsync(os.open('/home', 0)); open('/home/unsynced', 'w').write('u' * 9000)"
)
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def pair(rig) -> tuple[str, str]:
    for name in ("i-a", "i-b"):
        rig.boot(name)
    return "i-a", "i-b"


@pytest.fixture
def volume(rig):
    """A fresh volume; at the end it is taken from whoever has it."""
    name = f"vol-{next(_numbers):08x}"
    rig.hosts.create_volume(name, size_gib=1)
    yield name
    for node in ("i-a", "i-b", "i-dying", "i-server"):
        if node in rig.hosts.nodes():
            rig.hosts.detach(node, name, force=True)
    rig.hosts.delete_volume(name)


def by_id(volume: str) -> str:
    return BY_ID + volume.replace("-", "")


def test_a_volume_is_an_nvme_disk_under_its_serial_number(rig, pair, volume) -> None:
    path = rig.hosts.attach(pair[0], volume, device="/dev/sdf")
    assert path == "/dev/nvme1n1"
    assert rig.ok(pair[0], f"readlink -f {by_id(volume)}") == path
    assert rig.ok(pair[0], f"blockdev --getsize64 {path}") == str(1 << 30)
    assert sorted(rig.ok(pair[0], "lsblk -dno NAME").split()) == ["nvme0n1", "nvme1n1"]
    assert rig.hosts.attach(pair[0], volume, device="/dev/sdf") == path
    assert rig.run(pair[1], f"ls {path}").returncode != 0
    assert rig.hosts.detach(pair[0], volume, force=False)
    assert rig.run(pair[0], f"ls {path} {by_id(volume)}").returncode != 0
    assert rig.ok(pair[0], "lsblk -dno NAME") == "nvme0n1"


def test_disks_of_two_nodes_have_two_names(rig, pair, volume) -> None:
    """A share bears its disk's name on the clients: it must not be the name of a disk of theirs."""
    rig.hosts.create_volume("vol-other", size_gib=1)
    try:
        path = rig.hosts.attach(pair[0], volume, device="/dev/sdf")
        assert rig.hosts.attach(pair[1], "vol-other", device="/dev/sdf") != path
    finally:
        rig.hosts.detach(pair[1], "vol-other", force=True)
        rig.hosts.delete_volume("vol-other")


def test_data_move_with_the_volume(rig, pair, volume) -> None:
    rig.hosts.attach(pair[0], volume, device="/dev/sdf")
    rig.ok(pair[0], f"mkfs.ext4 -q {by_id(volume)} && mount {by_id(volume)} /mnt && echo data > /mnt/file")
    assert not rig.hosts.detach(pair[0], volume, force=False), "it is mounted"
    with pytest.raises(HostsError, match="attached to i-a"):
        rig.hosts.attach(pair[1], volume, device="/dev/sdf")
    with pytest.raises(HostsError, match="attached to i-a"):
        rig.hosts.delete_volume(volume)
    rig.ok(pair[0], "umount /mnt")
    assert rig.hosts.detach(pair[0], volume, force=False)
    rig.hosts.attach(pair[1], volume, device="/dev/sdf")
    assert rig.ok(pair[1], f"mount {by_id(volume)} /mnt && cat /mnt/file && umount /mnt") == "data"


def test_a_forced_detach_takes_a_mounted_volume_away(rig, pair, volume) -> None:
    rig.hosts.attach(pair[0], volume, device="/dev/sdf")
    rig.ok(pair[0], f"mkfs.ext4 -q {by_id(volume)} && mount {by_id(volume)} /mnt && echo x > /mnt/x && sync -f /mnt")
    rig.ok(pair[0], "sh -c 'cd /mnt; sleep 60 >/dev/null 2>&1 </dev/null &' ")
    assert rig.hosts.detach(pair[0], volume, force=True)
    assert rig.run(pair[0], "mountpoint -q /mnt").returncode != 0
    rig.hosts.attach(pair[1], volume, device="/dev/sdf")
    assert rig.ok(pair[1], f"mount {by_id(volume)} /mnt && cat /mnt/x && umount /mnt") == "x"


def test_a_snapshot_of_a_mounted_volume_is_whole_and_grows(rig, pair, volume) -> None:
    rig.hosts.attach(pair[0], volume, device="/dev/sdf")
    rig.ok(pair[0], f"mkfs.ext4 -q {by_id(volume)} && mount {by_id(volume)} /mnt && echo before > /mnt/file")
    rig.hosts.snapshot(volume, "snap-1")
    rig.ok(pair[0], "echo after > /mnt/file && umount /mnt")
    rig.hosts.create_volume("vol-copy", size_gib=2, snapshot_id="snap-1")
    rig.hosts.delete_snapshot("snap-1")
    path = rig.hosts.attach(pair[1], "vol-copy", device="/dev/sdg")
    rig.ok(pair[1], f"e2fsck -fp {path} && resize2fs {path}")
    rig.ok(pair[1], f"mount {path} /mnt && test $(cat /mnt/file) = before")
    assert int(rig.ok(pair[1], "df --output=size -B1M /mnt | tail -1")) > 1500
    rig.hosts.resize_volume("vol-copy", size_gib=3)
    assert rig.ok(pair[1], f"blockdev --getsize64 {path}") == str(3 << 30)
    rig.ok(pair[1], f"umount /mnt && e2fsck -fp {path} && resize2fs {path}")
    assert rig.hosts.detach(pair[1], "vol-copy", force=False)
    rig.hosts.delete_volume("vol-copy")


def test_what_cannot_be_is_refused(rig, pair, volume) -> None:
    with pytest.raises(HostsError, match="already"):
        rig.hosts.create_volume(volume, size_gib=1)
    with pytest.raises(HostsError, match="no snapshot"):
        rig.hosts.create_volume("vol-new", size_gib=1, snapshot_id="snap-none")
    with pytest.raises(HostsError, match="no volume"):
        rig.hosts.attach(pair[0], "vol-none", device="/dev/sdf")
    with pytest.raises(HostsError, match="shrink"):
        rig.hosts.resize_volume(volume, size_gib=0)
    assert not list(rig.places.volumes.glob("vol-new*"))


def test_a_volume_stays_with_a_node_that_is_rebooted_or_stopped(rig, volume) -> None:
    rig.boot("i-server")
    rig.hosts.attach("i-server", volume, device="/dev/sdf")
    rig.ok("i-server", f"mkfs.ext4 -q {by_id(volume)}")
    keep_in_fstab(rig, volume)
    rig.ok("i-server", "mount -a && echo mine > /home/file")
    rig.hosts.reboot("i-server")
    assert rig.hosts.wait_ready("i-server", timeout=30)
    assert rig.ok("i-server", "cat /home/file") == "mine"
    rig.hosts.shutdown("i-server", timeout=10)
    rig.boot("i-server")
    assert rig.ok("i-server", "cat /home/file") == "mine"
    rig.hosts.shutdown("i-server", timeout=10)


def test_sudden_death_takes_what_was_never_synced(rig, pair, volume) -> None:
    rig.boot("i-dying")
    rig.hosts.attach("i-dying", volume, device="/dev/sdf")
    rig.ok("i-dying", f"mkfs.ext4 -q {by_id(volume)} && mount {by_id(volume)} /home && sync -f /home")
    rig.ok("i-dying", "rm -f /root/unsynced; sync -f /root")
    rig.ok("i-dying", f'python3 -c "{WRITE}"; echo unsynced > /root/unsynced')
    rig.hosts.crash("i-dying")
    rig.hosts.attach(pair[0], volume, device="/dev/sdf")
    rig.ok(pair[0], f"mount {by_id(volume)} /mnt")
    assert rig.ok(pair[0], "wc -c < /mnt/synced; cat /mnt/unsynced 2>/dev/null | wc -c") == "9000\n0"
    rig.ok(pair[0], "umount /mnt")
    rig.boot("i-dying")
    assert rig.ok("i-dying", "cat /root/unsynced 2>/dev/null | wc -c") == "0"
    rig.hosts.crash("i-dying")


def test_a_death_while_booting_leaves_a_sound_disk(rig, pair) -> None:
    rig.boot("i-dying")
    for _ in range(4):
        rig.hosts.reboot("i-dying")
        rig.hosts.crash("i-dying")
        rig.boot("i-dying")
    rig.ok("i-dying", "touch /etc/x /usr/x /opt/x")
    rig.hosts.crash("i-dying")


def test_an_orderly_end_keeps_what_was_never_synced(rig, pair, volume) -> None:
    rig.boot("i-dying")
    rig.hosts.attach("i-dying", volume, device="/dev/sdf")
    rig.ok("i-dying", f"mkfs.ext4 -q {by_id(volume)} && mount {by_id(volume)} /home")
    rig.ok("i-dying", f'python3 -c "{WRITE}"; echo unsynced > /root/unsynced')
    rig.hosts.shutdown("i-dying", timeout=10)
    rig.hosts.attach(pair[0], volume, device="/dev/sdf")
    assert "clean" in rig.ok(pair[0], f"tune2fs -l {by_id(volume)} | grep 'Filesystem state'")
    rig.ok(pair[0], f"mount {by_id(volume)} /mnt")
    assert rig.ok(pair[0], "cat /mnt/unsynced | wc -c; umount /mnt") == "9000"
    rig.boot("i-dying")
    assert rig.ok("i-dying", "cat /root/unsynced") == "unsynced"
    rig.hosts.crash("i-dying")


# NFS


def serve(rig, name: str, volume: str) -> None:
    """Make a node the server of a volume at /home, known to the others as `master`."""
    address = rig.boot(name)
    rig.hosts.attach(name, volume, device="/dev/sdf")
    rig.ok(name, f"mkfs.ext4 -q {by_id(volume)} && mount {by_id(volume)} /home && mkdir /home/sub")
    rig.ok(name, "echo '/home 172.31.0.0/16(rw,async,no_root_squash)' > /etc/exports && exportfs -ra")
    for client in ("i-a", "i-b"):
        rig.ok(client, f"sed -i '/ master$/d' /etc/hosts; echo '{address} master' >> /etc/hosts")


def test_a_shared_directory_is_the_same_everywhere(rig, pair, volume) -> None:
    serve(rig, "i-server", volume)
    assert "/home 172.31.0.0/16" in rig.ok("i-a", "showmount -e master")
    rig.ok("i-a", "mount -t nfs -o vers=3,user=root,rw master:/home /home && echo a > /home/a")
    assert "/home 172.31.0.0/16" in rig.ok("i-b", "showmount -e master", user="ubuntu")
    rig.ok("i-b", f"mount -t nfs4 {rig.spec('i-server').private_ip}:/home/sub /mnt")
    assert rig.ok("i-server", "cat /home/a; echo s > /home/sub/s") == "a"
    assert rig.ok("i-b", "cat /mnt/s") == "s"
    assert "/home" in rig.ok("i-a", "mount")
    rig.ok("i-a", "umount /home && test ! -e /home/a && umount /home 2>/dev/null; true")
    rig.ok("i-b", "umount /mnt")
    rig.ok("i-server", "mkdir /home/one; printf '%s *(rw)\\n' /home/one /home/sub > /etc/exports; exportfs -ra")
    rig.ok("i-a", "mkdir -p /srv/one /srv/sub; for x in one sub; do mount -t nfs master:/home/$x /srv/$x; done")
    rig.ok("i-server", "echo '/home/sub *(rw)' > /etc/exports; exportfs -ra")
    assert rig.run("i-a", "ls /srv/one").returncode != 0, "it is exported no longer"
    assert rig.ok("i-a", "cat /srv/sub/s; umount /srv/one /srv/sub") == "s", "it is, and lies on the same disk"
    rig.hosts.shutdown("i-server", timeout=10)


def test_what_is_not_exported_is_refused(rig, pair, volume) -> None:
    serve(rig, "i-server", volume)
    for source, text in (
        ("master:/etc", "access denied by server"),
        ("master:/home/none", "No such file"),
        ("172.31.9.9:/home", "timed out"),
        ("nobody:/home", "Failed to resolve"),
        ("i-dont-serve:/home", "Connection refused"),
    ):
        rig.ok("i-a", f"sed -i '/dont/d' /etc/hosts; echo '{rig.spec('i-b').private_ip} i-dont-serve' >> /etc/hosts")
        done = rig.run("i-a", f"mount -t nfs {source} /mnt")
        assert done.returncode == 32, source
        assert text in done.stderr, source
    assert rig.run("i-a", "mount -t nfs master:/home /mnt", user="ubuntu").returncode != 0
    rig.ok("i-server", "echo '/home *(ro)' > /etc/exports && exportfs -ra")
    rig.ok("i-a", "mount -t nfs master:/home /mnt")
    assert "Read-only" in rig.run("i-a", "touch /mnt/x").stderr
    rig.ok("i-server", "touch /home/writable-here; service nfs-kernel-server stop")
    assert rig.run("i-a", "ls /mnt").returncode != 0, "it is exported no longer"
    rig.ok("i-a", "umount /mnt")
    rig.hosts.shutdown("i-server", timeout=10)


@pytest.mark.parametrize("how", ["crash", "shutdown", "poweroff"])
def test_a_mount_fails_when_its_server_dies_and_the_volume_is_free(rig, pair, volume, how) -> None:
    serve(rig, "i-server", volume)
    rig.ok("i-a", "mount -t nfs master:/home /home && echo kept > /home/kept && sync -f /home")
    rig.ok("i-a", "sh -c 'exec 3</home/kept; sleep 60 >/dev/null 2>&1 </dev/null &'")
    newest, _ = rig.hosts.wait_events(0, timeout=0)
    if how == "crash":
        rig.hosts.crash("i-server")
    elif how == "shutdown":
        rig.hosts.shutdown("i-server", timeout=10)
    else:
        rig.run("i-server", "poweroff")
        rig.hosts.wait_events(newest, timeout=30)
    for command in ("ls /home", "cat /home/kept", "touch /home/new", "stat /home"):
        assert rig.run("i-a", f"cd /; {command}").returncode != 0, command
    rig.hosts.attach("i-b", volume, device="/dev/sdf")
    assert rig.ok("i-b", f"mount {by_id(volume)} /mnt && cat /mnt/kept && umount /mnt") == "kept"
    assert rig.ok("i-a", "cd /; umount /home && ls /home") == "ubuntu"


def keep_in_fstab(rig, volume: str) -> None:
    """And no volume of another test's."""
    line = f"{by_id(volume)} /home ext4 defaults 0 2"
    rig.ok("i-server", f"sed -i '\\|{BY_ID}|d' /etc/fstab; echo '{line}' >> /etc/fstab")


def test_exports_and_fstab_come_back_with_a_reboot(rig, pair, volume) -> None:
    serve(rig, "i-server", volume)
    keep_in_fstab(rig, volume)
    rig.hosts.reboot("i-server")
    assert rig.hosts.wait_ready("i-server", timeout=30)
    rig.ok("i-a", "cd /; echo 'master:/home /home nfs vers=3,nofail 0 0' >> /etc/fstab")
    rig.ok("i-a", "cd /; mount -a && ls /home/sub && mount -a && umount /home && ! mountpoint -q /home")
    rig.ok("i-a", "sed -i /nofail/d /etc/fstab")
    rig.hosts.shutdown("i-server", timeout=10)


def end(rig, how: str) -> None:
    """The end of the server in one of the ways after which it may come back."""
    if how == "reboot":
        rig.hosts.reboot("i-server")
        return
    newest, _ = rig.hosts.wait_events(0, timeout=0)
    if how == "from inside":
        rig.run("i-server", "cp -a /etc/exports /home/unsynced; reboot")
        rig.hosts.wait_events(newest, timeout=30)
        return
    rig.hosts.shutdown("i-server", timeout=10)
    assert rig.run("i-a", "cd /; cat /home/kept").returncode != 0, "the server is away"
    if how == "stop, and another agent":
        rig.agent.kill()
        rig.agent.wait()
        rig.start_agent()
    rig.boot("i-server")


@pytest.mark.parametrize("how", ["reboot", "from inside", "stop", "stop, and another agent"])
def test_a_mount_comes_back_when_its_server_does(rig, pair, volume, how) -> None:
    serve(rig, "i-server", volume)
    keep_in_fstab(rig, volume)
    rig.ok("i-a", "mount -t nfs master:/home /home && echo kept > /home/kept")
    rig.ok("i-b", "mount -t nfs -o ro master:/home/sub /mnt")
    rig.ok("i-a", "cd /home; (sleep 60 & echo $! > /run/sleeper) >/dev/null 2>&1 </dev/null")
    end(rig, how)
    assert rig.hosts.wait_ready("i-server", timeout=30)
    assert rig.ok("i-a", "cd /; cat /home/kept && echo new > /home/sub/new") == "kept"
    assert rig.ok("i-server", "cat /home/sub/new") == "new"
    assert rig.ok("i-b", "cat /mnt/new") == "new"
    assert "Read-only" in rig.run("i-b", "touch /mnt/x").stderr
    stale = "cd / && touch /proc/$(cat /run/sleeper)/cwd/lost"
    assert rig.run("i-a", stale).returncode != 0, "what is of the server's last boot must not look alive"
    rig.ok("i-a", "cd /; kill $(cat /run/sleeper); umount /home && ! mountpoint -q /home")
    rig.ok("i-b", "umount /mnt")
    rig.hosts.shutdown("i-server", timeout=10)


def test_a_mount_comes_back_to_those_only_who_wait_and_may(rig, pair, volume) -> None:
    serve(rig, "i-server", volume)
    rig.ok("i-a", "mount -t nfs master:/home /home")
    rig.ok("i-b", "mount -t nfs master:/home /mnt")
    rig.ok("i-server", "exportfs -ua")
    for name, place in (("i-a", "/home"), ("i-b", "/mnt")):
        assert rig.run(name, f"cd /; ls {place}").returncode != 0, name
    rig.ok("i-b", "cd /; umount /mnt")
    rig.ok("i-server", f"echo '/home {rig.spec('i-b').private_ip}(rw)' > /etc/exports && exportfs -ra")
    assert rig.run("i-a", "cd /; ls /home").returncode != 0, "it may not any longer"
    assert rig.ok("i-b", "ls /mnt") == "", "it did not wait"
    rig.ok("i-server", "echo '/home *(rw)' > /etc/exports && exportfs -ra")
    assert "sub" in rig.ok("i-a", "cd /; ls /home")
    rig.ok("i-a", "cd /; umount /home && ! mountpoint -q /home")
    rig.hosts.shutdown("i-server", timeout=10)


def mounts_with_one_of(rig, node: str, numbers: set[str]) -> str:
    """The node's mounts, when it has made so many that one has got a number of these: the lowest free one is next."""
    for _ in range(40):
        more = "d=$(mktemp -d /opt/XXXX) && mount -t tmpfs none $d"
        mounts = rig.ok(node, f"for i in $(seq 25); do {more}; done; cat /proc/self/mountinfo")
        if numbers & {line.split()[2] for line in mounts.splitlines()}:
            return mounts
    raise AssertionError(f"no number of {numbers} was used again")


def test_a_client_that_was_rebooted_loses_nothing_with_its_old_server(rig, pair, volume) -> None:
    """Mounts are known by device numbers, and those of a file system that is gone are given to the next."""
    serve(rig, "i-server", volume)
    rig.boot("i-again")
    server, each = rig.spec("i-server").private_ip, "for i in 1 2 3 4 5 6 7 8; do"
    rig.ok(
        "i-server", f'{each} mkdir -p /srv/$i; mount -t tmpfs none /srv/$i; echo "/srv/$i *(rw)"; done > /etc/exports'
    )
    rig.ok("i-server", "exportfs -ra")
    rig.ok("i-again", f"{each} mkdir -p /srv/$i && mount -t nfs {server}:/srv/$i /srv/$i; done")
    numbers = set(rig.ok("i-again", "awk '$5 ~ /srv/ { print $3 }' /proc/self/mountinfo").split())
    rig.hosts.reboot("i-again")
    assert rig.hosts.wait_ready("i-again", timeout=30)
    rig.ok("i-server", "umount /srv/*")
    before = mounts_with_one_of(rig, "i-again", numbers)
    rig.hosts.shutdown("i-server", timeout=10)
    assert rig.ok("i-again", "cat /proc/self/mountinfo") == before
    rig.hosts.crash("i-again")


def test_a_root_disk_has_the_size_that_was_asked_for_and_a_copy_of_one_grows(rig) -> None:
    size = "df --output=size -B1M / | tail -1"
    rig.boot("i-root", root_gib=9)
    assert 8500 < int(rig.ok("i-root", f"echo kept > /root/file && sync && {size}")) <= 9 * 1024
    rig.hosts.snapshot_root("i-root", "snap-root")
    rig.boot("i-copy", root_gib=12, root_snapshot="snap-root")
    assert rig.ok("i-copy", "cat /root/file") == "kept"
    assert 11500 < int(rig.ok("i-copy", size)) <= 12 * 1024
    for name in ("i-root", "i-copy"):
        rig.hosts.crash(name)
        rig.hosts.forget(name)
    rig.hosts.delete_snapshot("snap-root")

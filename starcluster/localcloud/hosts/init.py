"""What a node does between its fork and its SSH server: it builds its world, leaves the host's, and gives up power.

Runs in a child of the holder that is already pid 1 of new namespaces. Nothing may be imported here after
`_leave_host`, since the node does not have our packages: the holder has loaded all of them before.

This keeps a node's work apart from the host's and makes accidents harmless. It is no wall against a root user of
the node who means harm: to mount file systems, which nodes must be able to do, is one of the kernel's great powers.
"""

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from starcluster.localcloud.hosts import cloudinit, sshd, syscallfilter, syscalls
from starcluster.localcloud.hosts.image import PYTHON, overlay_options
from starcluster.localcloud.hosts.plan import Plan, show_disk

FAILED = 111

_DEVICES = {
    "null": (1, 3, 0o666),
    "zero": (1, 5, 0o666),
    "full": (1, 7, 0o666),
    "random": (1, 8, 0o666),
    "urandom": (1, 9, 0o666),
    "tty": (5, 0, 0o666),
    "fuse": (10, 229, 0o666),
}
_DEV_LINKS = {
    "ptmx": "pts/ptmx",
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
}
_READ_ONLY = ("proc/sys", "proc/sysrq-trigger", "proc/irq", "proc/bus", "proc/fs")
_HIDDEN = ("proc/kcore", "proc/keys", "proc/timer_list", "proc/sched_debug")
_QUIET = syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC
_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "container": "starcluster-local",
}

# what an EC2 root can do that ordinary work needs; the rest (modules, clock, raw I/O, kexec, device nodes,
# file handles of the host's file systems, the kernel log, BPF) is dropped for good
_KEPT = (
    "CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST "
    "NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_CHROOT SYS_PTRACE SYS_ADMIN SYS_NICE SYS_RESOURCE LEASE AUDIT_WRITE "
    "SETFCAP"
)
# all capabilities up to SETFCAP in the kernel's order
_ALL = (
    "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE "
    "NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT "
    "SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE "
    "AUDIT_WRITE AUDIT_CONTROL SETFCAP"
)
_NUMBERS = {name: number for number, name in enumerate(_ALL.split())}
KEPT_CAPABILITIES = sum(1 << _NUMBERS[name] for name in _KEPT.split())


def run(plan: Plan, *, go_fd: int, ready_fd: int, console_fd: int) -> NoReturn:
    """Become the node. `go_fd` tells (by a byte) that the network device has been put into our namespace."""
    status = FAILED
    try:
        os.setsid()
        os.umask(0o022)
        _end_when_told()
        _take_streams(console_fd, keep=(go_fd, ready_fd))
        _build_root(plan)
        laid_over = _read_tree(plan.tree)
        _leave_host(plan.root)
        _lay_over(laid_over)
        syscalls.sethostname(plan.hostname)
        if os.read(go_fd, 1) != b"g":
            sys.exit("the agent went away while the node was starting")
        os.close(go_fd)
        # the holder has adopted us by now: whoever kills it takes its nodes along, so that nothing can be left
        syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)
        _configure_network(plan)
        syscallfilter.refuse_machine_calls()
        syscalls.keep_capabilities(KEPT_CAPABILITIES)
        syscalls.set_process_name("init")
        syscalls.set_command_line(f"/sbin/init {plan.folder}")
        os.environ.clear()
        os.environ.update(_ENVIRONMENT)
        _start_services(plan, ready_fd)
    except SystemExit as stop:
        _say(f"the node could not start: {stop.code}")
    except Exception as error:  # noqa: BLE001 - the last thing this process does is to say why
        _say(f"the node could not start: {type(error).__name__}: {error}")
    finally:
        os._exit(status)


def _start_services(plan: Plan, ready_fd: int) -> NoReturn:
    _say(f"booting {plan.hostname}, boot id {plan.boot_id}")
    _mount_fstab()
    cloudinit.run(
        plan.user_data,
        default_user=plan.default_user,
        authorized_keys=list(plan.authorized_keys),
        instance_id=plan.instance_id,
        first_boot=plan.first_boot,
        console=_say,
    )
    sshd.serve(ready_fd=ready_fd, boot_seconds=plan.boot_seconds)


def _mount_fstab() -> None:
    """Mount and share what the disk's own configuration says, as a boot does; a failure is for the console.

    Own disks first: what lies below a mount point must not be shared in the place of the disk.
    """
    if _configured("/etc/fstab"):
        subprocess.run(["mount", "-a", "-t", "nonfs,nfs4"], check=False, stdin=subprocess.DEVNULL)
    if _configured("/etc/exports"):
        subprocess.run(["exportfs", "-ra"], check=False, stdin=subprocess.DEVNULL)
    if _configured("/etc/fstab"):
        subprocess.run(["mount", "-a", "-t", "nfs,nfs4"], check=False, stdin=subprocess.DEVNULL)


def _configured(path: str) -> bool:
    try:
        lines = Path(path).read_text(errors="replace").splitlines()
    except OSError:
        return False
    return any(line.strip() and not line.lstrip().startswith("#") for line in lines)


def _end_when_told() -> None:
    """Until the SSH server has its own way: a pid 1 ignores every signal that it has no handler for."""
    for number, status in ((signal.SIGTERM, 0), (signal.SIGINT, 10), (signal.SIGUSR1, 11)):
        signal.signal(number, lambda *_, status=status: os._exit(status))


def _say(line: str) -> None:
    os.write(1, f"{line}\n".encode(errors="replace"))


def _take_streams(console_fd: int, keep: tuple[int, ...]) -> None:
    null = os.open("/dev/null", os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(console_fd, 1)
    os.dup2(console_fd, 2)
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) not in keep:
            try:
                os.close(int(name))
            except OSError:  # the descriptor that listed the directory
                continue


def _build_root(plan: Plan) -> None:
    syscalls.mount("none", "/", None, syscalls.MS_REC | syscalls.MS_PRIVATE)
    root = Path(plan.root)
    _mount_layers(plan, root)
    if plan.python is not None:
        _bind_read_only(plan.python, root / PYTHON)
    _mount_dev(root / "dev")
    _mount_run(root / "run", plan)
    _mount_sys(root / "sys")
    for disk in plan.disks:
        show_disk(root, disk)
    _mount_proc(root)
    _write_identity(root, plan)


def _mount_layers(plan: Plan, root: Path) -> None:
    for name, lower in plan.layers:
        place = Path(plan.disk) / (name.replace("/", "-") or "root")
        upper, work = place / "upper", place / "work"
        for one in (upper, work):
            one.mkdir(parents=True, exist_ok=True)
        syscalls.mount("overlay", root / name, "overlay", 0, overlay_options(lower, upper, work))
    _empty(root / "tmp")


def _empty(directory: Path) -> None:
    """Clear /tmp, as a boot does."""
    subprocess.run(["find", str(directory), "-mindepth", "1", "-delete"], check=False)


def _bind_read_only(source: str | Path, target: Path) -> None:
    syscalls.mount(source, target, None, syscalls.MS_BIND)
    flags = syscalls.MS_BIND | syscalls.MS_REMOUNT | syscalls.MS_RDONLY | syscalls.MS_NOSUID | syscalls.MS_NODEV
    syscalls.mount("none", target, None, flags)


def _mount_proc(root: Path) -> None:
    syscalls.mount("proc", root / "proc", "proc", _QUIET)
    for name in (one for one in _READ_ONLY if (root / one).exists()):
        _bind_read_only(root / name, root / name)
    own = root / "run/localcloud"
    _bind_read_only(own / "boot_id", root / "proc/sys/kernel/random/boot_id")
    _bind_read_only(own / "partitions", root / "proc/partitions")
    for name in (one for one in _HIDDEN if (root / one).exists()):
        syscalls.mount(root / "dev/null", root / name, None, syscalls.MS_BIND)


def _mount_sys(sys_directory: Path) -> None:
    """sysfs tells of the machine's disks; the node gets a list of its own in their place."""
    syscalls.mount("sysfs", sys_directory, "sysfs", syscalls.MS_RDONLY | _QUIET)
    syscalls.mount("tmpfs", sys_directory / "block", "tmpfs", _QUIET, "mode=755,size=1m")


def _mount_dev(dev: Path) -> None:
    syscalls.mount("tmpfs", dev, "tmpfs", syscalls.MS_NOSUID, "mode=755,size=4m")
    for name, (major, minor, mode) in _DEVICES.items():
        if name != "fuse" or os.path.exists("/dev/fuse"):
            os.mknod(dev / name, stat.S_IFCHR | mode, os.makedev(major, minor))
            (dev / name).chmod(mode)
    for name in ("pts", "shm", "disk/by-id", "mqueue"):
        (dev / name).mkdir(parents=True)
    options = "newinstance,ptmxmode=0666,mode=620,gid=5"
    syscalls.mount("devpts", dev / "pts", "devpts", syscalls.MS_NOSUID | syscalls.MS_NOEXEC, options)
    syscalls.mount("tmpfs", dev / "shm", "tmpfs", syscalls.MS_NOSUID | syscalls.MS_NODEV, "mode=1777")
    for name, goal in _DEV_LINKS.items():
        (dev / name).symlink_to(goal)


def _mount_run(run: Path, plan: Plan) -> None:
    syscalls.mount("tmpfs", run, "tmpfs", syscalls.MS_NOSUID | syscalls.MS_NODEV, "mode=755")
    for name in ("lock", "localcloud", "sshd"):
        (run / name).mkdir()
    (run / "lock").chmod(0o1777)
    (run / "localcloud" / "boot_id").write_text(plan.boot_id + "\n")
    helper = run / "localcloud" / "helper.sock"
    helper.touch()
    syscalls.mount(plan.helper_socket, helper, None, syscalls.MS_BIND)
    (run / "localcloud" / "gate").mkdir()
    _bind_read_only(plan.gate, run / "localcloud" / "gate")  # a socket can be dialled all the same


def _write_identity(root: Path, plan: Plan) -> None:
    (root / "etc/hostname").write_text(plan.hostname + "\n")
    hosts = root / "etc/hosts"
    if plan.first_boot or not hosts.exists():
        hosts.write_text("".join(_hosts_lines(plan)))
        (root / "etc/machine-id").write_text(plan.boot_id.replace("-", "") + "\n")


def _read_tree(tree: str) -> list[tuple[Path, bytes, int]]:
    """The files below a directory of the host: path in the node, content, mode."""
    top = Path(tree)
    found = sorted(path for path in top.rglob("*") if path.is_file()) if tree else []
    return [("/" / path.relative_to(top), path.read_bytes(), path.stat().st_mode & 0o777) for path in found]


def _lay_over(files: list[tuple[Path, bytes, int]]) -> None:
    """Put files in their places. Only inside: a link that the node's root has made must not lead to the host."""
    for path, content, mode in files:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_bytes(content)
        path.chmod(mode)


def _hosts_lines(plan: Plan) -> Iterator[str]:
    yield "127.0.0.1 localhost\n"
    yield f"{plan.address} {plan.hostname}.ec2.internal {plan.hostname}\n"


def _leave_host(root: str) -> None:
    os.chdir(root)
    os.makedirs(".host", exist_ok=True)
    syscalls.pivot_root(".", ".host")
    os.chdir("/")
    syscalls.umount("/.host", syscalls.MNT_DETACH)
    os.rmdir("/.host")


def _configure_network(plan: Plan) -> None:
    batch = (
        f"link set lo up\naddr add {plan.address}/16 dev eth0\nlink set eth0 up\n"
        f"route add 169.254.169.254 dev eth0\nroute add default via {plan.gateway}\n"
    )
    subprocess.run(["ip", "-batch", "-"], input=batch, text=True, check=True)

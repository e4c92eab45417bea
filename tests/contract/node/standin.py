"""A bare node: what runs inside one, in namespaces of its own, without the agent, disks and network of the cloud.

    unshare --mount --pid --fork --net --uts python standin.py FOLDER

FOLDER/root becomes the node's root: the machine's /usr read-only and an /etc of its own. Neither our packages
nor Python itself can be read there, and every import that is tried nevertheless is written to FOLDER/late.
FOLDER/plan.json holds the arguments of `cloudinit.run`. One byte on standard output tells that it is up.
"""

import base64
import json
import os
import subprocess
import sys
from pathlib import Path

from starcluster.localcloud.hosts import cloudinit, sshd

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ROOT = r"""
set -eu
mount --make-rprivate /
mkdir -p "$1"; mount --bind "$1" "$1"; cd "$1"
mkdir -p usr etc/ssh home tmp run var/log var/lib var/mail proc sys dev .host
mkdir -p -m 700 root
chmod 1777 tmp
mount --bind /usr usr; mount -o remount,bind,ro usr
for name in bin sbin lib lib32 lib64; do
    if [ -L /$name ]; then ln -sfn "$(readlink /$name)" $name
    elif [ -d /$name ]; then mkdir -p $name; mount --bind /$name $name; mount -o remount,bind,ro $name; fi
done
mount -t proc proc proc
mount -t tmpfs -o mode=755 run run
mount -t tmpfs -o mode=755 dev dev
for name in null zero full random urandom tty; do touch dev/$name; mount --bind /dev/$name dev/$name; done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
ln -s pts/ptmx dev/ptmx; ln -s /proc/self/fd dev/fd
ln -s fd/0 dev/stdin; ln -s fd/1 dev/stdout; ln -s fd/2 dev/stderr
if [ ! -e etc/passwd ]; then
    printf 'root:x:0:0::/root:/bin/bash\nnobody:x:65534:65534::/none:/usr/sbin/nologin\n' > etc/passwd
    printf 'root:x:0:\ntty:x:5:\nstaff:x:50:\nsudo:x:27:\n' > etc/group
    printf 'root:*:1::::::\n' > etc/shadow; chmod 600 etc/shadow
    printf 'passwd: files\ngroup: files\nhosts: files\n' > etc/nsswitch.conf
    printf '127.0.0.1 localhost\n' > etc/hosts
    cp -a /etc/ld.so.cache /etc/login.defs etc/ || true
    cp -a /etc/alternatives etc/ || true
fi
ip link set lo up
hostname standin
pivot_root . .host
"""


def _note_late_imports(folder: Path) -> None:
    late = os.open(folder / "late", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    # high, and open across the close_range of a child: an SFTP child must not import either
    os.fchmod(late, 0o666)

    def audit(event: str, args: tuple[object, ...]) -> None:
        if event == "import":
            try:
                os.write(late, f"{args[0]}\n".encode())
            except OSError:
                os.write(2, f"late import: {args[0]}\n".encode())

    sys.addaudithook(audit)


def main(folder: Path) -> None:
    sshd.preload()
    plan = json.loads((folder / "plan.json").read_text())
    ready = os.dup(1)
    os.dup2(os.open(folder / "console", os.O_WRONLY | os.O_CREAT | os.O_APPEND), 1)
    os.dup2(1, 2)
    _note_late_imports(folder)
    subprocess.run(["bash", "-c", ROOT, "standin", str(folder / "root")], check=True)
    os.chdir("/")
    subprocess.run(["umount", "-l", "/.host"], check=True)
    for path, text in cloudinit.SHIMS.items():  # /usr is read-only here
        shim = Path("/etc/shims") / Path(path).name
        shim.parent.mkdir(exist_ok=True)
        shim.write_text(text)
        shim.chmod(0o755)
    Path("/etc/environment").write_text(f"PATH={PATH}:/etc/shims\n")
    os.environ.clear()
    os.environ["PATH"] = PATH
    cloudinit.run(
        base64.b64decode(plan.pop("user_data")),
        console=lambda line: os.write(1, f"{line}\n".encode()) and None,
        **plan,
    )
    sshd.serve(ready_fd=ready)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""Small programs of a node that stand in for ones which would need a real kernel, systemd or NFS server."""

import os
import sys
from collections.abc import Mapping
from string import Template

from starcluster.localcloud.hosts.cloudinit_shims import SHIMS as CLOUD_INIT
from starcluster.localcloud.hosts.image import PYTHON

_POWER = """#!/bin/sh
# asks pid 1 to end this node in order
kill -{signal} 1
"""

_SHUTDOWN = """#!/bin/sh
# shutdown [-h|-P|-H|-r|-k|-c] [now|+m|hh:mm] [WORDS]: without a time a node of the local cloud goes down at once
signal=USR1 minutes=0 waiting=/run/localcloud/shutdown
call_off() {
    [ ! -e $waiting ] || kill -- "-$(cat $waiting)" 2>/dev/null
    rm -f $waiting
}
for word in "$@"; do
    case "$word" in
        -r|--reboot) signal=INT ;;
        -k|--help) exit 0 ;;
        -c) call_off; exit 0 ;;
        -*) ;;
        now) break ;;
        +*[!0-9]*|+) echo "shutdown: '$word' is no time" >&2; exit 1 ;;
        +*) minutes=${word#+}; break ;;
        [0-9]:[0-5][0-9]|[0-2][0-9]:[0-5][0-9])
            minutes=$(( ($(date -d "$word" +%s) - $(date +%s) + 86400) % 86400 / 60 )); break ;;
        *) break ;;
    esac
done
call_off
[ "$minutes" -gt 0 ] || { kill -$signal 1; exit; }
mkdir -p ${waiting%/*}
setsid sh -c "echo \\$\\$ > $waiting; sleep ${minutes}m; kill -$signal 1" </dev/null >/dev/null 2>&1 &
"""

_SYSTEMCTL = """#!/bin/sh
# systemctl as far as a node of the local cloud has services: NFS, SSH and the power
verb= units=
for word in "$@"; do
    case "$word" in
        -*) ;;
        *) if [ -z "$verb" ]; then verb=$word; else units="$units $word"; fi ;;
    esac
done
case "$verb" in
    poweroff|halt) exec /sbin/poweroff ;;
    reboot) exec /sbin/reboot ;;
    daemon-reload|reset-failed) exit 0 ;;
    is-system-running) echo running; exit 0 ;;
    enable|disable|unmask|mask)
        case " $* " in *" --now "*) ;; *) exit 0 ;; esac
        case "$verb" in enable|unmask) verb=start ;; *) verb=stop ;; esac ;;
    start|stop|restart|reload|status|try-restart|reload-or-restart|is-active|is-enabled) ;;
    *) echo "systemctl: nodes of the local cloud have no systemd; $verb is not supported" >&2; exit 1 ;;
esac
[ "$verb" = try-restart ] && verb=restart
[ "$verb" = reload-or-restart ] && verb=restart
[ "$verb" = is-enabled ] && { echo enabled; exit 0; }
status=0
for unit in $units; do
    service "${unit%.service}" "$verb" || status=$?
done
exit $status
"""

_SERVICE = """#!/bin/sh
# service NAME VERB: the NFS server is real here, SSH is always up, others do not exist
case "$1" in
    nfs-kernel-server|nfs-server|nfs|nfsd) ;;
    ssh|sshd|rpcbind|portmap|nfs-common|nfs-client|rpc-statd|nfs-utils)
        case "$2" in is-active) echo active ;; status) echo "$1 is running" ;; esac
        exit 0 ;;
    *) echo "$1: unrecognized service (nodes of the local cloud have no systemd, only NFS and SSH)" >&2
       [ "$2" = is-active ] && { echo inactive; exit 3; }
       exit 5 ;;
esac
case "$2" in
    start|restart|reload|force-reload) exec exportfs -ra ;;
    stop) exec exportfs -ua ;;
    status|is-active)
        if [ -e /run/localcloud/exports ]; then echo active; exit 0; fi
        echo inactive; exit 3 ;;
    *) echo "usage: service $1 start|stop|restart|reload|status" >&2; exit 2 ;;
esac
"""

_INIT_D = """#!/bin/sh
exec service {name} "$@"
"""

_NFS_CLIENT = '''
def ask(**question):
    """What the cloud answers to a question about NFS, a dict."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(60)
        sock.connect("/run/localcloud/helper.sock")
        sock.sendall(json.dumps(question).encode() + b"\\n")
        return json.loads(sock.makefile().readline())


def address(program, host):
    """The server's address, as this node's /etc/hosts has it."""
    try:
        return socket.gethostbyname(host)
    except OSError:
        sys.exit(f"{program}: Failed to resolve server {host}: Name or service not known")
'''

_MOUNT_NFS = Template(
    '''#!$python -SE
"""mount.nfs of a node: mount(8) calls it as  mount.nfs HOST:/PATH TARGET [-sfnv] [-o OPTIONS]"""
import errno, getopt, json, os, socket, subprocess, sys
$client

def main():
    flags, words = getopt.gnu_getopt(sys.argv[1:], "sfnvrwN:o:t:", ["help"])
    if len(words) != 2 or ":" not in words[0]:
        print("usage: mount.nfs HOST:/PATH TARGET [-o OPTIONS]", file=sys.stderr)
        return 1
    host, _, path = words[0].rpartition(":")
    options = ",".join(value for flag, value in flags if flag == "-o")
    if ("-r", "") in flags:
        options += ",ro"
    try:
        server = address("mount.nfs", host)
    except SystemExit as error:
        print(error, file=sys.stderr)
        return 32
    target = os.path.realpath(words[1])
    try:
        os.stat(target)
    except OSError as error:
        if error.errno == errno.ENOTCONN:  # what a dead server has left
            subprocess.run(["umount", target], check=False)
    if not os.path.isdir(target):
        print(f"mount.nfs: mount point {words[1]} does not exist", file=sys.stderr)
        return 32
    if ("-f", "") in flags:
        return 0
    try:
        answer = ask(op="mount", server=server, path=path, target=target, options=options, source=words[0])
    except (OSError, ValueError) as error:
        answer = {"error": f"the cloud does not answer: {error}"}
    if "error" in answer:
        print(f"mount.nfs: {answer['error']}", file=sys.stderr)
        return 32
    return 0


sys.exit(main())
'''
)

_EXPORTFS = Template(
    '''#!$python -SE
"""exportfs of a node: -a -r -u -i -v -f -o OPTIONS [HOST:/PATH ...]; the table lies in /run/localcloud/exports."""
import getopt, glob, json, os, socket, sys
$client
TABLE = "/run/localcloud/exports"
SOURCES = ["/etc/exports", *sorted(glob.glob("/etc/exports.d/*.exports"))]


def read(path):
    try:
        with open(path) as file:
            return file.read()
    except FileNotFoundError:
        return ""


def configured():
    return "".join(read(path).rstrip("\\n") + "\\n" for path in SOURCES)


def single(word, options):
    host, _, path = word.partition(":")
    if not path.startswith("/"):
        sys.exit(f"exportfs: Invalid export syntax: {word}")
    return f"{path} {host or '*'}({options or 'ro'})"


def without(table, word):
    host, _, path = word.partition(":")
    kept = []
    for line in table.splitlines():
        words = line.split()
        if words and words[0] == path:
            words[1:] = [one for one in words[1:] if one.split("(")[0] != (host or "*")]
            line = " ".join(words) if len(words) > 1 else ""
        kept.append(line)
    return "\\n".join(kept) + "\\n"


def main():
    pairs, words = getopt.gnu_getopt(sys.argv[1:], "aruivfso:d:")
    flags = {flag for flag, _ in pairs}
    options = next((value for flag, value in pairs if flag == "-o"), "")
    table = read(TABLE)
    if not flags - {"-v", "-s"} and not words:
        print("\\n".join(line for line in table.splitlines() if line.strip() and not line.startswith("#")))
        return
    if "-u" in flags:
        for word in words:
            table = without(table, word)
        table = None if "-a" in flags else table
    else:
        if flags & {"-a", "-r"}:
            table = "" if "-i" in flags else configured()
        for word in words:
            table = without(table, word) + single(word, options) + "\\n"
    if table is None:
        if os.path.exists(TABLE):
            os.unlink(TABLE)
    else:
        with open(TABLE + ".new", "w") as file:
            file.write(table)
        os.rename(TABLE + ".new", TABLE)
    answer = ask(op="exports_changed")
    for complaint in answer.get("complaints", ()):
        print(f"exportfs: {complaint}", file=sys.stderr)
    if answer.get("complaints"):
        sys.exit(1)


main()
'''
)

_SHOWMOUNT = Template(
    '''#!$python -SE
"""showmount of a node: what a server exports (-e, the default here)"""
import json, socket, sys
$client
words = [word for word in sys.argv[1:] if not word.startswith("-")]
host = words[0] if words else socket.gethostname()
answer = ask(op="list", server=address("showmount", host))
if "error" in answer:
    sys.exit(f"clnt_create: RPC: {answer['error']}")
if "--no-headers" not in sys.argv:
    print(f"Export list for {host}:")
for path, clients in answer["exports"]:
    print(f"{path} {','.join(clients)}")
'''
)


def _interpreter(python: str | None) -> str:
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    base = f"/{PYTHON}" if python is not None else os.path.realpath(sys.base_prefix)
    return f"{base}/bin/{version}"


def texts(python: str | None) -> Mapping[str, str]:
    """Absolute path -> text of every shim. `python` says that the image shows a Python of its own."""
    fill = {"python": _interpreter(python), "client": _NFS_CLIENT}
    nfs = _MOUNT_NFS.substitute(fill)
    power = _POWER.format(signal="USR1")
    return {
        "/sbin/poweroff": power,
        "/sbin/halt": power,
        "/sbin/reboot": _POWER.format(signal="INT"),
        "/sbin/shutdown": _SHUTDOWN,
        "/bin/systemctl": _SYSTEMCTL,
        "/usr/sbin/service": _SERVICE,
        "/etc/init.d/nfs-kernel-server": _INIT_D.format(name="nfs-kernel-server"),
        "/etc/init.d/portmap": _INIT_D.format(name="portmap"),
        "/etc/init.d/rpcbind": _INIT_D.format(name="rpcbind"),
        "/sbin/mount.nfs": nfs,
        "/sbin/mount.nfs4": nfs,
        "/usr/sbin/exportfs": _EXPORTFS.substitute(fill),
        "/usr/sbin/showmount": _SHOWMOUNT.substitute(fill),
        **CLOUD_INIT,
    }

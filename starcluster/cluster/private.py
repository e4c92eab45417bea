"""What of a node must not come into an image of it, and how it is kept out while the node goes on.

It is moved into memory (/run), put back as soon as EC2 has begun the snapshots, and put back by the node itself should
we not come back. So nobody's files are lost, and no secret is in the image.
"""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from starcluster import exception
from starcluster.logger import log

if TYPE_CHECKING:
    from starcluster.cluster.node import Node

LIMIT = 600  # seconds after which the node puts everything back by itself
_STASH = "/run/starcluster-image"

KEYS = "SSH keys, and what tells machines apart"
SECRETS = "credentials, shell histories, user data, logs of logins"
CLUSTER = "the cluster's mounts, exports and names of nodes, and our agent's state"
HIDDEN = {
    KEYS: ("/root/.ssh", "/home/*/.ssh", "/etc/ssh/ssh_host_*", "/etc/machine-id"),
    SECRETS: (
        *("/root/.aws", "/home/*/.aws", "/root/.*_history", "/home/*/.*_history", "/root/.lesshst"),
        *("/var/lib/cloud/instance", "/var/lib/cloud/instances", "/var/log/cloud-init*.log"),
        *("/var/log/auth.log*", "/var/log/secure*", "/var/log/wtmp*", "/var/log/btmp*", "/var/log/lastlog"),
    ),
    CLUSTER: ("/etc/fstab", "/etc/exports", "/etc/hosts", "/etc/starcluster", "/var/lib/starcluster"),
}
"""Patterns of what is kept out, by what it is; of /home no more than this, where it is on the root disk."""

# of a log that is open for writing only the content goes, for its writer would go on in a file that nobody sees;
# lastlog is sparse, and grows to gigabytes where it is copied by its content
_LOGS = "/var/log/*"
# what the image has in their place: mounts of the system's own disk, and no names but this machine's
_FSTAB = r'/^[ \t]*#/ || NF == 0 || $2 == "/" || $2 ~ /^\/boot/ || $3 == "swap"'
_HOSTS = r"/^[ \t]*#/ || NF == 0 || $1 ~ /^127\./ || $1 ~ /:/ || !($1 in ours)"

_BACK = r"""set -u
mv {stash} {stash}.going 2>/dev/null || {{ echo late; exit 0; }}
cd {stash}.going
if [ -e hidden.tar ]; then tar -xpf hidden.tar -C /; fi
if [ -d logs ]; then
  (cd logs; find . -type f) | while read -r name; do
    cat "/${{name#./}}" >> "logs/$name" 2>/dev/null; cat "logs/$name" > "/${{name#./}}"
  done
fi
watchdog=$(cat watchdog 2>/dev/null)
cd /; rm -rf {stash}.going
echo back
if [ -n "$watchdog" ] && [ "${{1:-}}" != watchdog ]; then kill -- "-$watchdog" 2>/dev/null; fi
exit 0
"""
_HIDE = r"""stash={stash}
if [ "$(stat -f -c %T /run)" != tmpfs ]; then echo "/run is not in memory: secrets can not be put there"; return 1; fi
if [ -e $stash/back ]; then sh $stash/back; fi
rm -rf $stash $stash.going; mkdir -m 700 $stash
printf '%s' {back} > $stash/back
setsid sh -c 'sleep {limit}; exec sh {stash}/back watchdog' >/dev/null 2>&1 </dev/null &
echo $! > $stash/watchdog
shopt -s nullglob
root=$(stat -c %d /)
names=()
for path in {patterns}; do
  if [ ! -e "$path" ] && [ ! -L "$path" ]; then continue; fi
  # what is on another disk, or comes from another machine, is in no image of this root disk
  # (an overlay tells that of folders only)
  where=$path; if [ ! -d "$path" ] || [ -L "$path" ]; then where=${{path%/*}}; fi
  if [ "$(stat -c %d "$where/" 2>/dev/null)" = "$root" ]; then names+=("${{path#/}}"); fi
done
hidden=(); logs=()
for name in ${{names[@]+"${{names[@]}}"}}; do
  case "/$name" in /var/log/lastlog) hidden+=("$name");; {log_pattern}) logs+=("$name");; *) hidden+=("$name");; esac
done
cd /
mkdir $stash/logs
for name in ${{logs[@]+"${{logs[@]}}"}}; do cp -p --parents --sparse=always "$name" $stash/logs/; done
tar -cSpf $stash/hidden.tar ${{hidden[@]+"${{hidden[@]}}"}} --files-from /dev/null
for name in ${{logs[@]+"${{logs[@]}}"}}; do : > "$name"; echo "/$name"; done
for name in ${{hidden[@]+"${{hidden[@]}}"}}; do
  case $name in
    etc/machine-id) : > $name;;
    etc/fstab) awk {fstab} $name > $stash/new; cat $stash/new > $name;;
    etc/hosts) awk -v list={addresses} {hosts} $name > $stash/new; cat $stash/new > $name;;
    *) rm -rf -- "$name";;
  esac
  echo "/$name"
done
rm -f $stash/new
sync"""
_AGENT = "if [ -e /run/starcluster/agent.lock ] && ! flock -n /run/starcluster/agent.lock true; then echo runs; fi"


def check_free(node: Node) -> None:
    """ConflictError for a node that a driver keeps alive: its agent writes what must not be moved away."""
    if node.ssh.script(_AGENT, what="look for an agent"):
        raise exception.ConflictError(
            f"{node.alias} ({node.id}) is kept alive by a driver: its agent's state would come into the image",
            hint="make the image of another node: starcluster addnode makes one",
        )


@contextlib.contextmanager
def kept_out(node: Node, addresses: Sequence[str]) -> Iterator[None]:
    """Within it nothing private is on the node's root disk. `addresses`: of the nodes whose names go from /etc/hosts.

    ConflictError at the end when the node has put everything back before: what was made then may hold it.
    """
    try:
        hidden = node.ssh.script(hide_script(addresses), what="keep what is private out of the image")
        log.debug("kept out: %s", hidden)
        yield
    except BaseException:
        with contextlib.suppress(exception.SSHError):
            put_back(node)
        raise
    if not put_back(node):
        raise exception.ConflictError(
            f"EC2 took longer than {LIMIT} seconds: {node.alias} has put its keys back before the image was made"
        )


def put_back(node: Node) -> bool:
    """Put everything back; False when the node had done so by itself."""
    script = f"if [ -e {_STASH}/back ]; then sh {_STASH}/back; else echo late; fi"
    return "back" in node.ssh.script(script, what="put back what was kept out of the image")


def hide_script(addresses: Sequence[str], limit: int = LIMIT) -> str:
    """The lines of bash that move everything private into memory; they print what they moved."""
    return _HIDE.format(
        stash=_STASH,
        back=shlex.quote(_BACK.format(stash=_STASH)),
        limit=limit,
        patterns=" ".join(pattern for patterns in HIDDEN.values() for pattern in patterns),
        log_pattern=_LOGS,
        fstab=shlex.quote(_FSTAB),
        addresses=shlex.quote(" ".join(addresses)),
        hosts=shlex.quote('BEGIN { split(list, all, " "); for (at in all) ours[all[at]] = 1 }\n' + _HOSTS),
    )

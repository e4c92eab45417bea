"""A bucket mounted at a path of a node, by a FUSE client that nobody here wrote.

Facts: Mountpoint's doc/CONFIGURATION.md and doc/SEMANTICS.md; s3fs(1). s3fs 1.90 asks for the role's name without a
token, which an instance that wants IMDSv2 refuses, so the name is looked up for it.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starcluster import exception
from starcluster.cluster.nodebase import lock
from starcluster.logger import log

if TYPE_CHECKING:
    from starcluster.cluster.node import Node

MOUNT_S3, S3FS = "mount-s3", "s3fs"
CLIENTS = (MOUNT_S3, S3FS)
_NOTES = "/run/starcluster/buckets"
_LOGS = "/var/log/starcluster"
_RELEASES = "https://s3.amazonaws.com/mountpoint-s3-release/latest"
_INSTALL_LIMIT = 600.0
_THERE_LIMIT = 15  # seconds from the client's start to a folder that can be listed
_ENDPOINT = "AWS_ENDPOINT_URL_S3"
_HIDES, _NO_ROLE = 5, 6
_THERE = "there already"

_ROLE = """python3 - <<'END' || true
from urllib.request import Request, urlopen
base = "http://169.254.169.254/latest/"
token = Request(base + "api/token", method="PUT", headers={"X-aws-ec2-metadata-token-ttl-seconds": "60"})
kept = {"X-aws-ec2-metadata-token": urlopen(token, timeout=5).read().decode()}
names = urlopen(Request(base + "meta-data/iam/security-credentials/", headers=kept), timeout=5).read().decode()
print(names.split()[0])
END"""

_INSTALL = {
    MOUNT_S3: f"""
case $(uname -m) in aarch64) arch=arm64 ;; *) arch=x86_64 ;; esac
if command -v apt-get >/dev/null; then
  curl -sSfL --connect-timeout 10 -o /tmp/mount-s3.deb {_RELEASES}/$arch/mount-s3.deb
  DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120 install -y -q /tmp/mount-s3.deb
else
  yum install -y -q {_RELEASES}/$arch/mount-s3.rpm
fi""",
    S3FS: """
if command -v apt-get >/dev/null; then
  apt-get -o DPkg::Lock::Timeout=120 update -q
  DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120 install -y -q s3fs
else
  yum install -y -q s3fs-fuse
fi""",
}


@dataclass(frozen=True, kw_only=True)
class BucketMount:
    """`prefix` "": the whole bucket. `region` "": the cluster's. `client`: one of CLIENTS, or auto."""

    bucket: str
    path: str
    prefix: str = ""
    region: str = ""
    client: str = "auto"
    read_only: bool = False

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")


class BucketMounts:
    """The buckets that one node has mounted."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._environment: Mapping[str, str] = node.ec2.cloud.node_environment

    def mount(self, wish: BucketMount, user: str) -> None:
        """Mount it for everybody, as the files of `user`; one that is there is left. SyncError says why not."""
        client = self._client(wish)
        region = wish.region or self._node.ec2.region
        start = _commands(wish, client, region=region, endpoint=self._environment.get(_ENDPOINT, ""))
        try:
            done = self._node.ssh.script(mount_script(wish, start, user=user), what=f"mount {wish}")
        except exception.RemoteCommandFailed as error:
            if error.exit_status == _HIDES:
                raise exception.InvalidOperation(
                    f"there are files in {wish.path} on {self._node.alias}, which the bucket would hide",
                    hint="take another MOUNT_PATH, or move them away",
                ) from error
            raise self._trouble(wish, region, error) from error
        word = "is" if _THERE in done else "is now"
        log.info("%s %s at %s on %s (%s)", wish, word, wish.path, self._node.alias, client)

    def unmount(self, path: str) -> None:
        """Whoever has a file open there is ended; what was closed is in the bucket."""
        self._node.unmount(path, force=True)

    def _client(self, wish: BucketMount) -> str:
        """The name of a client that the node has, or has now."""
        wanted = preferred(wish.client, at_home=_ENDPOINT not in self._environment)
        status, output, errors = self._node.ssh.run(
            "exec bash -s", data=client_script(wanted).encode(), timeout=_INSTALL_LIMIT
        )
        lines = output.decode("utf-8", "replace").splitlines()
        if status == 0 and lines:
            return lines[-1]
        told = errors.decode("utf-8", "replace").strip().splitlines()[-4:]
        raise exception.SyncError(
            f"{self._node.alias} has no client that mounts buckets, and none could be installed"
            f" ({', '.join(wanted)}): {'; '.join(told) or f'status {status}'}",
            hint="take an image that has one, or one whose packages can be installed (docs/s3.md)",
        )

    def _trouble(self, wish: BucketMount, region: str, error: exception.RemoteCommandFailed) -> exception.BaseException:
        """Why it is not there: s3sync's look at the bucket says more than a FUSE client does."""
        settings = {"name": "look", "bucket": wish.bucket, "prefix": wish.prefix, "path": wish.path, "region": region}
        found = exception.SyncError(
            f"{wish} could not be mounted at {wish.path} on {self._node.alias}: {error.output.strip()[-500:]}",
            hint=f"the client's log is in {_LOGS} there",
        )
        try:
            self._node.s3.install()
        except exception.BaseException as more:
            log.debug("no look at %s: %s", wish, more)
            return found
        try:
            self._node.s3.need("check", settings=settings)
        except exception.SyncError as reason:
            return reason
        return found


# --- what is run on the node


def preferred(client: str, *, at_home: bool) -> Sequence[str]:
    """Which clients are looked for, in this order. `at_home`: S3 is AWS's, for which Mountpoint is made."""
    if client in CLIENTS:
        return (client,)
    return CLIENTS if at_home else (S3FS, MOUNT_S3)


def client_script(wanted: Sequence[str]) -> str:
    """Prints the first that is there; else installs the first that can be had."""
    lines = ["export LC_ALL=C"]
    for one in wanted:
        lines.append(f"if command -v {one} >/dev/null; then echo {one}; exit 0; fi")
    for one in wanted:
        lines.append(
            f"if (set -e; exec >/dev/null; {_INSTALL[one]}\n); then :; fi </dev/null\n"
            f"if command -v {one} >/dev/null; then echo {one}; exit 0; fi"
        )
    return "\n".join([*lines, "exit 1", ""])


def mount_script(wish: BucketMount, start: str, *, user: str) -> str:
    """One that is there as wished is left; one whose client is dead is taken away first."""
    target, wanted = shlex.quote(wish.path), shlex.quote(f"{wish} {wish.client} {wish.read_only} {user}")
    note = shlex.quote(f"{_NOTES}/{wish.path.strip('/').replace('/', '_')}")
    is_there = f"awk -v path={target} '$2 == path {{ found = 1 }} END {{ exit !found }}' /proc/mounts"
    return "\n".join(
        [
            lock("buckets"),
            f"mkdir -p {_NOTES} {_LOGS}",
            f"if {is_there}; then",
            f"  seen=$(timeout 60 ls {target} 2>&1 >/dev/null) && same=$(cat {note} 2>/dev/null) || same=",
            f'  if [ "$same" = {wanted} ]; then echo "{_THERE}"; return 0; fi',
            f'  case "$seen" in *"not connected"*) umount -l {target} ;; *) umount {target} ;; esac',
            "fi",
            f"mkdir -p {target}",
            f'if [ -n "$(ls -A {target})" ]; then return {_HIDES}; fi',
            f"uid=$(id -u {shlex.quote(user)}); gid=$(id -g {shlex.quote(user)})",
            start,
            f"for try in $(seq {_THERE_LIMIT * 5}); do",
            # twice, because a client that is refused goes away between the two, and a bare folder can be listed
            f"  if {is_there} && timeout 60 ls {target} >/dev/null 2>&1 && {is_there}; then",
            f"    echo {wanted} > {note}; return 0",
            "  fi",
            "  sleep 0.2",
            "done",
            f"umount -l {target} 2>/dev/null || true",
            f"tail -n 3 {_LOGS}/s3fs.log {_LOGS}/mountpoint-s3-*.log 2>/dev/null >&2 || true",
            "return 1",
        ]
    )


def _commands(wish: BucketMount, client: str, *, region: str, endpoint: str) -> str:
    return (_mountpoint if client == MOUNT_S3 else _s3fs)(wish, region=region, endpoint=endpoint)


def _mountpoint(wish: BucketMount, *, region: str, endpoint: str) -> str:
    words = [MOUNT_S3, "--allow-other", "--region", region, "--dir-mode", "0755", "--file-mode", "0644"]
    words += ["--log-directory", _LOGS]
    words += ["--read-only"] if wish.read_only else ["--allow-delete", "--allow-overwrite"]
    if wish.prefix:
        words += ["--prefix", f"{wish.prefix}/"]
    if endpoint:
        words += ["--endpoint-url", endpoint, "--force-path-style"]
    return f'{shlex.join([*words, wish.bucket, wish.path])} --uid "$uid" --gid "$gid" >/dev/null 9>&-'


def _s3fs(wish: BucketMount, *, region: str, endpoint: str) -> str:
    options = ["allow_other", "umask=022", "mp_umask=022", f"endpoint={region}", f"logfile={_LOGS}/s3fs.log"]
    options += [f"url={endpoint}", "use_path_request_style"] if endpoint else [f"url=https://s3.{region}.amazonaws.com"]
    common = f'{shlex.join(["-o", ",".join(options)])} -o "iam_role=$role,uid=$uid,gid=$gid$more"'
    lines = [
        f"role=$({_ROLE}\n)",
        f'if [ -z "$role" ]; then echo "the node has no role" >&2; return {_NO_ROLE}; fi',
        # later ones see the folders of other clients only with it, earlier ones do not know it
        "more=; if s3fs --help 2>&1 | grep -q ' compat_dir'; then more=,compat_dir; fi",
    ]
    source = wish.bucket
    if wish.prefix:  # s3fs mounts no folder that is not there
        source = f"{wish.bucket}:/{wish.prefix}"
        lines += [
            f'whole=$(mktemp -d); s3fs {wish.bucket} "$whole" {common} 9>&-',
            f'mkdir -p "$whole"/{shlex.quote(wish.prefix)} || true; umount "$whole"; rmdir "$whole"',
        ]
    read_only = " -o ro" if wish.read_only else ""
    return "\n".join([*lines, f"{shlex.join([S3FS, source, wish.path])} {common}{read_only} 9>&-"])

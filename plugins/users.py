"""More users of the cluster: on every node with the same number, at home in /home, free to go between the nodes.

    [plugin people]
    SETUP_CLASS = starcluster.plugins.users.CreateUsers
    USERNAMES = linus, tux           # or NUM_USERS = 30: user001 to user030
    DOWNLOAD_KEYS = False            # True: their private SSH keys in one archive on your machine
    DOWNLOAD_KEYS_DIR =              # where; empty: ~/.starcluster/user_keys

The archive is TAG-REGION.tar.gz with USER.rsa in it, readable by you alone: who has such a file logs in as that user
by `ssh -i linus.rsa linus@HOST`, as far as the cluster's security group lets them reach port 22 (SSH_CIDR). A home
that is in /home already, such as on a volume, keeps its owner's number. No passwords are set. A user stays when a node
goes.
"""

from __future__ import annotations

import gzip
import io
import os
import re
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starcluster import exception
from starcluster.clustersetup import ClusterSetup
from starcluster.logger import log, logs_folder
from starcluster.nodeplugin import choice, whole_number, words
from starcluster.threadpool import get_thread_pool

if TYPE_CHECKING:
    from starcluster.cluster.node import Node

Volumes = Mapping[str, Mapping[str, Any]]
_NAME = re.compile(r"[a-z_][a-z0-9_-]{0,31}\Z")
_YES, _NO = ("true", "yes", "on", "1"), ("false", "no", "off", "0")
_AT_ONCE = 20
_FIRST_ID, _LAST_ID = 1000, 60000
_USED_IDS = (
    "getent passwd | cut -d: -f3; getent group | cut -d: -f3\n"
    'for path in /home/*; do [ ! -e "$path" ] || stat -c %u "$path"; done'
)
Ids = Mapping[str, tuple[int, int]]


class CreateUsers(ClusterSetup):
    def __init__(
        self, num_users: str = "", usernames: str = "", download_keys: str = "False", download_keys_dir: str = ""
    ) -> None:
        self.users = user_names(num_users, usernames)
        self.download = choice(download_keys, "DOWNLOAD_KEYS", (*_YES, *_NO)) in _YES
        self.folder = download_keys_dir.strip()

    def run(self, nodes: list[Node], master: Node, user: str, user_shell: str, volumes: Volumes) -> None:
        workers = [node for node in nodes if not node.is_master()]
        ids = self._ids(master, nodes)
        log.info("Creating %d cluster users", len(self.users))
        keys = self._on_master(master, ids, user_shell, workers)
        with get_thread_pool(_AT_ONCE) as pool:
            for node in workers:
                pool.simple_job(self._on_worker, (node, ids, user_shell), jobid=node.alias)
            pool.wait()
        if self.download:
            self._keep_keys(master, keys)

    def on_add_node(
        self, node: Node, nodes: list[Node], master: Node, user: str, user_shell: str, volumes: Volumes
    ) -> None:
        """Those that are not there yet, since the plugin never ran, are made on the master too."""
        ids = self._ids(master, [master, node])
        self._on_master(master, ids, user_shell, [node])
        self._on_worker(node, ids, user_shell)

    def on_remove_node(
        self, node: Node, nodes: list[Node], master: Node, user: str, user_shell: str, volumes: Volumes
    ) -> None:
        for name in self.users:
            master.remove_from_known_hosts(name, [node])

    def _on_master(self, master: Node, ids: Ids, shell: str, workers: Sequence[Node]) -> dict[str, list[str]]:
        """Accounts, homes and keys; what others see of them is in /home. (private, public) lines by user."""
        with master.together():
            self._accounts(master, ids, shell)
            keys = {name: master.make_key_for_user(name, auth_new_key=True, auth_conn_key=True) for name in self.users}
            for name in self.users:
                master.add_to_known_hosts(name, workers)
        return keys

    def _on_worker(self, node: Node, ids: Ids, shell: str) -> None:
        with node.together():
            self._accounts(node, ids, shell)

    def _accounts(self, node: Node, ids: Ids, shell: str) -> None:
        for name in self.users:
            node.add_user(name, *ids[name], shell)
            node.ssh.script(
                f"mkdir -p /mnt/{name} /scratch; chown {name} /mnt/{name}\n"
                f"[ -e /scratch/{name} ] || ln -sfn /mnt/{name} /scratch/{name}\n",
                what=f"make the scratch folder of {name}",
            )

    def _ids(self, master: Node, nodes: Sequence[Node]) -> Ids:
        """(uid, gid) by user: of the home that is there, of the account on the master, else free on all nodes."""
        there = master.ssh.script(
            f"for user in {' '.join(self.users)}; do\n"
            'if id "$user" >/dev/null 2>&1; then echo "$user $(id -u "$user") $(id -g "$user")"\n'
            'elif [ -d "/home/$user" ]; then stat -c "$user %u %g" "/home/$user"; fi; done',
            what="look for the users",
        )
        known = {row.split()[0]: (int(row.split()[1]), int(row.split()[2])) for row in there}
        for name, pair in known.items():
            if min(pair) < _FIRST_ID:
                raise exception.ClusterValidationError(
                    f"'{name}' or /home/{name} belongs to the system on the master (uid {pair[0]}, gid {pair[1]})",
                    hint="take another name in USERNAMES, or give that home to a user: chown -R 1005:1005 "
                    f"/home/{name}",
                )
        new = [name for name in self.users if name not in known]
        first = self._first_free(nodes) if new else 0
        return {**known, **{name: (first + number, first + number) for number, name in enumerate(new)}}

    @staticmethod
    def _first_free(nodes: Sequence[Node]) -> int:
        """One more than the highest id of users, groups and owners of homes, on whatever node."""
        with get_thread_pool(_AT_ONCE) as pool:
            for node in nodes:
                pool.simple_job(lambda one: one.ssh.script(_USED_IDS, what="list the user ids"), node, jobid=node.alias)
            lines = [line for told in pool.wait() for line in told]
        return max([_FIRST_ID, *(int(line) for line in lines if line.isdigit() and int(line) < _LAST_ID)]) + 1

    def _keep_keys(self, master: Node, keys: Mapping[str, Sequence[str]]) -> None:
        given = Path(os.path.expandvars(self.folder)).expanduser()
        folder = given if self.folder else logs_folder().parent / "user_keys"
        path = folder / f"{master.cluster_tag}-{master.region}.tar.gz"
        keep_archive(path, {name: "\n".join(lines[:-1]) + "\n" for name, lines in keys.items()})
        log.info("The SSH keys of %d cluster users are in %s: each lets its holder into the cluster", len(keys), path)


def user_names(number: str, names: str) -> list[str]:
    """USERNAMES, else user001 and so on; ConfigSettingError unless all of them can be users."""
    if not names.strip():
        if not number.strip():
            raise exception.ConfigSettingError("USERNAMES or NUM_USERS says which users are wanted")
        return [f"user{count:03d}" for count in range(1, whole_number(number, "NUM_USERS") + 1)]
    found = list(dict.fromkeys(words(names)))
    for name in found:
        if not _NAME.match(name) or name == "root":
            raise exception.ConfigSettingError(f"'{name}' can not be a user of the cluster", setting="USERNAMES")
    if number.strip() and whole_number(number, "NUM_USERS") != len(found):
        raise exception.ConfigSettingError(
            f"{number.strip()} users are wanted, and USERNAMES has {len(found)}", setting="NUM_USERS"
        )
    return found


def archive(keys: Mapping[str, str]) -> bytes:
    """A gzipped tar of USER.rsa files, each its owner's alone; the same keys give the same bytes."""
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as zipped, tarfile.open(fileobj=zipped, mode="w") as tar:
        for name, key in sorted(keys.items()):
            about = tarfile.TarInfo(f"./{name}.rsa")
            about.size, about.mode = len(key), 0o600
            tar.addfile(about, io.BytesIO(key.encode()))
    return packed.getvalue()


def keep_archive(path: Path, keys: Mapping[str, str]) -> None:
    """Whole or not at all, and never readable by others, in the place of an older one."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
        stream.write(archive(keys))
    draft.replace(path)

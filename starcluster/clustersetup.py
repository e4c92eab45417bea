"""The plugin interface, and the set-up that every cluster gets before its plugins run.

A plugin is a class with some of the five hooks below; its settings are its constructor's arguments. Hooks are
called with positional arguments, so their parameters may have any names. Two more methods are asked
before anything is launched: wanted_nodes() and wanted_volumes().
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from starcluster import exception, threadpool
from starcluster.logger import log
from starcluster.model import Market
from starcluster.namedsteps import NamedSteps

if TYPE_CHECKING:
    from starcluster.cluster.node import Node

Volumes = Mapping[str, Mapping[str, Any]]
_HOME = "/home"
_ROOT = "root"
_LOOK_FOR_SERVER = "PATH=$PATH:/usr/sbin:/sbin; command -v exportfs || true"
_FIRST_USER_ID = 1000
_LAST_USER_ID = 60000


@dataclass(frozen=True, kw_only=True)
class WantedNode:
    """A node that a plugin wants in the cluster under this alias; empty fields: as the cluster's workers."""

    alias: str
    instance_type: str = ""
    image: str = ""
    bid: float | None = None
    market: Market = Market.SPOT


@dataclass(frozen=True, kw_only=True)
class WantedVolume:
    """A volume (id or Name tag) that a plugin will attach; it decides the zone of the nodes."""

    volume: str
    mount_path: str
    aliases: tuple[str, ...] = ()


class ClusterSetup:
    """Base of all plugins; a hook that is not overridden says so by NotImplementedError, and nothing is done."""

    side_by_side = False  # whether its hooks may be called for several new nodes at once
    _disable_threads, _num_threads = False, 20

    def __new__(cls, *args: Any, **kwargs: Any) -> ClusterSetup:
        plugin = super().__new__(cls)
        plugin.__plugin_metadata__ = (f"{cls.__module__}.{cls.__name__}", args, kwargs)  # type: ignore[attr-defined]
        return plugin

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Settings of the plugin's config section arrive as keyword arguments, always strings."""

    @cached_property
    def pool(self) -> threadpool.ThreadPool:
        """Threads for several nodes at once; some plugins set one of their own in its place."""
        return threadpool.get_thread_pool(self._num_threads, disable_threads=self._disable_threads)

    def run(self, nodes: list[Node], master: Node, user: str, user_shell: str, volumes: Volumes) -> None:
        """start, start -x, restart, runplugin: set up the whole cluster."""
        raise NotImplementedError("run")

    def on_add_node(
        self, node: Node, nodes: list[Node], master: Node, user: str, user_shell: str, volumes: Volumes
    ) -> None:
        """addnode and every relaunch of a named node: set up this node; `nodes` has it too."""
        raise NotImplementedError("on_add_node")

    def on_remove_node(
        self, node: Node, nodes: list[Node], master: Node, user: str, user_shell: str, volumes: Volumes
    ) -> None:
        """removenode, before the node goes; it may be dead already."""
        raise NotImplementedError("on_remove_node")

    def on_restart(self, nodes: list[Node], master: Node, user: str, user_shell: str, volumes: Volumes) -> None:
        """restart, before the reboot."""
        raise NotImplementedError("on_restart")

    def on_shutdown(self, nodes: list[Node], master: Node, user: str, user_shell: str, volumes: Volumes) -> None:
        """stop and terminate, before anything else."""
        raise NotImplementedError("on_shutdown")

    def wanted_nodes(self) -> Sequence[WantedNode]:
        """Nodes to launch together with the cluster."""
        return ()

    def wanted_volumes(self) -> Sequence[WantedVolume]:
        """Volumes that must be free, and in the cluster's zone."""
        return ()


class DefaultClusterSetup(NamedSteps, ClusterSetup):
    """Host names, volumes, user, scratch, /etc/hosts, NFS and SSH between the nodes; side by side over nodes."""

    # also for a plugin that forgets super().__init__()
    _introduce, _stands_by = True, False
    _master: Node | None = None
    _volumes: Volumes = {}

    def __init__(self, disable_threads: bool = False, num_threads: int = 20) -> None:
        """Of a plugin without a constructor of its own these are settings."""
        self._disable_threads, self._num_threads = disable_threads, num_threads
        self._nodes = []

    @classmethod
    def of_added_node(cls, *, introduce: bool, stands_by: bool = False) -> DefaultClusterSetup:
        """`introduce`: let the other workers know of a node that is added; else the caller does.

        `stands_by`: the added node's alias is still another machine's, so nobody is told of it.
        """
        setup = cls()
        setup._introduce, setup._stands_by = introduce, stands_by
        return setup

    @property
    def master(self) -> Node:
        if self._master is None:
            raise exception.MasterDoesNotExist("this cluster has no master")
        return self._master

    @property
    def nodes(self) -> list[Node]:
        """The workers."""
        return [node for node in self._nodes if not node.is_master()]

    @property
    def running_nodes(self) -> list[Node]:
        return [node for node in self._nodes if node.is_running()]

    def _take(self, nodes: list[Node], master: Node, user: str, user_shell: str, volumes: Volumes) -> None:
        self._nodes, self._master = nodes, master
        self._user, self._user_shell, self._volumes = user, user_shell, volumes

    # --- the hooks

    def run(self, nodes: list[Node], master: Node, user: str, user_shell: str, volumes: Volumes) -> None:
        self._take(nodes, master, user, user_shell, volumes)
        self._setup_ebs_volumes()
        uid, gid = self._get_new_user_id(self._user)
        log.info("Creating the cluster user %s (uid %d, gid %d)", self._user, uid, gid)
        master.start_nfs_server()
        with master.together():
            self._prepare(master, uid, gid)
            key = self._welcome(self.nodes)
        self._on_each(self.nodes, lambda node: self._join(node, uid, gid, key))

    def on_add_node(
        self, node: Node, nodes: list[Node], master: Node, user: str, user_shell: str, volumes: Volumes
    ) -> None:
        self._take(nodes, master, user, user_shell, volumes)
        others = [one for one in self.nodes if one.id != node.id] if self._introduce else []
        self._begin(others, lambda one: one.add_to_etc_hosts([node]))
        with master.together():
            ids = self._look_for_user(user)
            server = master.ssh.script(_LOOK_FOR_SERVER, what="look for the NFS server")
            if not self._stands_by:
                master.add_to_etc_hosts([node])
            key = self._welcome([node])
        if not server:
            master.start_nfs_server()
            master.export_fs_to_nodes([node], self._get_nfs_export_paths(), by_address=self._stands_by)
        self._join(node, *self._user_id_from(ids), key)
        self._try_to_end(what=f"did not learn of {node.alias}")

    def on_remove_node(
        self, node: Node, nodes: list[Node], master: Node, user: str, user_shell: str, volumes: Volumes
    ) -> None:
        self._take(nodes, master, user, user_shell, volumes)
        self._remove_from_known_hosts(node)
        self._remove_from_etc_hosts(node)
        self._remove_nfs_exports(node)

    # --- the steps

    def _prepare(self, node: Node, uid: int, gid: int) -> None:
        """What every node gets, the master too."""
        node.set_hostname()
        node.add_to_etc_hosts(self._nodes)
        self._add_user_to_node(uid, gid, node)
        self._make_scratch(node)

    def _welcome(self, workers: Sequence[Node]) -> list[str]:
        """The master's part in taking workers in: exports, keys, host keys. Root's key pair, for the workers."""
        if workers:
            paths = self._get_nfs_export_paths()
            self.master.export_fs_to_nodes(workers, paths, by_address=self._stands_by)
        key = self.master.make_key_for_user(_ROOT, auth_new_key=True)
        self.master.make_key_for_user(self._user, auth_new_key=True, auth_conn_key=True)
        for user in () if self._stands_by else (_ROOT, self._user):
            self.master.add_to_known_hosts(user, workers)
        return key

    def _join(self, node: Node, uid: int, gid: int, key: Sequence[str]) -> None:
        """A worker's part, in one go; /home is there before the user is."""
        paths = self._get_nfs_export_paths()
        log.info("Mounting %s from the master on %s", ", ".join(paths), node.alias)
        with node.together():
            node.set_hostname()
            node.add_to_etc_hosts(self._nodes)
            node.mount_nfs_shares(self.master, paths)
            self._add_user_to_node(uid, gid, node)
            self._make_scratch(node)
            node.install_key(_ROOT, key)
            node.add_to_known_hosts(_ROOT, self._nodes)

    def _setup_ebs_volumes(self) -> None:
        """Mount the cluster's volumes on the master; one that can not be mounted ends the set-up."""
        for name, volume in self._volumes.items():
            self._mount_volume(name, volume)

    def _mount_volume(self, name: str, volume: Mapping[str, Any]) -> None:
        master, volume_id, path = self.master, str(volume["volume_id"]), str(volume["mount_path"])
        attached = {one.volume_id: one.device for one in master.attached_vols.values()}
        disk = master.find_volume_device(volume_id, attached.get(volume_id, str(volume.get("device") or "")))
        device = master.choose_partition(disk, volume.get("partition"))
        if path in master.mount_points_of(device):
            log.info("Volume %s (%s) is mounted at %s already", name, volume_id, path)
            return
        if not master.filesystem(device):
            raise exception.InvalidOperation(
                f"volume {name} ({volume_id}) holds no file system",
                hint=f"`starcluster createvolume` makes formatted ones; or format it: "
                f"starcluster sshmaster CLUSTER mkfs.ext4 {device}",
            )
        log.info("Mounting volume %s (%s) at %s", name, volume_id, path)
        master.check_filesystem(device)
        if path == _HOME:
            master.keep_what_is_under(device, path)
        master.mount_device(device, path)

    def _get_new_user_id(self, user: str) -> tuple[int, int]:
        """(uid, gid): those of /home/USER on the master if it is there, of the user, else new ones."""
        return self._user_id_from(self._look_for_user(user))

    def _look_for_user(self, user: str) -> list[str]:
        return self.master.ssh.script(
            f"user={shlex.quote(user)}\n"
            'if [ -d "/home/$user" ]; then stat -c "%u %g" "/home/$user"\n'
            'elif id "$user" >/dev/null 2>&1; then echo "$(id -u "$user") $(id -g "$user")"; fi',
            what=f"look for the user {user}",
        )

    def _user_id_from(self, lines: Sequence[str]) -> tuple[int, int]:
        if not lines:
            return self._get_max_unused_user_id()
        uid, gid = (int(word) for word in lines[0].split())
        if uid == 0 or gid == 0:
            raise exception.ClusterValidationError(
                f"/home/{self._user} on the master belongs to root",
                hint=f"give it to the user, or choose another CLUSTER_USER: chown -R 1001:1001 /home/{self._user}",
            )
        return uid, gid

    def _get_max_unused_user_id(self) -> tuple[int, int]:
        """(uid, gid), both one more than the highest id among users, groups and owners of what is in /home."""
        lines = self.master.ssh.script(
            "getent passwd | cut -d: -f3; getent group | cut -d: -f3\n"
            'for path in /home/*; do [ ! -e "$path" ] || stat -c \'%u\' "$path"; done',
            what="list the user ids",
        )
        used = [int(line) for line in lines if line.isdigit() and int(line) < _LAST_USER_ID]
        new = max([*used, _FIRST_USER_ID]) + 1
        return new, new

    def _add_user_to_node(self, uid: int, gid: int, node: Node) -> None:
        node.add_user(self._user, uid, gid, self._user_shell)

    def _make_scratch(self, node: Node, user: str = "") -> None:
        """Local scratch: /scratch/USER leads to /mnt/USER."""
        user = shlex.quote(user or self._user)
        node.ssh.script(
            f"mkdir -p /mnt/{user} /scratch; chown {user}: /mnt/{user}\n"
            f"[ -e /scratch/{user} ] || ln -sfn /mnt/{user} /scratch/{user}\n",
            what="make the scratch folders",
        )

    def _get_nfs_export_paths(self) -> list[str]:
        """/home and every volume's mount path."""
        paths = [_HOME, *(str(volume["mount_path"]).rstrip("/") for volume in self._volumes.values())]
        return list(dict.fromkeys(paths))

    def _remove_from_etc_hosts(self, node: Node) -> None:
        self._on_others(node, lambda one: one.remove_from_etc_hosts([node]))

    def _remove_from_known_hosts(self, node: Node) -> None:
        def forget(one: Node) -> None:
            one.remove_from_known_hosts("root", [node])
            if one.is_master():
                one.remove_from_known_hosts(self._user, [node])

        self._on_others(node, forget)

    def _remove_nfs_exports(self, node: Node) -> None:
        self.master.stop_exporting_fs_to_nodes([node])

    # --- side by side

    def _on_each(self, nodes: Sequence[Node], job: Callable[[Node], object]) -> None:
        """Do it on all nodes at once; failures are raised together, by node."""
        self._begin(nodes, job)
        self._end()

    def _begin(self, nodes: Sequence[Node], job: Callable[[Node], object]) -> None:
        for node in nodes:
            self.pool.simple_job(job, (node,), jobid=node.alias)

    def _end(self) -> None:
        try:
            self.pool.wait()  # its results are nobody's, least of all those of a plugin's next jobs in this pool
        except exception.ThreadPoolException as error:
            if len(error.exceptions) == 1:
                raise error.exceptions[0][0] from error
            raise

    def _try_on_each(self, nodes: Sequence[Node], job: Callable[[Node], object], *, what: str) -> None:
        """Do it on nodes that may be dead: a worker that does not answer is told of and left."""
        self._begin(nodes, job)
        self._try_to_end(what=what)

    def _try_to_end(self, *, what: str) -> None:
        try:
            self._end()
        except exception.ThreadPoolException as error:
            for failure, _, alias in error.exceptions:
                log.warning("%s %s: %s", alias, what, failure)
        except exception.SSHError as error:
            log.warning("a node %s: %s", what, error)

    def _on_others(self, node: Node, job: Callable[[Node], object]) -> None:
        others = [one for one in self.running_nodes if one.id != node.id]
        self._try_on_each(others, job, what=f"did not forget {node.alias}")

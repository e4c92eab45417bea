"""The default set-up's steps and their order, on nodes that only write down what they are asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from starcluster import exception
from starcluster.clustersetup import ClusterSetup, DefaultClusterSetup
from starcluster.plugins.ipcluster import IPCluster

VOLUMES = {"data": {"volume_id": "vol-1", "mount_path": "/data", "device": "", "partition": None}}


class Recorder:
    """A node that notes every call of a method; answers from a table."""

    def __init__(self, alias: str, journal: list[tuple[str, str]], **answers: Any) -> None:
        self.alias, self.id, self._journal = alias, f"i-{alias}", journal
        self._answers = {
            "is_master": alias == "master",
            "is_running": True,
            "mount_points_of": [],
            "filesystem": "ext4",
            "make_key_for_user": ["private", "public"],
            **answers,
        }
        self.attached_vols: dict[str, Any] = {}
        self.ssh = SimpleNamespace(script=self._script, which=lambda program: ["/usr/sbin/" + program])

    @contextmanager
    def together(self) -> Iterator[None]:
        self._journal.append((self.alias, "together"))
        yield

    def _script(self, text: str, *, what: str) -> list[str]:
        self._journal.append((self.alias, what.split(" ")[0]))
        if "NFS server" in what:
            return list(self._answers.get("server", ["/usr/sbin/exportfs"]))
        return ["7 8"] if "stat -c" in text and "look for the user" in what else ["1000"]

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            quiet = name in ("is_master", "is_running")
            if not quiet:
                self._journal.append((self.alias, name))
            answer = self._answers.get(name)
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call


def run(hook: str, nodes: Sequence[Recorder], *first: Recorder) -> None:
    setup = DefaultClusterSetup(disable_threads=True)
    getattr(setup, hook)(*first, list(nodes), nodes[0], "alice", "bash", VOLUMES)


def test_run_does_all_steps_in_order() -> None:
    journal: list[tuple[str, str]] = []
    run("run", [Recorder("master", journal), Recorder("node001", journal)])
    steps = [
        ("master", "mount_device"),
        ("master", "look"),
        ("master", "start_nfs_server"),
        ("master", "add_user"),
        ("master", "export_fs_to_nodes"),
        ("master", "make_key_for_user"),
        ("node001", "set_hostname"),
        ("node001", "add_to_etc_hosts"),
        ("node001", "mount_nfs_shares"),
        ("node001", "add_user"),
        ("node001", "install_key"),
    ]
    places = [journal.index(step) for step in steps]
    assert places == sorted(places)
    assert ("master", "mount_nfs_shares") not in journal


def test_a_volume_is_checked_before_it_is_mounted_and_left_alone_when_it_is() -> None:
    journal: list[tuple[str, str]] = []
    run("run", [Recorder("master", journal)])
    assert journal.index(("master", "check_filesystem")) < journal.index(("master", "mount_device"))
    journal.clear()
    run("run", [Recorder("master", journal, mount_points_of=["/data"])])
    assert ("master", "mount_device") not in journal
    assert ("master", "check_filesystem") not in journal


def test_a_volume_without_file_system_ends_the_setup() -> None:
    with pytest.raises(exception.InvalidOperation, match="no file system"):
        run("run", [Recorder("master", [], filesystem="")])


def test_a_new_node_is_set_up_alone_and_introduced_to_all() -> None:
    journal: list[tuple[str, str]] = []
    master, old, new = (Recorder(alias, journal) for alias in ("master", "node001", "bob"))
    run("on_add_node", [master, old, new], new)
    assert ("node001", "add_to_etc_hosts") in journal
    assert ("node001", "set_hostname") not in journal
    assert ("node001", "mount_nfs_shares") not in journal
    assert ("bob", "mount_nfs_shares") in journal


def test_a_node_is_gone_to_once_and_the_master_once() -> None:
    journal: list[tuple[str, str]] = []
    master, new = Recorder("master", journal), Recorder("bob", journal)
    run("on_add_node", [master, new], new)
    assert [one for one in journal if one[1] == "together"] == [("master", "together"), ("bob", "together")]
    assert journal.index(("master", "together")) == 0, "nothing is asked beside"


def test_a_master_without_its_server_is_given_one() -> None:
    journal: list[tuple[str, str]] = []
    master, new = Recorder("master", journal, server=[]), Recorder("bob", journal)
    run("on_add_node", [master, new], new)
    assert journal.index(("master", "start_nfs_server")) < journal.index(("bob", "mount_nfs_shares"))


def test_a_dead_worker_does_not_stop_the_new_one() -> None:
    journal: list[tuple[str, str]] = []
    master, new = Recorder("master", journal), Recorder("bob", journal)
    dead = [Recorder(f"node00{n}", journal, add_to_etc_hosts=exception.SSHConnectionError("gone")) for n in (1, 2)]
    run("on_add_node", [master, *dead, new], new)
    assert ("bob", "install_key") in journal


def test_the_new_node_itself_may_not_fail() -> None:
    new = Recorder("bob", [], mount_nfs_shares=exception.RemoteCommandFailed("no"))
    with pytest.raises(exception.RemoteCommandFailed):
        run("on_add_node", [Recorder("master", []), new], new)


def test_a_node_that_goes_is_forgotten_by_the_others() -> None:
    journal: list[tuple[str, str]] = []
    master, old, gone = (Recorder(alias, journal) for alias in ("master", "node001", "bob"))
    run("on_remove_node", [master, old, gone], gone)
    assert ("node001", "remove_from_etc_hosts") in journal
    assert ("master", "stop_exporting_fs_to_nodes") in journal
    assert not [entry for entry in journal if entry[0] == "bob"]


class OwnHook(DefaultClusterSetup):
    """As old plugins do it: takes the arguments itself, forgets super().__init__, and calls steps by name."""

    def __init__(self) -> None:
        pass

    def run(self, nodes: Any, master: Any, user: str, user_shell: str, volumes: Any) -> None:
        self._nodes, self._master, self._user, self._user_shell = nodes, master, user, user_shell
        self._volumes = volumes
        self._setup_hostnames()
        self._setup_etc_hosts(nodes=self.nodes)
        self._setup_scratch(users=["bob", "eve"])
        self._setup_nfs(start_server=False, export_paths=["/opt/tools"])
        self._setup_passwordless_ssh()
        self._setup_cluster_user("carol")
        self._create_user(self.nodes[0])


def test_steps_by_name_are_done_where_they_belong() -> None:
    journal: list[tuple[str, str]] = []
    OwnHook().run(
        [Recorder("master", journal), Recorder("node001", journal)], Recorder("master", journal), "a", "b", {}
    )
    assert sorted(journal) == [
        *[("master", step) for step in ("add_to_known_hosts", "add_user", "enable_passwordless_ssh")],
        ("master", "export_fs_to_nodes"),
        *[("master", "look")] * 2,
        *[("master", "make")] * 2,
        ("master", "make_key_for_user"),
        ("master", "set_hostname"),
        *[("node001", step) for step in ("add_to_etc_hosts", "add_user", "add_user")],
        *[("node001", "make")] * 2,
        ("node001", "mount_nfs_shares"),
        ("node001", "set_hostname"),
    ]


def test_a_hook_that_is_not_overridden_says_so() -> None:
    for hook in ("run", "on_restart", "on_shutdown"):
        with pytest.raises(NotImplementedError):
            getattr(ClusterSetup(), hook)([], None, "u", "bash", {})


class WithItsOwnPool(ClusterSetup):
    def __init__(self) -> None:
        self.pool = "its own"  # type: ignore[assignment]


def test_every_plugin_has_threads_unless_it_brings_its_own() -> None:
    class Longer(IPCluster):
        """Plugins that derive from bundled ones found them there in StarCluster."""

    plugin = Longer()
    plugin.pool.simple_job(len, "word")
    assert plugin.pool.wait() == [4]
    assert WithItsOwnPool().pool == "its own"
    assert DefaultClusterSetup(disable_threads=True, num_threads=3).pool.disable_threads


def test_what_the_steps_return_is_not_among_a_plugins_results() -> None:
    setup = DefaultClusterSetup()
    setup._nodes = [Recorder("master", [], set_hostname="its answer")]  # type: ignore[list-item]
    setup._setup_hostnames()
    setup.pool.simple_job(len, "word")
    assert setup.pool.wait() == [4]


def test_new_users_get_an_id_for_themselves_and_one_for_their_group() -> None:
    setup = DefaultClusterSetup()
    setup._nodes = [Recorder("master", [])]  # type: ignore[list-item]
    setup._master = setup._nodes[0]
    assert setup._get_max_unused_user_id() == (1001, 1001)
    assert setup._user_id_from([]) == (1001, 1001)

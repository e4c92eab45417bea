"""Running hooks: positional, tolerant of what StarCluster tolerated, and clear about failures."""

from __future__ import annotations

import threading
import time

import pytest

from starcluster import exception
from starcluster.cluster.hooks import run_hook, run_hooks
from starcluster.clustersetup import ClusterSetup, DefaultClusterSetup
from starcluster.threadpool import get_thread_pool


class Odd(ClusterSetup):
    def run(self, n, m, u, shell, v):  # type: ignore[no-untyped-def, override]
        self.seen = (n, m, u, shell, v)

    def on_restart(self, *args: object) -> None:  # type: ignore[override]
        raise NotImplementedError

    def on_shutdown(self, *args: object) -> None:  # type: ignore[override]
        raise exception.RemoteCommandFailed("the command 'x' ended with status 1 on node001:\nsome output", "x", 1)


def test_hooks_are_called_by_position() -> None:
    plugin = Odd()
    run_hook(plugin, "run", (1, 2, 3, 4, 5))
    assert plugin.seen == (1, 2, 3, 4, 5)


def test_not_implemented_and_absent_hooks_do_nothing() -> None:
    run_hook(Odd(), "on_restart", (1, 2, 3, 4, 5))
    run_hook(Odd(), "no_such_hook", ())


def test_a_failure_names_plugin_node_command_and_output() -> None:
    plugin = Odd()
    plugin.__name__ = "odd"  # type: ignore[attr-defined]
    with pytest.raises(exception.PluginError) as caught:
        run_hook(plugin, "on_shutdown", ())
    for word in ("'odd'", "on_shutdown", "'x'", "node001", "some output"):
        assert word in caught.value.msg


def test_a_failure_with_a_file_names_its_node() -> None:
    class Maker(ClusterSetup):
        def run(self, *args: object) -> None:  # type: ignore[override]
            error = OSError("File exists")
            error.add_note("mkdir /mnt/x on node001")
            raise error

    with pytest.raises(exception.PluginError, match=r"OSError: File exists, mkdir /mnt/x on node001 \(.*line"):
        run_hook(Maker(), "run", ())


def test_a_hook_that_takes_other_arguments_is_told_of() -> None:
    class Fork(ClusterSetup):
        def run(self, nodes, master, user, user_id, shell, volumes):  # type: ignore[no-untyped-def, override]
            """Never called."""

        def on_restart(self, nodes, *rest):  # type: ignore[no-untyped-def, override]
            return len(nodes, rest)

    takes = r"takes \(self, nodes, master, user, user_id, shell, volumes\)"
    given = r"is given \(self, nodes, master, user, user_shell, volumes\)"
    with pytest.raises(exception.PluginError, match=rf"{takes}, and {given}.*test_hooks\.py line"):
        run_hook(Fork(), "run", (1, 2, 3, 4, 5))
    with pytest.raises(exception.PluginError, match=r"TypeError: len\(\) takes exactly one argument"):
        run_hook(Fork(), "on_restart", (1, 2, 3, 4, 5))


def test_failures_on_several_nodes_are_all_told() -> None:
    class Many(ClusterSetup):
        def run(self, *args: object) -> None:  # type: ignore[override]
            failures = [(ValueError("a"), "", "node001"), (ValueError("b"), "", "node002")]
            raise exception.ThreadPoolException("2 jobs went wrong", failures)  # type: ignore[arg-type]

    with pytest.raises(exception.PluginError, match="node001: ValueError: a\nnode002: ValueError: b"):
        run_hook(Many(), "run", ())


def test_force_goes_on_to_the_next() -> None:
    good = Odd()
    run_hooks([Odd()], "on_shutdown", (), force=True)
    with pytest.raises(exception.PluginError):
        run_hooks([Odd(), good], "on_shutdown", ())


class Node:
    """Notes that a hook has ended."""

    def __init__(self, alias: str) -> None:
        self.alias, self.ended = alias, 0

    def after_hook(self) -> None:
        self.ended += 1


class Broken(ClusterSetup):
    def run(self, *args: object) -> None:  # type: ignore[override]
        {}["no such key"]

    def on_add_node(self, *args: object) -> None:  # type: ignore[override]
        raise SystemExit(0)

    def on_shutdown(self, *args: object) -> None:  # type: ignore[override]
        import no_such_package  # noqa: F401


def test_a_fault_in_the_plugin_is_told_with_its_place() -> None:
    with pytest.raises(exception.PluginError, match=r"KeyError: 'no such key' \(.*test_hooks.py line \d+\)"):
        run_hook(Broken(), "run", ())


def test_what_to_do_about_a_package_that_a_hook_misses_is_told() -> None:
    with pytest.raises(exception.PluginError, match="-m pip install no_such_package"):
        run_hook(Broken(), "on_shutdown", ())


def test_a_plugin_can_not_end_the_program() -> None:
    with pytest.raises(exception.PluginError, match="on_add_node for node001: it ended the program"):
        run_hook(Broken(), "on_add_node", (Node("node001"),))


def test_each_node_is_told_once_that_the_hook_has_ended_also_by_a_failure() -> None:
    one, two = Node("master"), Node("node001")
    with pytest.raises(exception.PluginError):
        run_hook(Broken(), "on_add_node", (two, [one, two], one, "u", "bash", {}))
    assert (one.ended, two.ended) == (1, 1)


class Silent(DefaultClusterSetup):
    """Overrides nothing: what it inherits has been done."""


class OwnStep(DefaultClusterSetup):
    done = 0

    def on_shutdown(self, *args: object) -> None:  # type: ignore[override]
        self.done += 100

    def _setup_ebs_volumes(self) -> None:
        self.done += 1
        raise NotImplementedError


def test_what_the_default_set_up_does_is_not_done_again() -> None:
    for hook in ("run", "on_add_node", "on_remove_node"):
        run_hook(Silent(), hook, ())  # with these arguments it could not be called
    run_hook(Silent(), "on_shutdown", (1, 2, 3, 4, 5))


def test_a_step_of_its_own_is_done_within_the_default_ones_but_not_before_its_time() -> None:
    plugin = OwnStep()
    run_hook(plugin, "run", ([], None, "u", "bash", {}))
    assert plugin.done == 1
    run_hook(plugin, "run", ([], None, "u", "bash", {}), own_only=True)
    assert plugin.done == 1
    run_hook(plugin, "on_shutdown", (), own_only=True)
    assert plugin.done == 101


class Twofold(Node):
    """Has a twin, as real nodes do."""

    def __init__(self, alias: str) -> None:
        super().__init__(alias)
        self.other = Node(alias)

    def twin(self) -> Node:
        return self.other


class Slow(ClusterSetup):
    """Notes who is within its hook at the same time as somebody else, and what it was given."""

    def __init__(self) -> None:
        self.within: list[str] = []
        self.most = 0
        self.given: list[tuple[object, ...]] = []

    def on_add_node(self, node, nodes, master, *_: object) -> None:  # type: ignore[no-untyped-def, override]
        self.given.append((node, *nodes, master))
        self.within.append(node.alias)
        self.most = max(self.most, len(self.within))
        self.linger()
        self.within.remove(node.alias)

    def linger(self) -> None:
        time.sleep(0.05)


class SlowSideBySide(Slow):
    side_by_side = True
    together = 1

    def linger(self) -> None:
        """Until so many are within it."""
        while self.most < self.together:
            time.sleep(0.005)


@pytest.mark.parametrize(("kind", "most"), [(Slow, 1), (SlowSideBySide, 2)])
def test_hooks_for_two_new_nodes_take_turns_unless_the_plugin_allows_it(kind: type[Slow], most: int) -> None:
    plugin, master = kind(), Twofold("master")
    plugin.together = most  # type: ignore[attr-defined]
    with get_thread_pool(2) as pool:
        for alias in ("node001", "node002"):
            node = Twofold(alias)
            pool.simple_job(run_hook, (plugin, "on_add_node", (node, [master, node], master, "u", "bash", {})))
        pool.wait()
    assert plugin.most == most


def test_a_hook_that_takes_turns_has_connections_of_its_own_to_the_other_nodes() -> None:
    plugin, master, node = Slow(), Twofold("master"), Twofold("node001")
    run_hook(plugin, "on_add_node", (node, [master, node], master, "u", "bash", {}))
    assert plugin.given == [(node, master.other, node, master.other)]
    assert (node.ended, master.ended, master.other.ended) == (1, 0, 1)


def test_side_by_side_only_the_new_node_is_its_own() -> None:
    plugin, master, node = SlowSideBySide(), Twofold("master"), Twofold("node001")
    run_hook(plugin, "on_add_node", (node, [master, node], master, "u", "bash", {}))
    assert plugin.given == [(node, master, node, master)]
    assert (node.ended, master.ended, master.other.ended) == (1, 0, 0)


class TakesTheMasterOut(ClusterSetup):
    def run(self, nodes: list[Node], master: Node, *_: object) -> None:  # type: ignore[override]
        nodes.remove(master)


def test_what_a_plugin_does_to_its_list_of_nodes_concerns_nobody_else() -> None:
    master, worker, next_one = Node("master"), Node("node001"), Odd()
    run_hooks([TakesTheMasterOut(), next_one], "run", ([master, worker], master, "u", "bash", {}))
    assert next_one.seen[0] == [master, worker]
    assert (master.ended, worker.ended) == (2, 2)


def test_a_thread_of_a_plugin_that_fails_is_told_and_ends_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    class Threads(ClusterSetup):
        def run(self, *args: object) -> None:  # type: ignore[override]
            for error in (
                exception.RemoteCommandFailed("the command 'x' ended with status 7 on node001", "x", 7),
                KeyError("k"),
            ):
                thread = threading.Thread(target=self.fail, args=(error,))
                thread.start()
                thread.join()
            self.done = True

        def fail(self, error: Exception) -> None:
            raise error

    plugin, before = Threads(), threading.excepthook
    run_hook(plugin, "run", ())
    told = "!!! ERROR - plugin 'Threads' goes on in run without a thread of its own: "
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == f"{told}the command 'x' ended with status 7 on node001"
    assert lines[1].startswith(f"{told}KeyError: 'k' ({__file__} line ")
    assert (plugin.done, threading.excepthook) == (True, before)

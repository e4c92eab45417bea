"""Running hooks: positional, tolerant of what StarCluster tolerated, and clear about failures."""

from __future__ import annotations

import pytest

from starcluster import exception
from starcluster.cluster.hooks import run_hook, run_hooks
from starcluster.clustersetup import ClusterSetup


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

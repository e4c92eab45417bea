"""Running the hooks of plugins, so that a failure says which plugin, where, and what the node answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starcluster import exception
from starcluster.clustersetup import ClusterSetup
from starcluster.logger import log


def name_of(plugin: ClusterSetup) -> str:
    """The name of the plugin's section."""
    return str(vars(plugin).get("__name__") or type(plugin).__name__)


def run_hook(plugin: ClusterSetup, hook: str, arguments: Sequence[Any]) -> None:
    """Call one hook by position; PluginError names plugin, node, command and output of what failed."""
    method = getattr(plugin, hook, None)
    if method is None:
        log.warning("plugin %s has no method %s", name_of(plugin), hook)
        return
    if _is_own(plugin, hook):
        log.info("Running plugin %s", name_of(plugin))
    try:
        method(*arguments)
    except NotImplementedError:
        log.debug("plugin %s does nothing on %s", name_of(plugin), hook)
    except Exception as error:
        raise exception.PluginError(_told(plugin, hook, error)) from error


def _is_own(plugin: ClusterSetup, hook: str) -> bool:
    """The plugin's class says something about this hook."""
    return getattr(type(plugin), hook, None) is not getattr(ClusterSetup, hook, None)


def run_hooks(plugins: Sequence[ClusterSetup], hook: str, arguments: Sequence[Any], *, force: bool = False) -> None:
    """Call the hook of all plugins in order; with `force` a failure is told and the next one called."""
    for plugin in plugins:
        try:
            run_hook(plugin, hook, arguments)
        except exception.PluginError as error:
            if not force:
                raise
            log.error("%s", error.explain())


def _told(plugin: ClusterSetup, hook: str, error: Exception) -> str:
    what = f"plugin '{name_of(plugin)}' failed in {hook}"
    if isinstance(error, exception.ThreadPoolException):
        lines = [f"{job}: {_one(failure)}" for failure, _, job in error.exceptions]
        return "\n".join([what + ":", *lines])
    return f"{what}: {_one(error)}"


def _one(error: Exception) -> str:
    if isinstance(error, exception.BaseException):
        return error.explain()
    return f"{type(error).__name__}: {error}"

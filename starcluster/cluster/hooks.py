"""Running the hooks of plugins, so that a failure says which plugin, where, and what the node answered."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from typing import Any

from starcluster import exception
from starcluster.clustersetup import ClusterSetup, DefaultClusterSetup
from starcluster.logger import log


def name_of(plugin: ClusterSetup) -> str:
    """The name of the plugin's section."""
    return str(vars(plugin).get("__name__") or type(plugin).__name__)


def run_hook(plugin: ClusterSetup, hook: str, arguments: Sequence[Any], *, own_only: bool = False) -> None:
    """Call one hook by position; PluginError names plugin, node, command and output of what failed.

    `own_only`: not what the plugin has of the default set-up.
    """
    method = getattr(plugin, hook, None)
    if method is None:
        log.warning("plugin %s has no method %s", name_of(plugin), hook)
        return
    if _is_inherited(plugin, hook, own_only):
        log.debug("plugin %s leaves %s to the default set-up", name_of(plugin), hook)
        return
    if _is_own(plugin, hook):
        log.info("Running plugin %s", name_of(plugin))
    try:
        method(*arguments)
    except NotImplementedError:
        log.debug("plugin %s does nothing on %s", name_of(plugin), hook)
    except (Exception, SystemExit) as error:
        log.debug("plugin %s failed in %s", name_of(plugin), hook, exc_info=True)
        raise exception.PluginError(_told(plugin, hook, arguments, error)) from error
    finally:
        for node in _nodes_of(arguments):
            node.after_hook()


def _is_own(plugin: ClusterSetup, hook: str) -> bool:
    """The plugin's class says something about this hook."""
    return getattr(type(plugin), hook, None) is not getattr(ClusterSetup, hook, None)


def _is_inherited(plugin: ClusterSetup, hook: str, own_only: bool) -> bool:
    """The hook would do the default set-up's work, which has been done, over again, and nothing else.

    A plugin that puts its own steps in the place of some of the default ones does want it done with them.
    """
    kind = type(plugin)
    if getattr(kind, hook) is not getattr(DefaultClusterSetup, hook) or not isinstance(plugin, DefaultClusterSetup):
        return False
    steps = [name for name in dir(DefaultClusterSetup) if name.startswith("_") and not name.startswith("__")]
    return own_only or all(getattr(kind, name) is getattr(DefaultClusterSetup, name) for name in steps)


def _nodes_of(arguments: Sequence[Any]) -> list[Any]:
    """The nodes that a hook was given, each once."""
    flat = [one for word in arguments for one in (word if isinstance(word, list) else [word])]
    return list({id(one): one for one in flat if hasattr(one, "after_hook")}.values())


def run_hooks(plugins: Sequence[ClusterSetup], hook: str, arguments: Sequence[Any], *, force: bool = False) -> None:
    """Call the hook of all plugins in order; with `force` a failure is told and the next one called."""
    for plugin in plugins:
        try:
            run_hook(plugin, hook, arguments)
        except exception.PluginError as error:
            if not force:
                raise
            log.error("%s", error.explain())


def _told(plugin: ClusterSetup, hook: str, arguments: Sequence[Any], error: BaseException) -> str:
    what = f"plugin '{name_of(plugin)}' failed in {hook}"
    if hook in ("on_add_node", "on_remove_node") and arguments:
        what += f" for {getattr(arguments[0], 'alias', arguments[0])}"
    if isinstance(error, exception.ThreadPoolException):
        lines = [f"{job}: {_one(failure, plugin)}" for failure, _, job in error.exceptions]
        return "\n".join([what + ":", *lines])
    return f"{what}: {_one(error, plugin)}"


def _one(error: BaseException, plugin: ClusterSetup) -> str:
    """What went wrong; of what we have not foreseen also where, in the plugin if it is there."""
    if isinstance(error, exception.BaseException):
        return error.explain()
    told = f"it ended the program ({error})" if isinstance(error, SystemExit) else f"{type(error).__name__}: {error}"
    frames = traceback.extract_tb(error.__traceback__)
    file = getattr(sys.modules.get(type(plugin).__module__), "__file__", "")
    place = next((one for one in reversed(frames) if one.filename == file), frames[-1] if frames else None)
    return f"{told} ({place.filename} line {place.lineno})" if place else told

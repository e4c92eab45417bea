"""Running the hooks of plugins, so that a failure says which plugin, where, and what the node answered."""

from __future__ import annotations

import inspect
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from starcluster import exception
from starcluster.cluster.printing import guarded_output
from starcluster.clustersetup import ClusterSetup, DefaultClusterSetup
from starcluster.logger import log
from starcluster.plugincode import importing, missing

_ONE_AT_A_TIME = threading.Lock()
_TELL_AFTER = 30.0
_OF_ONE_NODE = ("on_add_node", "on_remove_node")


def name_of(plugin: ClusterSetup) -> str:
    """The name of the plugin's section."""
    return str(vars(plugin).get("__name__") or type(plugin).__name__)


def run_hook(plugin: ClusterSetup, hook: str, arguments: Sequence[Any], *, own_only: bool = False) -> None:
    """Call one hook by position; PluginError names plugin, node, command and output of what failed.

    `own_only`: not what the plugin has of the default set-up.
    """
    if getattr(plugin, hook, None) is None:
        log.warning("plugin %s has no method %s", name_of(plugin), hook)
        return
    if _is_inherited(plugin, hook, own_only):
        log.debug("plugin %s leaves %s to the default set-up", name_of(plugin), hook)
        return
    if plugin.side_by_side:
        _call(plugin, hook, arguments, mine=arguments[:1] if hook in _OF_ONE_NODE else arguments)
        return
    with _turn(plugin), _told_threads(plugin, hook):
        alone = _apart(arguments) if hook in _OF_ONE_NODE else arguments
        _call(plugin, hook, alone, mine=alone)


@contextmanager
def _turn(plugin: ClusterSetup) -> Iterator[None]:
    """One hook at a time: plugins keep what they were given in themselves, and switch the users of shared nodes."""
    if not _ONE_AT_A_TIME.acquire(timeout=_TELL_AFTER):
        log.info("Plugin %s waits for one that is at work for another node", name_of(plugin))
        _ONE_AT_A_TIME.acquire()
    try:
        yield
    finally:
        _ONE_AT_A_TIME.release()


@contextmanager
def _told_threads(plugin: ClusterSetup, hook: str) -> Iterator[None]:
    """What ends a thread of the plugin's own is told in a line; the hook goes on, as it always did."""
    others, before = set(threading.enumerate()), threading.excepthook

    def tell(what: threading.ExceptHookArgs) -> None:
        if what.thread in others or not isinstance(what.exc_value, Exception):
            before(what)
            return
        log.debug("a thread of plugin %s failed in %s", name_of(plugin), hook, exc_info=what.exc_value)
        told = _one(what.exc_value, plugin)
        log.error("plugin '%s' goes on in %s without a thread of its own: %s", name_of(plugin), hook, told)

    threading.excepthook = tell
    try:
        yield
    finally:
        threading.excepthook = before


def _apart(arguments: Sequence[Any]) -> tuple[Any, ...]:
    """The arguments with connections of their own to all nodes but the one that it is about: others use those now."""
    node, *rest = arguments

    def twin(one: Any) -> Any:
        return one.twin() if one is not node and hasattr(one, "twin") else one

    return (node, *([twin(one) for one in word] if isinstance(word, list) else twin(word) for word in rest))


def _call(plugin: ClusterSetup, hook: str, arguments: Sequence[Any], *, mine: Sequence[Any]) -> None:
    """`mine`: the arguments whose nodes nobody else uses meanwhile.

    The plugin gets lists of its own: `nodes.remove(master)` is no concern of the next one.
    """
    if _is_own(plugin, hook):
        log.info("Running plugin %s", name_of(plugin))
    try:
        with guarded_output():
            getattr(plugin, hook)(*(list(word) if isinstance(word, list) else word for word in arguments))
    except NotImplementedError:
        log.debug("plugin %s does nothing on %s", name_of(plugin), hook)
    except (Exception, SystemExit) as error:
        log.debug("plugin %s failed in %s", name_of(plugin), hook, exc_info=True)
        raise exception.PluginError(_told(plugin, hook, arguments, error)) from error
    finally:
        for node in _nodes_of(mine):
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
    if hook in _OF_ONE_NODE and arguments:
        what += f" for {getattr(arguments[0], 'alias', arguments[0])}"
    if isinstance(error, exception.ThreadPoolException):
        lines = [f"{job}: {_one(failure, plugin)}" for failure, _, job in error.exceptions]
        return "\n".join([what + ":", *lines])
    return f"{what}: {_misfit(plugin, hook, arguments, error) or _one(error, plugin)}"


def _misfit(plugin: ClusterSetup, hook: str, arguments: Sequence[Any], error: BaseException) -> str:
    """That the hook can not be called as StarCluster calls it; "" where it was."""
    if not isinstance(error, TypeError) or traceback.extract_tb(error.__traceback__)[-1].filename != __file__:
        return ""
    takes, given = (inspect.signature(getattr(one, hook)) for one in (type(plugin), ClusterSetup))
    code = getattr(inspect.unwrap(getattr(type(plugin), hook)), "__code__", None)
    place = f" ({code.co_filename} line {code.co_firstlineno})" if code else ""
    names = ", ".join(list(given.parameters)[: len(arguments) + 1])
    return f"it takes ({', '.join(takes.parameters)}), and is given ({names}): was it written for a fork?{place}"


def _one(error: BaseException, plugin: ClusterSetup) -> str:
    """What went wrong; of what we have not foreseen also where, in the plugin if it is there."""
    if isinstance(error, exception.BaseException):
        return error.explain()
    told = f"it ended the program ({error})" if isinstance(error, SystemExit) else f"{type(error).__name__}: {error}"
    told = ", ".join([told, *getattr(error, "__notes__", [])])
    frames = traceback.extract_tb(error.__traceback__)
    file = getattr(sys.modules.get(type(plugin).__module__), "__file__", "")
    place = next((one for one in reversed(frames) if one.filename == file), frames[-1] if frames else None)
    if place:
        told += f" ({place.filename} line {place.lineno})"
    step = missing.next_step(error, importing.plugins_folder())
    return f"{told}\n{step}" if step else told

"""From a plugin's section in the config to the plugin: import, check, construct.

Strangers' plugins lie in ~/.starcluster/plugins, whose folder comes first on Python's path, or are entry points of
installed packages. How Python 2 files become Python 3 is plugincode's matter.
"""

from __future__ import annotations

import difflib
import functools
import importlib
import inspect
import traceback
from collections.abc import Mapping
from types import ModuleType
from typing import TYPE_CHECKING

from starcluster import exception
from starcluster.clustersetup import ClusterSetup
from starcluster.logger import log
from starcluster.plugincode import importing, missing

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "starcluster.plugins"


def load(name: str, setup_class: str, settings: Mapping[str, str]) -> ClusterSetup:
    """The plugin of section `name`; PluginError says what is wrong with class or settings."""
    kind = find_class(name, setup_class)
    arguments = _arguments(name, kind, settings)
    try:
        plugin = kind(**arguments)
    except exception.BaseException:
        raise
    except Exception as error:
        raise exception.PluginLoadError(
            f"plugin '{name}' refuses its settings: {_told(error)}", hint=f"see the section [plugin {name}]"
        ) from error
    if "__name__" not in vars(plugin) and not isinstance(getattr(type(plugin), "__name__", ""), property):
        plugin.__name__ = name  # type: ignore[attr-defined]
    return plugin


def find_class(name: str, setup_class: str) -> type[ClusterSetup]:
    """The class that SETUP_CLASS means: module.Class, or the name of an entry point."""
    entry = installed().get(setup_class)
    if entry is not None:
        return _checked(name, setup_class, getattr(load_module(name, entry.module), entry.attr, None), entry.module)
    module_name, _, class_name = setup_class.rpartition(".")
    if not module_name:
        raise exception.PluginError(
            f"plugin '{name}': SETUP_CLASS = {setup_class} has no module, and no installed package offers that name",
            hint="write it as module.Class; `starcluster plugin list` shows what there is",
        )
    module = load_module(name, module_name)
    return _checked(name, setup_class, getattr(module, class_name, None), module_name)


def installed() -> dict[str, EntryPoint]:
    """The plugins that installed packages offer, by name."""
    from importlib.metadata import entry_points  # slow, and most verbs load no plugin

    return {entry.name: entry for entry in entry_points(group=GROUP)}


def _checked(name: str, setup_class: str, kind: object, module_name: str) -> type[ClusterSetup]:
    if kind is None:
        module = importlib.import_module(module_name)
        known = ", ".join(classes_of(module))
        where = getattr(module, "__file__", None) or "built into Python"
        raise exception.PluginError(
            f"plugin '{name}': {module_name} has no class {setup_class.rpartition('.')[2]}",
            hint=f"{module_name} is {where}; its plugins: {known or 'none'}",
        )
    if not (isinstance(kind, type) and issubclass(kind, ClusterSetup)):
        raise exception.PluginError(
            f"plugin '{name}': {setup_class} is not a kind of starcluster.clustersetup.ClusterSetup"
        )
    return kind


def classes_of(module: ModuleType) -> list[str]:
    """Names of the plugin classes that the module itself defines."""
    return [
        name
        for name, kind in vars(module).items()
        if isinstance(kind, type) and issubclass(kind, ClusterSetup) and kind.__module__ == module.__name__
    ]


def load_module(name: str, module_name: str) -> ModuleType:
    """The module of plugin `name`; PluginError says what keeps it from being imported, and where."""
    importing.prepare()
    folder = importing.plugins_folder()
    try:
        return importlib.import_module(module_name)
    except exception.PluginError as error:
        raise type(error)(f"plugin '{name}': {error.msg}", hint=error.hint) from error
    except SyntaxError as error:
        raise exception.PluginSyntaxError(
            f"plugin '{name}' is not valid Python: {error.filename} line {error.lineno}: {error.msg}",
            hint="is it Python 2 all the same? Then write `# python2` into its first line",
        ) from error
    except ImportError as error:
        raise exception.PluginLoadError(
            f"plugin '{name}': {module_name} can not be imported: {error}{_place(error)}",
            hint=missing.next_step(error, folder, own=module_name) or f"plugins of your own lie in {folder}",
        ) from error
    except Exception as error:
        raise exception.PluginLoadError(
            f"plugin '{name}': {module_name} fails when imported: {_told(error)}"
        ) from error


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}{_place(error)}"


def _place(error: BaseException) -> str:
    """Where it happened: the last line that is neither Python's nor ours."""
    ours = str(importlib.import_module("starcluster").__path__[0])
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith(("<", ours)) and "importlib" not in frame.filename
    ]
    return f" ({frames[-1].filename} line {frames[-1].lineno})" if frames else ""


def _arguments(name: str, kind: type[ClusterSetup], settings: Mapping[str, str]) -> dict[str, str]:
    """The constructor's arguments out of the section; what it does not know is told and left out."""
    given = {key.lower(): value for key, value in settings.items()}
    found: dict[str, str] = {}
    missing: list[str] = []
    for parameter in parameters_of(kind):
        if parameter.name.lower() in given:
            found[parameter.name] = given[parameter.name.lower()]
        elif parameter.default is parameter.empty:
            missing.append(parameter.name)
    known = {parameter.name.lower() for parameter in parameters_of(kind)}
    for key in sorted(set(given) - known):
        near = difflib.get_close_matches(key, known, 1)
        _warn_unknown(name, key.upper(), near[0].upper() if near else "")
    if missing:
        raise exception.PluginError(
            f"plugin '{name}' needs {', '.join(missing)}", hint=f"set it in the section [plugin {name}]"
        )
    return found


def parameters_of(kind: type[ClusterSetup]) -> list[inspect.Parameter]:
    """The settings that the plugin's constructor takes."""
    every = list(inspect.signature(kind.__init__).parameters.values())[1:]
    return [one for one in every if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]


@functools.cache
def _warn_unknown(plugin: str, setting: str, near: str) -> None:
    """Tell once in a run, however often the plugin is made."""
    hint = f", did you mean {near}?" if near else ""
    log.warning("[plugin %s]: the plugin knows no setting %s%s", plugin, setting, hint)

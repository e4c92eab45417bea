"""From a plugin's section in the config to the plugin: import, check, construct.

Strangers' plugins lie in ~/.starcluster/plugins; their folder comes first on Python's path.
"""

from __future__ import annotations

import difflib
import functools
import importlib
import inspect
import sys
import traceback
from collections.abc import Mapping
from types import ModuleType

from starcluster import exception
from starcluster.clustersetup import ClusterSetup
from starcluster.logger import log, logs_folder


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
            f"plugin '{name}' refuses its settings: {type(error).__name__}: {error}",
            hint=f"see the section [plugin {name}]",
        ) from error
    if "__name__" not in vars(plugin) and not isinstance(getattr(type(plugin), "__name__", ""), property):
        plugin.__name__ = name  # type: ignore[attr-defined]
    return plugin


def find_class(name: str, setup_class: str) -> type[ClusterSetup]:
    """The class that SETUP_CLASS means."""
    module_name, _, class_name = setup_class.rpartition(".")
    if not module_name:
        raise exception.PluginError(
            f"plugin '{name}': SETUP_CLASS = {setup_class} has no module", hint="write it as module.Class"
        )
    module = _import(name, module_name)
    kind = getattr(module, class_name, None)
    if kind is None:
        raise exception.PluginError(f"plugin '{name}': {module_name} has no class {class_name}")
    if not (isinstance(kind, type) and issubclass(kind, ClusterSetup)):
        raise exception.PluginError(
            f"plugin '{name}': {setup_class} is not a kind of starcluster.clustersetup.ClusterSetup"
        )
    return kind


def _import(name: str, module_name: str) -> ModuleType:
    folder = str(logs_folder().parent / "plugins")
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        return importlib.import_module(module_name)
    except SyntaxError as error:
        raise exception.PluginSyntaxError(
            f"plugin '{name}' is not valid Python: {error.filename} line {error.lineno}: {error.msg}",
            hint=_python2_hint(error),
        ) from error
    except ImportError as error:
        raise exception.PluginLoadError(
            f"plugin '{name}': {module_name} can not be imported: {error}",
            hint=f"plugins of your own lie in {folder}",
        ) from error
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        raise exception.PluginLoadError(
            f"plugin '{name}': {module_name} fails when imported: {type(error).__name__}: {error} "
            f"({where.filename} line {where.lineno})"
        ) from error


def _python2_hint(error: SyntaxError) -> str:
    if "print" in (error.msg or "") or "multiple exception" in (error.msg or ""):
        return "it is written for Python 2; `python -m lib2to3` style changes are needed (print(...), except X as e)"
    return ""


def _arguments(name: str, kind: type[ClusterSetup], settings: Mapping[str, str]) -> dict[str, str]:
    """The constructor's arguments out of the section; what it does not know is told and left out."""
    given = {key.lower(): value for key, value in settings.items()}
    found: dict[str, str] = {}
    missing: list[str] = []
    every = list(inspect.signature(kind.__init__).parameters.values())[1:]
    parameters = [one for one in every if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]
    for parameter in parameters:
        if parameter.name.lower() in given:
            found[parameter.name] = given[parameter.name.lower()]
        elif parameter.default is parameter.empty:
            missing.append(parameter.name)
    known = {parameter.name.lower() for parameter in parameters}
    for key in sorted(set(given) - known):
        near = difflib.get_close_matches(key, known, 1)
        _warn_unknown(name, key.upper(), near[0].upper() if near else "")
    if missing:
        raise exception.PluginError(
            f"plugin '{name}' needs {', '.join(missing)}", hint=f"set it in the section [plugin {name}]"
        )
    return found


@functools.cache
def _warn_unknown(plugin: str, setting: str, near: str) -> None:
    """Tell once in a run, however often the plugin is made."""
    hint = f", did you mean {near}?" if near else ""
    log.warning("[plugin %s]: the plugin knows no setting %s%s", plugin, setting, hint)

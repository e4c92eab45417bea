"""Which plugins there are, bundled, in the user's folder, of packages and in the config; and what is known of one."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starcluster import exception, pluginloader
from starcluster.clustersetup import ClusterSetup
from starcluster.config.secrecy import without_secrets
from starcluster.plugincode import importing
from starcluster.plugincode.catalog import Offer, offers_of_folder

if TYPE_CHECKING:
    from starcluster.app import App
    from starcluster.config.schema import PluginSettings

HOOKS = ("run", "on_add_node", "on_remove_node", "on_restart", "on_shutdown", "wanted_nodes", "wanted_volumes")
BUNDLED, OWN, INSTALLED, CONFIG = "bundled", "own", "entry point", "config"
_PYTHON3 = "Python 3"


def every_offer() -> list[Offer]:
    """Nothing of anybody's is run for it."""
    import starcluster.plugins

    bundled = offers_of_folder(Path(starcluster.plugins.__path__[0]), source=BUNDLED, package="starcluster.plugins")
    own = offers_of_folder(importing.plugins_folder(), source=OWN)
    installed = [
        Offer(
            setup_class=name,
            source=INSTALLED,
            file="",
            language=_PYTHON3,
            summary=_origin(entry),
        )
        for name, entry in sorted(pluginloader.installed().items())
    ]
    return [*bundled, *own, *installed]


def _origin(entry: Any) -> str:
    return f"{entry.value} of {entry.dist.name if entry.dist else 'an installed package'}"


def sections(app: App) -> Sequence[PluginSettings]:
    """The config's plugins; none where there is no config."""
    try:
        return list(app.config.plugins.values())
    except exception.ConfigNotFound:
        return []


def written(app: App, section: str) -> Mapping[str, object]:
    """What the config's section of that name sets, by lower-case name; nothing of what is secret."""
    found = next((one.arguments for one in sections(app) if section and one.name == section), {})
    return without_secrets({name.lower(): value for name, value in found.items()})


def find(app: App, name: str) -> tuple[str, str]:
    """(section or "", SETUP_CLASS) of a section, entry point, class or module by name."""
    for section in sections(app):
        if section.name == name:
            return section.name, section.setup_class
    offers = every_offer()
    for offer in offers:
        if offer.problem and name in (offer.setup_class, _last(offer.setup_class)):
            raise exception.PluginLoadError(offer.problem)
        if name == offer.setup_class:
            return "", offer.setup_class
    near = [one for one in offers if not one.problem and name in (_last(one.setup_class), _module(one.setup_class))]
    found = list(dict.fromkeys(one.setup_class for one in near))
    if len(found) == 1:
        return "", found[0]
    if found:
        raise exception.PluginNotFound(f"'{name}' may be {' or '.join(found)}", hint="say which one")
    if "." in name:
        return "", name
    raise exception.PluginNotFound(f"there is no plugin '{name}'", hint="`starcluster plugin list` shows all of them")


def short_names() -> list[str]:
    """What `find` takes for each that can be used: the shortest word that means no other."""
    offers = [one.setup_class for one in every_offer() if not one.problem]
    modules = [_module(one) for one in offers]
    return [
        module if module and modules.count(module) == 1 else _last(one)
        for one, module in zip(offers, modules, strict=True)
    ]


def _last(setup_class: str) -> str:
    return setup_class.rpartition(".")[2]


def _module(setup_class: str) -> str:
    return setup_class.rpartition(".")[0].rpartition(".")[2]


def told(name: str, setup_class: str, kind: type[ClusterSetup], written: Mapping[str, object]) -> dict[str, Any]:
    """What `plugin show` tells of a class that has been loaded; `written`: its settings in the config."""
    file = inspect.getsourcefile(kind) or ""
    verdict = importing.language_of(file) if _is_own(file) else None
    return {
        "name": name or setup_class,
        "setup_class": setup_class,
        "class": f"{kind.__module__}.{kind.__qualname__}",
        "file": file,
        "language": str(verdict.language) if verdict else _PYTHON3,
        "reason": verdict.reason if verdict else "it is installed",
        "hooks": [hook for hook in HOOKS if getattr(kind, hook, None) is not getattr(ClusterSetup, hook)],
        "settings": [_setting(parameter, written) for parameter in pluginloader.parameters_of(kind)],
        "docstring": inspect.cleandoc(kind.__dict__.get("__doc__") or _module_doc(kind)),
    }


def _module_doc(kind: type) -> str:
    module = inspect.getmodule(kind)
    return (module.__doc__ if module else "") or ""


def _is_own(file: str) -> bool:
    return any(importing.is_below(file, folder) for folder in importing.own_folders())


def _setting(parameter: inspect.Parameter, written: Mapping[str, object]) -> dict[str, Any]:
    required = parameter.default is parameter.empty
    default = None if required or parameter.default is None else str(parameter.default)
    value = written.get(parameter.name.lower())
    return {"name": parameter.name.upper(), "required": required, "default": default, "value": value}

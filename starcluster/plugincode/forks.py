"""Modules that a fork of StarCluster has and we have not, taken from the user's own folder.

Forks put plugins of their own into starcluster/plugins and texts for them into starcluster/templates, and their users'
configs and plugins name them so. `starcluster.plugins.NAME` is then NAME.py of the plugin folder, and
`starcluster.templates.NAME` is templates/NAME.py in it. What we have ourselves comes first.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

_PLACES = {"starcluster.plugins": "", "starcluster.templates": "templates"}


def place_of(module: str, plugins: Path) -> Path | None:
    """Where in the plugin folder a module of that name may lie; None where we look for none."""
    package, _, own = module.rpartition(".")
    return plugins / _PLACES[package] / f"{own}.py" if package in _PLACES else None


def find(module: str, path: Sequence[str] | None, plugins: Path) -> ModuleSpec | None:
    """The spec of a module that only a fork has, if the user has its file."""
    place = place_of(module, plugins)
    if place is None or PathFinder.find_spec(module, path) is not None:
        return None
    return PathFinder.find_spec(module, [str(place.parent)])

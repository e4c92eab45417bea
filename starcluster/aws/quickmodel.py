"""EC2's model in botocore, cut to the calls that this program makes: a verb asks EC2 a tenth of a second sooner.

botocore reads 4 MB of JSON and makes 770 methods for EC2. The cut is a part of botocore's own text, made once for each
of its versions; requests are validated as ever. Where it can not be kept, or lacks a call, the whole model is used.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import botocore
from botocore.loaders import Loader

from starcluster import wholefile

Model = dict[str, Any]
_SERVICE, _KIND = "ec2", "service-2"


class QuickLoader(Loader):
    """`operations`: what a new cut is to have. `whole`: the old one does not do, and botocore's own is handed out."""

    def __init__(self, folder: Path, operations: Callable[[], Iterable[str]], *, whole: bool = False) -> None:
        super().__init__()
        self._whole = whole
        self._file = folder / f"ec2-{botocore.__version__}.json"
        self._operations = operations

    def load_service_model(self, service_name: str, type_name: str, api_version: str | None = None) -> Any:
        if service_name != _SERVICE or api_version is not None:
            return super().load_service_model(service_name, type_name, api_version)
        if type_name == _KIND:
            kept = None if self._whole else _read(self._file)
            if kept is not None:
                return kept
            model = super().load_service_model(service_name, type_name)
            _keep(self._file, cut(model, self._operations()))
            return model
        return super().load_service_model(service_name, type_name, self._version())

    def _version(self) -> str | None:
        """EC2's newest version, without a look at the folders of all other services."""
        found = [one for path in self.search_paths for one in _names(Path(path) / _SERVICE)]
        return max(found, default=None)


def cut(model: Model, operations: Iterable[str]) -> Model:
    """The model with these operations and what they are made of; without texts for people."""
    kept = {name: model["operations"][name] for name in operations if name in model["operations"]}
    shapes: Model = {}
    waiting = [shape for one in kept.values() for shape in _named(one)]
    while waiting:
        name = waiting.pop()
        if name not in shapes:
            shapes[name] = model["shapes"][name]
            waiting += _named(shapes[name])
    part = {**model, "operations": kept, "shapes": shapes}
    return {key: _plain(value) for key, value in part.items() if key != "examples"}


def _named(thing: Any) -> list[str]:
    """The shapes that an operation or a shape refers to."""
    if isinstance(thing, Mapping):
        own = [thing["shape"]] if isinstance(thing.get("shape"), str) else []
        return own + [name for value in thing.values() for name in _named(value)]
    if isinstance(thing, list):
        return [name for value in thing for name in _named(value)]
    return []


def _plain(thing: Any) -> Any:
    if isinstance(thing, dict):
        return {key: _plain(value) for key, value in thing.items() if not _is_text(key, value)}
    return [_plain(value) for value in thing] if isinstance(thing, list) else thing


def _is_text(key: str, value: Any) -> bool:
    """Texts for people; a member may have that name too."""
    return key in ("documentation", "documentationUrl") and isinstance(value, str)


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _read(path: Path) -> Model | None:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and {"metadata", "operations", "shapes"} <= found.keys() else None


def _keep(path: Path, model: Model) -> None:
    with contextlib.suppress(OSError):  # it is for speed only
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        wholefile.replace(path, json.dumps(model, separators=(",", ":")))

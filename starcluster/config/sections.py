"""One section to the values of its dataclass, with every fault of it. Errors name file, section and setting."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from starcluster.config import addresses, files, ini
from starcluster.config.schema import Kind
from starcluster.exception import ConfigError, ConfigSettingError

S = TypeVar("S")
_FIELDS = {"volumes": "volume_names", "plugins": "plugin_names", "permissions": "permission_names"}
_SETTINGS = {field: name for name, field in _FIELDS.items()}
_TRUE = ("1", "yes", "true", "on")
_FALSE = ("0", "no", "false", "off")


def specs(kind: Any) -> dict[str, dataclasses.Field[Any]]:
    """Setting name -> dataclass field."""
    return {_SETTINGS.get(one.name, one.name): one for one in dataclasses.fields(kind) if "setting" in one.metadata}


def convert(section: ini.Section, kind: Callable[..., S], **known: str) -> S:
    """The section's value; raises its first fault."""
    found, faults = values(section, kind)
    for fault in faults:
        raise fault
    return kind(**known, **found)


def values(section: ini.Section, kind: Callable[..., Any]) -> tuple[dict[str, Any], list[ConfigError]]:
    """What is written and can be read, by the dataclass's names, and what is wrong with the rest."""
    found: dict[str, Any] = {}
    faults: list[ConfigError] = []
    for name, spec in specs(kind).items():
        text = (section.text(name) or "").strip()
        try:
            if text:
                found[spec.name] = _value(section, name, text, spec)
            elif spec.metadata["required"]:
                faults.append(missing(section, name))
        except ConfigError as fault:
            faults.append(fault)
    return found, faults


def _value(section: ini.Section, name: str, text: str, spec: dataclasses.Field[Any]) -> Any:
    kind: Kind = spec.metadata["kind"]
    try:
        value = _READERS[kind](text)
    except ValueError:
        raise fault(section, name, f"{kind} is expected, not '{text}'") from None
    choices = spec.metadata["choices"]
    if choices and value not in choices:
        raise fault(section, name, f"'{text}' is not one of: {', '.join(choices)}")
    return value


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def _boolean(text: str) -> bool:
    if text.lower() not in _TRUE + _FALSE:
        raise ValueError(text)
    return text.lower() in _TRUE


def _list(text: str) -> tuple[str, ...]:
    return tuple(item.strip() for item in text.replace("\n", ",").split(",") if item.strip())


_READERS: Mapping[Kind, Callable[[str], Any]] = {
    Kind.TEXT: str,
    Kind.INTEGER: int,
    Kind.FLOAT: _number,
    Kind.BOOLEAN: _boolean,
    Kind.LIST: _list,
    Kind.PATH: files.expand,
    Kind.PATHS: lambda text: tuple(files.expand(path) for path in _list(text)),
    Kind.CIDRS: lambda text: tuple(addresses.cidr(one) for one in _list(text)),
    Kind.PROXY: addresses.proxy,
}


def missing(section: ini.Section, name: str) -> ConfigSettingError:
    return ConfigSettingError("is missing", file=section.file(), section=section.title, setting=name.upper())


def fault(section: ini.Section, name: str, what: str, hint: str = "") -> ConfigSettingError:
    return ConfigSettingError(
        what, file=section.file(name), section=section.title_of(name), setting=name.upper(), hint=hint
    )

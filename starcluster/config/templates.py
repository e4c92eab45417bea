"""[cluster ...]: what it EXTENDS merged in, the sections that it names looked up, and every fault of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from starcluster.config import ini
from starcluster.config.schema import ClusterTemplate, Config, TypeRun
from starcluster.config.sections import fault, values
from starcluster.exception import ConfigError

_LISTS = ("volumes", "plugins", "permissions")


def template(document: ini.Document, config: Config, name: str) -> tuple[ClusterTemplate | None, list[ConfigError]]:
    """The template, None when it is wrong, and its faults; a fault of a section that it names is its own."""
    found, faults = as_far_as_it_goes(document, config, name)
    return (None if faults else found), faults


def as_far_as_it_goes(
    document: ini.Document, config: Config, name: str
) -> tuple[ClusterTemplate | None, list[ConfigError]]:
    """The template with defaults for what is wrong in it, None when what it EXTENDS is; and its faults."""
    try:
        section = extended(document, name)
    except ConfigError as error:
        return None, [error]
    found, faults = values(section, ClusterTemplate)
    if "node_instance_type" in found:
        found, more = _with_runs(section, found)
        faults += more
    for setting, known in _named_by(config).items():
        named = found.get(f"{setting.removesuffix('s')}_names", ())
        found[setting], more = _looked_up(section, setting, named, known, config.broken)
        faults += more
    if "keyname" in found:
        keys, more = _looked_up(section, "keyname", [found["keyname"]], config.keys, config.broken)
        found["key_location"] = next((key.key_location for key in keys), "")
        faults += more
    if "cluster_size" in found:
        faults += _counts(section, found["cluster_size"], found.get("type_runs", ()))
    else:
        found.pop("type_runs", None)
    return ClusterTemplate(name=name, **found), faults


def _named_by(config: Config) -> dict[str, Mapping[str, Any]]:
    return {"volumes": config.volumes, "plugins": config.plugins, "permissions": config.permissions}


def extended(document: ini.Document, name: str) -> ini.Section:
    """The section with its ancestors' settings below its own; a list is replaced, not added to."""
    chain = list(ancestry(document, name))
    raw: dict[str, str] = {}
    files: dict[str, str] = {}
    titles: dict[str, str] = {}
    for section in reversed(chain):
        # each section's %(name)s means a setting of its own
        raw.update({setting: section.text(setting) or "" for setting in section.raw})
        files.update(section.files)
        titles.update(dict.fromkeys(section.raw, section.title))
    defaults = {setting: chain[0].text(setting) or "" for setting in chain[0].defaults}
    return dataclasses.replace(chain[0], raw=raw, files=files, titles=titles, defaults=defaults, filled=True)


def placed(document: ini.Document, error: ConfigError) -> ConfigError:
    """An error that knows no file, with the one that wrote its setting, be it in a section that this one EXTENDS."""
    kind, _, name = error.section.partition(" ")
    if error.file or not kind:
        return error
    section = extended(document, name) if kind == "cluster" else document.get(error.section)
    setting = error.setting.lower()
    where = {"file": section.file(setting), "section": section.title_of(setting)}
    return type(error)(error.what, setting=error.setting, hint=error.hint, **where)


def ancestry(document: ini.Document, name: str) -> Iterator[ini.Section]:
    """The section, the one that it EXTENDS, and so on."""
    section = document.get(f"cluster {name}")
    seen = [f"cluster {name}"]
    yield section
    while parent := section.text("extends"):
        wanted = f"cluster {parent}"
        if wanted in seen:
            raise fault(section, "extends", f"goes in a circle: {' -> '.join([*seen, wanted])}")
        if wanted not in document.sections:
            raise fault(section, "extends", f"there is no section [{wanted}]", _known(ini.names(document, "cluster")))
        section = document.sections[wanted]
        seen.append(wanted)
        yield section


def _known(names: Iterable[str]) -> str:
    told = ", ".join(sorted(names))
    return f"known: {told}" if told else ""


def _looked_up(
    section: ini.Section,
    setting: str,
    names: Iterable[str],
    known: Mapping[str, Any],
    broken: Mapping[str, ConfigError],
) -> tuple[tuple[Any, ...], list[ConfigError]]:
    word = {"keyname": "key"}.get(setting, setting.removesuffix("s"))
    found, faults = [], []
    for name in names:
        if name in known:
            found.append(known[name])
        else:
            unknown = fault(section, setting, f"there is no section [{word} {name}]", _known(known))
            faults.append(broken.get(f"{word} {name}", unknown))
    return tuple(found), faults


def _with_runs(section: ini.Section, found: dict[str, Any]) -> tuple[dict[str, Any], list[ConfigError]]:
    try:
        runs, default_type = type_runs(section, found["node_instance_type"])
    except ConfigError as error:
        return found, [error]
    return {**found, "node_instance_type": default_type, "type_runs": runs}, []


def type_runs(section: ini.Section, text: str) -> tuple[tuple[TypeRun, ...], str]:
    """NODE_INSTANCE_TYPE `type[:image][:count], ..., default`: the runs, and the default type."""
    items = [item.strip() for item in text.split(",") if item.strip()]
    if not items or ":" in items[-1]:
        raise fault(section, "node_instance_type", "the last item is the default type alone, such as t3.micro")
    return tuple(_type_run(section, item) for item in items[:-1]), items[-1]


def _type_run(section: ini.Section, item: str) -> TypeRun:
    kind, *rest = [word.strip() for word in item.split(":")]
    if len(rest) > 2:
        raise fault(section, "node_instance_type", f"'{item}' has too many colons: type[:image][:count]")
    count, image = 1, ""
    if rest and rest[-1].isdigit():
        count = int(rest.pop())
    elif len(rest) == 2:
        raise fault(section, "node_instance_type", f"'{rest[-1]}' in '{item}' is not a count")
    if rest:
        image = rest[0]
    if count < 1:
        raise fault(section, "node_instance_type", f"the count in '{item}' must be at least 1")
    return TypeRun(instance_type=kind, image_id=image, count=count)


def _counts(section: ini.Section, size: int, runs: Iterable[TypeRun]) -> Iterator[ConfigError]:
    if size < 1:
        yield fault(section, "cluster_size", "must be at least 1")
        return
    wanted = sum(run.count for run in runs)
    if wanted > size - 1:
        yield fault(section, "node_instance_type", f"names {wanted} workers, CLUSTER_SIZE {size} has {size - 1}")

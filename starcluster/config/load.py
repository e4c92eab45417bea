"""From the sections of the file to checked values. Every error names file, section and setting."""

from __future__ import annotations

import dataclasses
import difflib
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from starcluster import exception
from starcluster.config import files, ini
from starcluster.config.schema import (
    AwsSettings,
    CloudName,
    ClusterTemplate,
    Config,
    GlobalSettings,
    KeySettings,
    Kind,
    PermissionSettings,
    PluginSettings,
    TypeRun,
    VolumeSettings,
)
from starcluster.exception import ConfigSettingError
from starcluster.logger import log

S = TypeVar("S")
Named = TypeVar("Named", KeySettings, VolumeSettings, PluginSettings, PermissionSettings, ClusterTemplate)
Broken = dict[str, exception.ConfigError]
LOCAL_KEY = "local"
_FIELDS = {"volumes": "volume_names", "plugins": "plugin_names", "permissions": "permission_names"}
_SETTINGS = {field: name for name, field in _FIELDS.items()}
_ASIDE = {"__stderr__": True}
_TRUE = ("1", "yes", "true", "on")
_FALSE = ("0", "no", "false", "off")


def load(given: str | None = None, *, cloud: str | None = None) -> Config:
    """Read and check the config; `cloud` (the option) beats STARCLUSTER_CLOUD and [global] CLOUD."""
    path = files.config_path(given)
    try:
        document = ini.read(path)
    except exception.ConfigNotFound as error:
        raise exception.ConfigNotFound(error.msg, hint=_no_config_hint(path, cloud)) from error
    return _config(document, cloud)


def _no_config_hint(path: str, cloud: str | None) -> str:
    if ini.is_url(path):
        return ""
    copy = f"cp {_short(files.example())} {path}"
    if (cloud or os.environ.get("STARCLUSTER_CLOUD")) == CloudName.LOCAL:
        return f"make one that works on the local cloud as it is: {copy}"
    return f"make one: {copy} (it uses the local cloud; its comments tell what AWS needs)"


def _short(path: Path) -> str:
    """The way to write a path here: relative where that is shorter."""
    real = str(path.resolve())
    return min(real, os.path.relpath(real), key=len)


def cloud_name(chosen: str | None, written: str) -> CloudName:
    """Which cloud: the option, the environment, the config, else AWS."""
    name = chosen or os.environ.get("STARCLUSTER_CLOUD") or written or CloudName.AWS
    try:
        return CloudName(name.lower())
    except ValueError:
        raise exception.UsageError(
            f"there is no cloud '{name}'", hint=f"the clouds are: {', '.join(CloudName)}"
        ) from None


def _config(document: ini.Document, chosen: str | None) -> Config:
    main = _read(document, "global", GlobalSettings)
    cloud = cloud_name(chosen, main.cloud)
    broken: Broken = {}
    keys = _named(document, ("key", "keypair"), _key_reader(document, cloud), broken)
    volumes = _named(document, ("volume", "vol"), _reader(document, VolumeSettings), broken)
    plugins = _named(document, ("plugin",), lambda title, name: _plugin(document, title, name), broken)
    permissions = _named(document, ("permission",), _reader(document, PermissionSettings), broken)
    config = Config(
        path=document.path,
        cloud=cloud,
        globals=main,
        aws=_aws(document) if cloud is CloudName.AWS else AwsSettings(),
        keys=keys,
        volumes=volumes,
        plugins=plugins,
        permissions=permissions,
        broken=broken,
    )
    templates = _named(document, ("cluster",), lambda title, name: _template(document, config, title, name), broken)
    return dataclasses.replace(config, templates=templates)


def _named(
    document: ini.Document, words: tuple[str, ...], read: Callable[[str, str], Named], broken: Broken
) -> dict[str, Named]:
    """All sections `[word NAME]`, by name; one that is wrong is told, and fails those only who use it."""
    found: dict[str, Named] = {}
    for title, section in document.sections.items():
        word, _, name = title.partition(" ")
        if word not in words:
            continue
        if not name:
            raise exception.ConfigError(f"the section needs a name: [{word} NAME]", file=section.file(), section=title)
        try:
            found[name] = read(title, name)
        except exception.ConfigError as error:
            if error not in broken.values():
                log.warning("%s (matters only to what uses it)", error, extra=_ASIDE)
            broken[f"{words[0]} {name}"] = error
    return found


def _reader(document: ini.Document, kind: Callable[..., Named]) -> Callable[[str, str], Named]:
    return lambda title, name: _read(document, title, kind, name=name)


def _key_reader(document: ini.Document, cloud: CloudName) -> Callable[[str, str], KeySettings]:
    """The local cloud's own key needs no KEY_LOCATION: it is known where the cloud puts it."""

    def read(title: str, name: str) -> KeySettings:
        if cloud is CloudName.LOCAL and name == LOCAL_KEY and not document.get(title).text("key_location"):
            return KeySettings(name=name, key_location=str(files.local_key()))
        return _read(document, title, KeySettings, name=name)

    return read


def _plugin(document: ini.Document, title: str, name: str) -> PluginSettings:
    """Arguments are taken as they are written: no interpolation, newlines kept."""
    section = document.get(title)
    setup_class = section.text("setup_class")
    if not setup_class:
        raise _missing(section, "setup_class")
    arguments = {key: value for key, value in section.raw.items() if key != "setup_class"}
    return PluginSettings(name=name, setup_class=setup_class, arguments=arguments)


def _aws(document: ini.Document) -> AwsSettings:
    """[aws info], where each setting may be overruled by an environment variable of its name."""
    section = document.get("aws info")
    names = [name for name in _specs(AwsSettings) if ini.environment(name) is not None]
    texts = {name: str(ini.environment(name)) for name in names}
    raw = dict(section.raw)
    if "aws_access_key_id" in texts:
        # the file's token belongs to the file's keys
        raw.pop("aws_session_token", None)
    elif raw.get("aws_access_key_id"):
        texts.pop("aws_session_token", None)
    for name in texts:
        log.warning("Setting '%s' from environment", name.upper())
    merged = dataclasses.replace(
        section,
        raw=raw | texts,
        files=section.files | dict.fromkeys(texts, "environment"),
    )
    return _convert(merged, AwsSettings)


# -- cluster templates


def _template(document: ini.Document, config: Config, title: str, name: str) -> ClusterTemplate:
    section = _extended(document, title)
    template: ClusterTemplate = _convert(section, ClusterTemplate, name=name, extra={"extends", *_FIELDS})
    runs, default_type = type_runs(section, template.node_instance_type)
    broken = config.broken
    template = dataclasses.replace(
        template,
        node_instance_type=default_type,
        type_runs=runs,
        volumes=tuple(_looked_up(section, "volumes", template.volume_names, config.volumes, broken)),
        plugins=tuple(_looked_up(section, "plugins", template.plugin_names, config.plugins, broken)),
        permissions=tuple(_looked_up(section, "permissions", template.permission_names, config.permissions, broken)),
        key_location=next(_looked_up(section, "keyname", [template.keyname], config.keys, broken)).key_location,
    )
    _check_counts(section, template)
    return template


def _extended(document: ini.Document, title: str) -> ini.Section:
    """The section with its ancestors' settings below its own; a list is replaced, not added to."""
    chain = [document.get(title)]
    while parent := chain[-1].text("extends"):
        wanted = f"cluster {parent}"
        if wanted in [section.title for section in chain]:
            circle = " -> ".join([*(section.title for section in chain), wanted])
            raise _fault(chain[-1], "extends", f"goes in a circle: {circle}")
        if wanted not in document.sections:
            raise _fault(chain[-1], "extends", f"there is no section [{wanted}]")
        chain.append(document.get(wanted))
    raw: dict[str, str] = {}
    written: dict[str, str] = {}
    for section in reversed(chain):
        raw.update(section.raw)
        written.update(section.files)
    return dataclasses.replace(chain[0], raw=raw, files=written)


def _looked_up(
    section: ini.Section,
    setting: str,
    names: Iterable[str],
    known: Mapping[str, Named],
    broken: Mapping[str, exception.ConfigError],
) -> Iterator[Named]:
    word = {"keyname": "key"}.get(setting, setting.removesuffix("s"))
    for name in names:
        if error := broken.get(f"{word} {name}"):
            raise error
        if name not in known:
            hint = f"known: {', '.join(sorted(known))}" if known else ""
            raise _fault(section, setting, f"there is no section [{word} {name}]", hint)
        yield known[name]


def type_runs(section: ini.Section, text: str) -> tuple[tuple[TypeRun, ...], str]:
    """NODE_INSTANCE_TYPE `type[:image][:count], ..., default`: the runs, and the default type."""
    items = [item.strip() for item in text.split(",") if item.strip()]
    if not items or ":" in items[-1]:
        raise _fault(section, "node_instance_type", "the last item is the default type alone, such as t3.micro")
    return tuple(_type_run(section, item) for item in items[:-1]), items[-1]


def _type_run(section: ini.Section, item: str) -> TypeRun:
    kind, *rest = [word.strip() for word in item.split(":")]
    if len(rest) > 2:
        raise _fault(section, "node_instance_type", f"'{item}' has too many colons: type[:image][:count]")
    count, image = 1, ""
    if rest and rest[-1].isdigit():
        count = int(rest.pop())
    elif len(rest) == 2:
        raise _fault(section, "node_instance_type", f"'{rest[-1]}' in '{item}' is not a count")
    if rest:
        image = rest[0]
    if count < 1:
        raise _fault(section, "node_instance_type", f"the count in '{item}' must be at least 1")
    return TypeRun(instance_type=kind, image_id=image, count=count)


def _check_counts(section: ini.Section, template: ClusterTemplate) -> None:
    if template.cluster_size < 1:
        raise _fault(section, "cluster_size", "must be at least 1")
    wanted = sum(run.count for run in template.type_runs)
    if wanted > template.cluster_size - 1:
        raise _fault(
            section,
            "node_instance_type",
            f"names {wanted} workers, CLUSTER_SIZE {template.cluster_size} has {template.cluster_size - 1}",
        )


# -- one section to one dataclass


def _read(document: ini.Document, title: str, kind: Callable[..., S], **known: str) -> S:
    return _convert(document.get(title), kind, **known)


def _specs(kind: Any) -> dict[str, dataclasses.Field[Any]]:
    """Setting name -> dataclass field."""
    return {_SETTINGS.get(one.name, one.name): one for one in dataclasses.fields(kind) if "setting" in one.metadata}


def _convert(section: ini.Section, kind: Callable[..., S], *, extra: Iterable[str] = (), **known: str) -> S:
    specs = _specs(kind)
    _warn_unknown(section, {*specs, *extra})
    values: dict[str, Any] = dict(known)
    for name, spec in specs.items():
        text = section.text(name)
        if text is None or not text.strip():
            if spec.metadata["required"]:
                raise _missing(section, name)
            continue
        values[spec.name] = _value(section, name, text.strip(), spec)
    return kind(**values)


def _warn_unknown(section: ini.Section, known: set[str]) -> None:
    for name in section.raw:
        if name in known:
            continue
        near = difflib.get_close_matches(name, known, 1)
        hint = f", did you mean {near[0].upper()}?" if near else ""
        what = (section.file(name), section.title, name.upper(), hint)
        log.warning("%s [%s]: unknown setting %s%s", *what, extra=_ASIDE)


def _value(section: ini.Section, name: str, text: str, spec: dataclasses.Field[Any]) -> Any:
    kind: Kind = spec.metadata["kind"]
    try:
        value = _READERS[kind](text)
    except ValueError:
        raise _fault(section, name, f"{kind} is expected, not '{text}'") from None
    choices = spec.metadata["choices"]
    if choices and value not in choices:
        raise _fault(section, name, f"'{text}' is not one of: {', '.join(choices)}")
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
}


def _missing(section: ini.Section, name: str) -> ConfigSettingError:
    return ConfigSettingError("is missing", file=section.file(), section=section.title, setting=name.upper())


def _fault(section: ini.Section, name: str, what: str, hint: str = "") -> ConfigSettingError:
    return ConfigSettingError(what, file=section.file(name), section=section.title, setting=name.upper(), hint=hint)

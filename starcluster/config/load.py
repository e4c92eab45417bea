"""From the sections of the file to checked values. Every error names file, section and setting."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from starcluster import exception
from starcluster.config import files, ini, templates
from starcluster.config.schema import (
    AwsSettings,
    CloudName,
    ClusterTemplate,
    Config,
    GlobalSettings,
    KeySettings,
    PermissionSettings,
    PluginSettings,
    VolumeSettings,
)
from starcluster.config.secrecy import is_secret
from starcluster.config.sections import fault, missing, specs, values
from starcluster.config.unknown import SECTIONS, unknown
from starcluster.logger import log

Named = TypeVar("Named", KeySettings, VolumeSettings, PluginSettings, PermissionSettings, ClusterTemplate)
Read = Callable[[str], tuple[Named | None, list[exception.ConfigError]]]
LOCAL_KEY = "local"
ENVIRONMENT = "environment"
_ASIDE = {"__stderr__": True}
_HOST = re.compile(r"[A-Za-z0-9._:-]+|\[[0-9A-Fa-f:.]+\]")
_ZONE = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9][a-z]")
_KEY_ID = re.compile(r"[\w/+=.-]*")  # AWS's have letters and digits only
_PLURAL = {"cluster": "templates"}


def load(given: str | None = None, *, cloud: str | None = None) -> Config:
    """Read and check the config; `cloud` (the option) beats STARCLUSTER_CLOUD and [global] CLOUD."""
    document = document_of(given, cloud=cloud)
    config = config_of(document, cloud=cloud)
    for line in [*unknown(document), *open_secrets(document)]:
        log.warning("%s", line, extra=_ASIDE)
    for error in config.fatal:
        raise error
    for name in config.from_environment:
        log.warning("Setting '%s' from environment", name)
    return config


def tell_broken(config: Config) -> None:
    """What is wrong in sections that nobody has asked for so far: who asks for one hears it as the error."""
    broken = list(config.broken.values())
    for error in config.faults:
        if error in broken:
            log.warning("%s (matters only to what uses it)", error, extra=_ASIDE)


def document_of(given: str | None, *, cloud: str | None = None) -> ini.Document:
    """The config's text by sections; ConfigNotFound tells how to make one."""
    path = files.config_path(given)
    try:
        return ini.read(path)
    except exception.ConfigNotFound as error:
        raise exception.ConfigNotFound(error.msg, hint=_no_config_hint(path, cloud)) from error


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


def config_of(document: ini.Document, *, cloud: str | None = None) -> Config:
    """The config with all its faults: `fatal` ones concern every verb, the others those who use the section."""
    written, fatal = values(document.get("global"), GlobalSettings)
    main = GlobalSettings(**written)
    name = cloud_name(cloud, main.cloud)
    aws, more = _aws(document) if name is CloudName.AWS else (AwsSettings(), [])
    environment = tuple(sorted(_from_environment(document))) if name is CloudName.AWS else ()
    config = Config(
        path=document.path, cloud=name, globals=main, aws=aws, fatal=(*fatal, *more), from_environment=environment
    )
    readers: dict[str, Read[Any]] = {
        "key": _key_reader(document, name),
        "volume": _reader(document, "volume", VolumeSettings),
        "plugin": lambda one: _plugin(document, one),
        "permission": _reader(document, "permission", PermissionSettings),
    }
    for kind, read in readers.items():
        config = _with_sections(config, document, kind, read)
    return _with_sections(config, document, "cluster", lambda one: templates.template(document, config, one))


def _with_sections(config: Config, document: ini.Document, kind: str, read: Read[Any]) -> Config:
    """The config with all sections `[kind NAME]`; one that is wrong fails those only who use it."""
    found: dict[str, Any] = {}
    broken = dict(config.broken)
    faults = list(config.faults)
    for name in ini.names(document, kind):
        value, wrong = read(name) if name else (None, [_nameless(document, kind)])
        if value is None:
            broken[f"{kind} {name}".strip()] = wrong[0]
        else:
            found[name] = value
        # templates hand on what is wrong in them
        faults += [one for one in wrong if str(one) not in map(str, faults)]
    changes: dict[str, Any] = {_PLURAL.get(kind, f"{kind}s"): found, "broken": broken, "faults": tuple(faults)}
    return dataclasses.replace(config, **changes)


def _nameless(document: ini.Document, kind: str) -> exception.ConfigError:
    section = document.get(kind)
    return exception.ConfigError(f"the section needs a name: [{kind} NAME]", file=section.file(), section=section.title)


def _reader(document: ini.Document, word: str, kind: Callable[..., Named]) -> Read[Named]:
    def read(name: str) -> tuple[Named | None, list[exception.ConfigError]]:
        found, faults = values(document.get(f"{word} {name}"), kind)
        return (None if faults else kind(name=name, **found)), faults

    return read


def _key_reader(document: ini.Document, cloud: CloudName) -> Read[KeySettings]:
    """The local cloud's own key needs no KEY_LOCATION: it is known where the cloud puts it."""
    plainly = _reader(document, "key", KeySettings)

    def read(name: str) -> tuple[KeySettings | None, list[exception.ConfigError]]:
        if cloud is CloudName.LOCAL and name == LOCAL_KEY and not document.get(f"key {name}").text("key_location"):
            return KeySettings(name=name, key_location=str(files.local_key())), []
        return plainly(name)

    return read


def _plugin(document: ini.Document, name: str) -> tuple[PluginSettings | None, list[exception.ConfigError]]:
    """Arguments are taken as they are written: no interpolation, newlines kept."""
    section = document.get(f"plugin {name}")
    setup_class = section.text("setup_class")
    if not setup_class:
        return None, [missing(section, "setup_class")]
    arguments = {key: value for key, value in section.raw.items() if key != "setup_class"}
    return PluginSettings(name=name, setup_class=setup_class, arguments=arguments), []


def _aws(document: ini.Document) -> tuple[AwsSettings, list[exception.ConfigError]]:
    section = aws_section(document)
    found, faults = values(section, AwsSettings)
    return AwsSettings(**found), [*faults, *_access_faults(section)]


def _access_faults(section: ini.Section) -> Iterator[exception.ConfigError]:
    """A key by halves, and an address that is none."""
    key, secret = "aws_access_key_id", "aws_secret_access_key"
    for there, other in ((key, secret), (secret, key)):
        if section.text(there) and not section.text(other):
            yield exception.ConfigSettingError(
                f"is missing, {there.upper()} is there",
                file=section.file(there),
                section=section.title,
                setting=other.upper(),
            )
    region = section.text("aws_region_name") or ""
    if _ZONE.fullmatch(region.strip()):
        yield fault(section, "aws_region_name", f"{region} is a zone: its region is {region.strip()[:-1]}")
    written = section.text(key) or ""
    if _is_aws(section.text("aws_region_host") or "") and not _KEY_ID.fullmatch(written):
        yield fault(section, key, f"'{written}' is not the id of an access key", "IAM shows it, such as AKIA...")
    host = section.text("aws_region_host")
    if host and not _HOST.fullmatch(host):
        hint = "such as ec2.us-east-1.amazonaws.com; the rest of an address is AWS_IS_SECURE, AWS_PORT and AWS_EC2_PATH"
        yield fault(section, "aws_region_host", f"'{host}' is not the name of a host", hint)


def _is_aws(host: str) -> bool:
    """No address of somebody else, who may have ids of other letters."""
    return not host or host.endswith("amazonaws.com")


def aws_section(document: ini.Document) -> ini.Section:
    """[aws info], where each setting may be overruled by an environment variable of its name."""
    section = document.get("aws info")
    texts = _from_environment(document)
    raw = dict(section.raw)
    if "AWS_ACCESS_KEY_ID" in texts:
        # the file's token belongs to the file's keys
        raw.pop("aws_session_token", None)
    lower = {name.lower(): text for name, text in texts.items()}
    return dataclasses.replace(section, raw=raw | lower, files=section.files | dict.fromkeys(lower, ENVIRONMENT))


def _from_environment(document: ini.Document) -> dict[str, str]:
    """The settings of [aws info] that the environment has, by their names in capitals."""
    told = {name.upper(): ini.environment(name) for name in specs(AwsSettings)}
    texts = {name: text for name, text in told.items() if text is not None}
    if "AWS_ACCESS_KEY_ID" not in texts and document.get("aws info").raw.get("aws_access_key_id"):
        texts.pop("AWS_SESSION_TOKEN", None)
    return texts


def open_secrets(document: ini.Document) -> Iterator[str]:
    """Files with a secret that others on this machine can read."""
    for path in dict.fromkeys(file for section in document.sections.values() for file in section.files.values()):
        secret = next((name for name, text in _secrets_in(document, path) if text), "")
        if secret and not ini.is_url(path) and files.is_open(path):
            yield f"{path} holds {secret} and can be read by others: chmod 600 {path}"


def _secrets_in(document: ini.Document, path: str) -> Iterator[tuple[str, str]]:
    for section in document.sections.values():
        for name, text in section.raw.items():
            if section.file(name) == path and is_secret(name):
                yield name.upper(), text


def defaults_of(kind: str) -> dict[str, str]:
    """What holds for each setting of a kind of section that is not written, as one would write it."""
    found = {}
    for name, one in specs(SECTIONS[kind]).items():
        value = one.default
        found[name] = "" if value is None or value == () else str(value)
    return found

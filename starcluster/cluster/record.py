"""The cluster's record in the cloud: every tag key, and the values behind them.

The security group `@sc-TAG` carries the record as JSON (zlib, base64) in as many tags as it takes, because a
tag holds 256 characters and a resource 50 tags. Older schemas are read; a newer one is read as far as it goes and
never written to.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starcluster import __version__, exception
from starcluster.config import secrecy
from starcluster.model import Instance, RootVolume

SCHEMA = "@sc-schema"
CLUSTER = "@sc-cluster"
VERSION = "@sc-version"
PHASE = "@sc-phase"
STARTER = "@sc-starter"
PLACEMENT = "@sc-placement"
READY = "@sc-ready"
GENERATION = "@sc-generation"
PREPARED = "@sc-prepared"
ALIAS = "alias"
NAME = "Name"
USER = "User"
PROJECT = "Project"
CORE = "@sc-core"
SETTINGS = "@sc-user"
PLUGINS = "@sc-plugins"
VOLUMES = "@sc-volumes"

CURRENT_SCHEMA = 1
OLDEST_SCHEMA = 1
PHASE_LAUNCHING = "launching"
PHASE_UP = "up"
PHASE_TERMINATING = "terminating"
_PIECE = 255
_MOST_TAGS = 50


@dataclass(frozen=True, kw_only=True)
class VolumeRecord:
    """A volume of the cluster as the config named it: mounted on the master at mount_path."""

    name: str
    volume_id: str
    mount_path: str
    device: str = ""
    partition: int | None = None


@dataclass(frozen=True, kw_only=True)
class PluginRecord:
    """A plugin section: settings are strings, as written in the config."""

    name: str
    setup_class: str
    settings: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        return secrecy.words(self)


@dataclass(frozen=True, kw_only=True)
class NodeKind:
    """What the first workers are made of where NODE_INSTANCE_TYPE is a list."""

    instance_type: str
    image: str = ""


@dataclass(frozen=True, kw_only=True)
class RuleRecord:
    """A rule of the group that [permission NAME] asked for."""

    name: str
    protocol: str
    from_port: int
    to_port: int
    cidr: str


@dataclass(frozen=True, kw_only=True)
class ClusterRecord:
    """What the cluster was started with. `zone`: where it is, "" = where its master is; `zones`: where else workers
    may be; `spot_max_wait` in minutes."""

    keyname: str
    template: str = ""
    cluster_size: int = 1
    master_image: str = ""
    master_type: str = ""
    node_image: str = ""
    node_type: str = ""
    node_kinds: tuple[NodeKind, ...] = ()
    other_types: tuple[str, ...] = ()
    zone: str = ""
    zones: tuple[str, ...] = ()
    subnet_id: str = ""
    public_ips: bool | None = None
    iam_profile: str = ""
    placement_group: bool = False
    root_volume_size: int | None = None
    root_volume_type: str = ""
    root_volume_iops: int | None = None
    root_volume_throughput: int | None = None
    dns_prefix: str = ""
    disable_queue: bool = False
    disable_cloudinit: bool = False
    login_user: str = ""
    force_spot_master: bool = False
    spot_bid: float | None = None
    master_spot_bid: float | None = None
    spot_max_wait: float | None = None
    fallback: str = "fail"
    cluster_user: str = "sgeadmin"
    cluster_shell: str = "bash"
    userdata_scripts: tuple[str, ...] = ()
    rules: tuple[RuleRecord, ...] = ()
    volumes: tuple[VolumeRecord, ...] = ()
    plugins: tuple[PluginRecord, ...] = ()
    schema: int = CURRENT_SCHEMA
    version: str = __version__

    @property
    def root_volume(self) -> RootVolume:
        """What the root volume of every node is to be."""
        return RootVolume(
            size=self.root_volume_size,
            kind=self.root_volume_type,
            iops=self.root_volume_iops,
            throughput=self.root_volume_throughput,
        )

    @property
    def is_newer(self) -> bool:
        """Written by a later version of this program, whose meaning we do not know."""
        return self.schema > CURRENT_SCHEMA

    def check_writable(self, tag: str) -> None:
        """RecordError when a later version looks after this cluster."""
        if self.is_newer:
            raise exception.RecordError(
                f"cluster '{tag}' was made by starcluster {self.version}, this is {__version__}",
                hint="use that version or a later one; stop --force and terminate --force work with this one",
            )


_LISTS = ("other_types", "zones", "userdata_scripts")
_SETTINGS_KEYS = ("keyname", "spot_bid", "cluster_user", "cluster_shell", "userdata_scripts")


def to_tags(record: ClusterRecord) -> dict[str, str]:
    """The group's tags that hold the record; RecordError when it is too long for them."""
    whole = dataclasses.asdict(record)
    plugins, volumes = whole.pop("plugins"), whole.pop("volumes")
    schema, version = whole.pop("schema"), whole.pop("version")
    settings = {key: whole.pop(key) for key in _SETTINGS_KEYS}
    tags = {SCHEMA: str(schema), VERSION: version}
    for key, value in ((CORE, whole), (SETTINGS, settings), (PLUGINS, plugins), (VOLUMES, volumes)):
        tags |= _pack(key, value)
    if len(tags) > _MOST_TAGS - 8:
        raise exception.RecordError(
            f"the settings of this cluster take {len(tags)} tags, a security group has room for {_MOST_TAGS}",
            hint="shorten the user data scripts or the plugins' settings",
        )
    return tags


def from_tags(tags: Mapping[str, str], *, tag: str) -> ClusterRecord:
    """The record of the cluster `tag`; IncompatibleCluster when there is none that can be read."""
    _check_age(tags, tag)
    try:
        schema = int(tags[SCHEMA])
        words = {**_unpack(tags, CORE), **_unpack(tags, SETTINGS)}
        words = _known(ClusterRecord, words)
        words["node_kinds"] = tuple(NodeKind(**_known(NodeKind, one)) for one in words.get("node_kinds", ()))
        words["rules"] = tuple(RuleRecord(**_known(RuleRecord, one)) for one in words.get("rules", ()))
        words |= {key: tuple(words.get(key, ())) for key in _LISTS}
        words["plugins"] = tuple(PluginRecord(**_known(PluginRecord, one)) for one in _unpack(tags, PLUGINS))
        words["volumes"] = tuple(VolumeRecord(**_known(VolumeRecord, one)) for one in _unpack(tags, VOLUMES))
        return ClusterRecord(**{**words, "schema": schema, "version": tags.get(VERSION, "?")})
    except (KeyError, ValueError, TypeError, binascii.Error, zlib.error) as error:
        why = f"there is no {error.args[0]}" if isinstance(error, KeyError) else error
        raise exception.IncompatibleCluster(
            f"the record of cluster '{tag}' can not be read ({why})",
            hint=f"it was made by another program, or damaged; starcluster terminate --force {tag} removes it",
        ) from error


def _check_age(tags: Mapping[str, str], tag: str) -> None:
    """IncompatibleCluster for a record of StarCluster, or in a form that is not read any more."""
    version = tags.get(VERSION, "")
    if SCHEMA not in tags and version:
        made_by, why = f"StarCluster {version}", "its record holds Python 2 pickles, which are not read here"
    elif tags.get(SCHEMA, "").isdigit() and int(tags[SCHEMA]) < OLDEST_SCHEMA:
        made_by, why = f"starcluster {version or '?'}", f"the form {tags[SCHEMA]} of its record is not read any more"
    else:
        return
    raise exception.IncompatibleCluster(
        f"cluster '{tag}' was made by {made_by}: {why}",
        hint=f"look after it with that program, or end it: starcluster terminate --force {tag}",
    )


def pieces(tags: Mapping[str, str]) -> set[str]:
    """The keys of the tags in which the record is."""
    heads = tuple(f"{key}-" for key in (CORE, SETTINGS, PLUGINS, VOLUMES))
    return {key for key in tags if key.startswith(heads)}


def who(instance: Instance) -> str:
    """`node001 of mycluster (i-1)`; of an instance that is none of ours the id alone."""
    if not instance.alias:
        return instance.id
    tag = instance.tags.get(CLUSTER, "")
    return f"{instance.alias}{f' of {tag}' if tag else ''} ({instance.id})"


def resource_tags(tag: str, alias: str = "", extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The tags of every resource of a cluster, given in the call that creates it."""
    tags = {SCHEMA: str(CURRENT_SCHEMA), CLUSTER: tag, VERSION: __version__}
    if alias:
        tags |= {ALIAS: alias, NAME: alias}
    return tags | dict(extra or {})


def _pack(key: str, value: object) -> dict[str, str]:
    text = base64.b64encode(zlib.compress(json.dumps(value, sort_keys=True).encode(), 9)).decode()
    # the last piece is a short one, be it empty: what follows it is left from an older and longer value
    pieces = [text[start : start + _PIECE] for start in range(0, len(text) + 1, _PIECE)]
    return {f"{key}-{number}": piece for number, piece in enumerate(pieces, 1)}


def _unpack(tags: Mapping[str, str], key: str) -> Any:
    pieces: list[str] = []
    while (piece := tags.get(f"{key}-{len(pieces) + 1}")) is not None:
        pieces.append(piece)
        if len(piece) < _PIECE:
            break
    if not pieces:
        raise KeyError(key)
    return json.loads(zlib.decompress(base64.b64decode("".join(pieces), validate=True)))


def _known(kind: type, words: Mapping[str, Any]) -> dict[str, Any]:
    """The words that this version knows; a later one may have written more."""
    names = {one.name for one in dataclasses.fields(kind)}
    return {name: value for name, value in words.items() if name in names}

"""The config's sections as values. The comment at a setting in config.example explains it to the user."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from starcluster import exception
from starcluster.config import secrecy

SHELLS = ("bash", "zsh", "csh", "ksh", "tcsh")
ROOT_VOLUME_TYPES = ("gp3", "gp2", "io1", "io2")  # EC2 boots from no st1 or sc1
WORLD = "0.0.0.0/0"
PROTOCOLS = ("tcp", "udp", "icmp")
ON_DEMAND = "on-demand"
FALLBACKS = ("fail", ON_DEMAND)


class CloudName(StrEnum):
    AWS = "aws"
    LOCAL = "local"


class Kind(StrEnum):
    """How a setting's text is read."""

    TEXT = "text"
    INTEGER = "an integer"
    FLOAT = "a number"
    BOOLEAN = "True or False"
    LIST = "a list"
    PATH = "a path"
    PATHS = "a list of paths"
    CIDRS = "a list of address ranges (such as 203.0.113.0/24) or auto"
    PROXY = "[user@]host[:port] or ssm"


def setting(default: Any = "", kind: Kind = Kind.TEXT, *, required: bool = False, choices: tuple[str, ...] = ()) -> Any:
    """A dataclass field that is read from the setting of the same name."""
    about = {"kind": kind, "required": required, "choices": choices, "setting": True}
    return field(default=default, metadata=about)


@dataclass(frozen=True, kw_only=True)
class GlobalSettings:
    """[global]"""

    default_template: str = setting()
    cloud: str = setting("", choices=tuple(CloudName))
    ssh_cidr: tuple[str, ...] = setting((), Kind.CIDRS)
    ssh_proxy: str = setting("", Kind.PROXY)
    ssh_proxy_key: str = setting("", Kind.PATH)
    ssh_strict: bool = setting(False, Kind.BOOLEAN)
    enable_experimental: bool = setting(False, Kind.BOOLEAN)
    refresh_interval: int = setting(30, Kind.INTEGER)
    web_browser: str = setting()
    include: tuple[str, ...] = setting((), Kind.LIST)


@dataclass(frozen=True, kw_only=True)
class AwsSettings:
    """[aws info]; credentials may also come from boto3's own places."""

    aws_access_key_id: str = setting()
    aws_secret_access_key: str = setting()
    aws_session_token: str = setting()
    aws_profile: str = setting()
    aws_user_id: str = setting()
    aws_region_name: str = setting()
    aws_region_host: str = setting()
    aws_is_secure: bool = setting(True, Kind.BOOLEAN)
    aws_port: int | None = setting(None, Kind.INTEGER)
    aws_ec2_path: str = setting("/")
    aws_s3_path: str = setting("/")
    aws_s3_host: str = setting()
    aws_validate_certs: bool = setting(True, Kind.BOOLEAN)
    aws_proxy: str = setting()
    aws_proxy_port: int | None = setting(None, Kind.INTEGER)
    aws_proxy_user: str = setting()
    aws_proxy_pass: str = setting()
    ec2_cert: str = setting("", Kind.PATH)
    ec2_private_key: str = setting("", Kind.PATH)

    def __repr__(self) -> str:
        return secrecy.words(self)


@dataclass(frozen=True, kw_only=True)
class KeySettings:
    """[key NAME]: NAME is the key pair's name in EC2."""

    name: str
    key_location: str = setting("", Kind.PATH, required=True)


@dataclass(frozen=True, kw_only=True)
class VolumeSettings:
    """[volume NAME]"""

    name: str
    volume_id: str = setting(required=True)
    mount_path: str = setting(required=True)
    device: str = setting()
    partition: int | None = setting(None, Kind.INTEGER)


@dataclass(frozen=True, kw_only=True)
class PermissionSettings:
    """[permission NAME]"""

    name: str
    from_port: int = setting(0, Kind.INTEGER, required=True)
    to_port: int = setting(0, Kind.INTEGER, required=True)
    ip_protocol: str = setting("tcp", choices=PROTOCOLS)
    cidr_ip: str = setting()

    @property
    def cidr(self) -> str:
        """The whole world where nothing is said; never for SSH (cluster/sshrules.py)."""
        return self.cidr_ip or WORLD


@dataclass(frozen=True, kw_only=True)
class PluginSettings:
    """[plugin NAME]: all but SETUP_CLASS are arguments of the plugin's constructor, always texts."""

    name: str
    setup_class: str = setting(required=True)
    arguments: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        return secrecy.words(self)


@dataclass(frozen=True, kw_only=True)
class TypeRun:
    """One item of NODE_INSTANCE_TYPE but the last: this many workers of another type (and image)."""

    instance_type: str
    image_id: str = ""
    count: int = 1


@dataclass(frozen=True, kw_only=True)
class ClusterTemplate:
    """[cluster NAME] with what it EXTENDS merged in and its names looked up."""

    name: str
    keyname: str = setting(required=True)
    cluster_size: int = setting(1, Kind.INTEGER, required=True)
    node_image_id: str = setting(required=True)
    node_instance_type: str = setting(required=True)
    cluster_user: str = setting("sgeadmin")
    cluster_shell: str = setting("bash", choices=SHELLS)
    master_image_id: str = setting()
    master_instance_type: str = setting()
    node_instance_types_or: tuple[str, ...] = setting((), Kind.LIST)
    spot_bid: float | None = setting(None, Kind.FLOAT)
    master_spot_bid: float | None = setting(None, Kind.FLOAT)
    spot_max_wait: float | None = setting(None, Kind.FLOAT)
    fallback: str = setting("fail", choices=FALLBACKS)
    availability_zone: str = setting()
    subnet_id: str = setting()
    public_ips: bool | None = setting(None, Kind.BOOLEAN)
    iam_profile: str = setting()
    placement_group: bool = setting(False, Kind.BOOLEAN)
    root_volume_size: int | None = setting(None, Kind.INTEGER)
    root_volume_type: str = setting(choices=ROOT_VOLUME_TYPES)
    root_volume_iops: int | None = setting(None, Kind.INTEGER)
    root_volume_throughput: int | None = setting(None, Kind.INTEGER)
    volume_names: tuple[str, ...] = setting((), Kind.LIST)
    plugin_names: tuple[str, ...] = setting((), Kind.LIST)
    permission_names: tuple[str, ...] = setting((), Kind.LIST)
    userdata_scripts: tuple[str, ...] = setting((), Kind.PATHS)
    disable_queue: bool = setting(False, Kind.BOOLEAN)
    force_spot_master: bool = setting(False, Kind.BOOLEAN)
    disable_cloudinit: bool = setting(False, Kind.BOOLEAN)
    login_user: str = setting()
    dns_prefix: bool = setting(False, Kind.BOOLEAN)
    type_runs: tuple[TypeRun, ...] = ()
    key_location: str = ""
    volumes: tuple[VolumeSettings, ...] = ()
    plugins: tuple[PluginSettings, ...] = ()
    permissions: tuple[PermissionSettings, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Config:
    """All that the user's config says, checked; `path` is its file or URL.

    `broken`: the sections that are wrong, such as `cluster two`, each with its error for those who use it.
    `faults`: all that is wrong with sections; `fatal`: with [global] and [aws info], which every verb uses.
    `from_environment`: the settings of [aws info] that came from there.
    """

    path: str
    cloud: CloudName
    globals: GlobalSettings = field(default_factory=GlobalSettings)
    aws: AwsSettings = field(default_factory=AwsSettings)
    keys: Mapping[str, KeySettings] = field(default_factory=dict)
    volumes: Mapping[str, VolumeSettings] = field(default_factory=dict)
    plugins: Mapping[str, PluginSettings] = field(default_factory=dict)
    permissions: Mapping[str, PermissionSettings] = field(default_factory=dict)
    templates: Mapping[str, ClusterTemplate] = field(default_factory=dict)
    broken: Mapping[str, exception.ConfigError] = field(default_factory=dict)
    faults: tuple[exception.ConfigError, ...] = ()
    fatal: tuple[exception.ConfigError, ...] = ()
    from_environment: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Short, for who looks at it in a shell."""
        return f"<Config: {self.path} (CLOUD = {self.cloud}, templates: {', '.join(sorted(self.templates)) or 'none'})>"

    def template(self, name: str = "") -> ClusterTemplate:
        """The cluster template of that name, or the default one."""
        wanted = name or self.default_template()
        self._check("cluster", wanted)
        if wanted not in self.templates:
            where = {} if name else {"section": "global", "setting": "DEFAULT_TEMPLATE"}
            raise exception.ClusterTemplateDoesNotExist(
                f"there is no section [cluster {wanted}]", file=self.path, hint=self._known_templates(), **where
            )
        return self.templates[wanted]

    def default_template(self) -> str:
        if not self.globals.default_template:
            raise exception.NoDefaultTemplateFound(
                "no default cluster template is set",
                file=self.path,
                section="global",
                setting="DEFAULT_TEMPLATE",
                hint=f"set it, or name a template: starcluster start -c TEMPLATE TAG; {self._known_templates()}",
            )
        return self.globals.default_template

    def _known_templates(self) -> str:
        names = ", ".join(sorted(self.templates))
        if names:
            return f"templates in this config: {names}"
        wrong = {title: error for title, error in self.broken.items() if title.startswith("cluster ")}
        told = [f"[{title}] can not be used: {error}" for title, error in wrong.items()]
        return "\n".join(told) or "this config has no [cluster ...] section"

    def key(self, name: str) -> KeySettings:
        """The section of a key pair, or KeyNotFound."""
        self._check("key", name)
        if name not in self.keys:
            raise exception.KeyNotFound(
                f"key pair '{name}' is not in the config",
                file=self.path,
                hint=f"add a section [key {name}] with KEY_LOCATION = the private key's file",
            )
        return self.keys[name]

    def plugin(self, name: str) -> PluginSettings:
        """The section of a plugin, or PluginNotFound."""
        self._check("plugin", name)
        if name not in self.plugins:
            known = ", ".join(sorted(self.plugins)) or "none"
            raise exception.PluginNotFound(
                f"plugin '{name}' is not in the config", file=self.path, hint=f"plugins in this config: {known}"
            )
        return self.plugins[name]

    def _check(self, word: str, name: str) -> None:
        if error := self.broken.get(f"{word} {name}"):
            raise error

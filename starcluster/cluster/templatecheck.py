"""What is wrong with a cluster template that can be told without asking EC2: every fault, not only the first."""

from __future__ import annotations

import re
from collections.abc import Iterator

from starcluster import exception
from starcluster.cluster import rootvolume, userdata
from starcluster.config.schema import ClusterTemplate, PermissionSettings, VolumeSettings
from starcluster.model import RootVolume
from starcluster.ssh import keys

_DEVICE = re.compile(r"/dev/(sd|xvd)[a-z]{1,2}\Z")
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}\Z")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?\Z")
_LAST_PORT = 65535
_LAST_PARTITION = 99
_LONGEST_ALIAS = "m" * 31
Faults = Iterator[exception.BaseException]


def check(template: ClusterTemplate, tag: str) -> None:
    """Raise the first fault."""
    for fault in faults(template, tag):
        raise fault


def faults(template: ClusterTemplate, tag: str = "") -> Faults:
    """In the order in which StarCluster looked; without a tag its fitness for host names is left out."""
    if tag and template.dns_prefix and not _HOST.match(tag):
        yield exception.ClusterValidationError(
            f"'{tag}' can not be part of a host name, which DNS_PREFIX makes it",
            hint="choose another name, or start -p",
        )
    yield from _numbers(template)
    if template.cluster_user == "root" or not _USER.match(template.cluster_user):
        yield _fault(template, "CLUSTER_USER", f"'{template.cluster_user}' can not be the cluster's user")
    if template.login_user and not _USER.match(template.login_user):
        yield _fault(template, "LOGIN_USER", f"'{template.login_user}' can not be a user of the image")
    for permission in template.permissions:
        yield from _permission(permission)
    yield from _volumes(template)
    yield from _root_volume(template)


def key_faults(template: ClusterTemplate) -> Faults:
    """What is wrong with the private key's file."""
    try:
        keys.read_private_key(template.key_location)
    except exception.BaseException as fault:
        yield fault


def script_faults(template: ClusterTemplate) -> Faults:
    """What is wrong with the user data scripts, with any of them and with their size in all."""
    texts: list[str] = []
    for path in template.userdata_scripts:
        try:
            texts += userdata.read_scripts([path])
        except exception.BaseException as fault:
            yield fault
    try:
        userdata.build(_LONGEST_ALIAS, texts)
    except exception.BaseException as fault:
        yield fault


def _fault(template: ClusterTemplate, setting: str, what: str, hint: str = "") -> exception.ConfigSettingError:
    return exception.ConfigSettingError(what, section=f"cluster {template.name}", setting=setting, hint=hint)


def _numbers(template: ClusterTemplate) -> Faults:
    for setting in ("spot_bid", "master_spot_bid", "spot_max_wait"):
        value = getattr(template, setting)
        if value is not None and value < 0:
            yield _fault(template, setting.upper(), f"{value:g} is less than 0")
    if template.cluster_size < 1:
        yield _fault(template, "CLUSTER_SIZE", f"{template.cluster_size} is less than 1")
    others = sum(run.count for run in template.type_runs)
    if others > template.cluster_size - 1:
        yield _fault(
            template,
            "NODE_INSTANCE_TYPE",
            f"names {others} workers, CLUSTER_SIZE has room for {template.cluster_size - 1}",
        )


def _permission(permission: PermissionSettings) -> Faults:
    import iptools

    section = f"permission {permission.name}"
    ports = (permission.from_port, permission.to_port)
    lowest = -1 if permission.ip_protocol == "icmp" else 0
    if not all(lowest <= port <= _LAST_PORT for port in ports):
        yield _ports_fault(section, f"ports go from {lowest} to {_LAST_PORT}")
    if ports[0] > ports[1] and permission.ip_protocol != "icmp":
        yield _ports_fault(section, "is greater than TO_PORT")
    if not iptools.ipv4.validate_cidr(permission.cidr):
        yield exception.ConfigSettingError(
            f"'{permission.cidr}' is not an address range",
            section=section,
            setting="CIDR_IP",
            hint="such as 203.0.113.0/24",
        )


def _ports_fault(section: str, what: str) -> exception.InvalidPortRange:
    return exception.InvalidPortRange(what, section=section, setting="FROM_PORT")


def _volumes(template: ClusterTemplate) -> Faults:
    paths: set[str] = set()
    places: set[tuple[str, int | None]] = set()
    for volume in template.volumes:
        path = volume.mount_path.rstrip("/")
        yield from _volume(volume)
        if path in paths:
            yield _volume_fault(volume, "MOUNT_PATH", f"{path} is the place of another volume")
        if (volume.volume_id, volume.partition) in places:
            yield _volume_fault(volume, "VOLUME_ID", f"{volume.volume_id} is mounted twice")
        paths.add(path)
        places.add((volume.volume_id, volume.partition))


def _volume(volume: VolumeSettings) -> Faults:
    path = volume.mount_path.rstrip("/")
    if not volume.mount_path.startswith("/") or not path or ".." in path.split("/") or " " in path:
        yield _volume_fault(volume, "MOUNT_PATH", f"'{volume.mount_path}' is not an absolute path below /")
    if volume.device and not _DEVICE.match(volume.device):
        yield _volume_fault(
            volume, "DEVICE", f"'{volume.device}' is not a device name", "such as /dev/sdf, or leave it out"
        )
    if volume.partition is not None and not 1 <= volume.partition <= _LAST_PARTITION:
        yield _volume_fault(volume, "PARTITION", f"{volume.partition} is not a partition")


def _volume_fault(volume: VolumeSettings, setting: str, what: str, hint: str = "") -> exception.ConfigSettingError:
    return exception.ConfigSettingError(what, section=f"volume {volume.name}", setting=setting, hint=hint)


def _root_volume(template: ClusterTemplate) -> Faults:
    wanted = RootVolume(
        size=template.root_volume_size,
        kind=template.root_volume_type,
        iops=template.root_volume_iops,
        throughput=template.root_volume_throughput,
    )
    try:
        rootvolume.check(wanted, section=f"cluster {template.name}")
    except exception.ConfigSettingError as fault:
        yield fault

"""What is checked before `start` makes anything: a launch that can not go well is refused here.

`prepare` looks things up (volumes, plugins, zone) and gives the record of the cluster to be; `validate` compares it
with what EC2 has.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starcluster import exception, names, pluginloader
from starcluster.cluster import launching, places, record, rootvolume, sshrules, starting, templatecheck, userdata
from starcluster.cluster.record import ClusterRecord, VolumeRecord
from starcluster.clustersetup import ClusterSetup
from starcluster.logger import log
from starcluster.model import Image, Market, Volume
from starcluster.ssh import keys

if TYPE_CHECKING:
    from starcluster.aws.session import Ec2
    from starcluster.cluster.cluster import Clusters
    from starcluster.cluster.launching import NodeSpec
    from starcluster.config.schema import ClusterTemplate, Config, PermissionSettings, VolumeSettings


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A cluster that may be started: its record, its plugins, its rules; `doubts` are to be told."""

    tag: str
    record: ClusterRecord
    plugins: tuple[ClusterSetup, ...]
    permissions: tuple[PermissionSettings, ...]
    key_file: str
    doubts: tuple[str, ...] = ()


def prepare(clusters: Clusters, tag: str, template: ClusterTemplate) -> Prepared:
    """Look up what the template names; errors tell what does not exist or does not fit together."""
    names.check_tag(tag)
    templatecheck.check(template, tag)
    plugins = tuple(pluginloader.load(one.name, one.setup_class, one.arguments) for one in template.plugins)
    found = [(one, _volume(clusters, one)) for one in template.volumes]
    volumes = [
        VolumeRecord(
            name=one.name,
            volume_id=volume.id,
            mount_path=one.mount_path.rstrip("/"),
            device=one.device,
            partition=one.partition,
        )
        for one, volume in found
    ]
    wanted = [clusters.ec2.volumes.get(one.volume) for plugin in plugins for one in plugin.wanted_volumes()]
    zone, zones = places.zones_of(clusters.ec2, template, [volume for _, volume in found], wanted)
    return Prepared(
        tag=tag,
        record=starting.record_of(template, tag, zone=zone, zones=zones, volumes=volumes),
        plugins=plugins,
        permissions=tuple(template.permissions),
        key_file=template.key_location or clusters.config.key(template.keyname).key_location,
        doubts=(*_open_doors(clusters.config), *userdata.secrets_in(template.userdata_scripts)),
    )


def _volume(clusters: Clusters, settings: VolumeSettings) -> Volume:
    """The volume of a section; who wrote what there is not is told where."""
    try:
        return clusters.ec2.volumes.get(settings.volume_id)
    except exception.VolumeDoesNotExist as error:
        where = f"[volume {settings.name}] VOLUME_ID: {error.msg}"
        raise exception.VolumeDoesNotExist(where, code=error.code, hint=error.hint) from error


def _open_doors(config: Config) -> list[str]:
    wide = [one for one in config.globals.ssh_cidr if one.endswith("/0")]
    return [f"SSH_CIDR = {one} {sshrules.OPEN}: {sshrules.OPEN_HINT}" for one in wide]


def validate(clusters: Clusters, prepared: Prepared) -> None:
    """Compare with EC2: key pair, zone, volumes, images, types, user data."""
    log.info("Validating cluster template settings...")
    _warn(prepared)
    ec2, wanted = clusters.ec2, prepared.record
    check_key(ec2, wanted.keyname, prepared.key_file)
    places.check_zones(ec2, [wanted.zone, *wanted.zones])
    for volume in wanted.volumes:
        _check_volume_free(clusters, prepared.tag, ec2.volumes.get(volume.volume_id))
    specs = starting.specs_of(wanted, prepared.plugins, zone=wanted.zone)
    _check_aliases(specs)
    for spec in dict.fromkeys(dataclasses.replace(spec, alias="") for spec in specs):
        for instance_type in spec.types:
            found = _check_machine(ec2, instance_type, spec.image, spec.zones or (spec.zone,))
            _check_market(ec2, instance_type, spec.market)
            _check_grouped(ec2, instance_type, spec)
            rootvolume.check(wanted.root_volume, least=found.root_size)
    longest = max((spec.alias for spec in specs), key=len)
    userdata.build(longest, wanted.userdata_scripts, cloudinit=not wanted.disable_cloudinit)
    record.to_tags(wanted)
    log.info("Cluster template settings are valid")


def _warn(prepared: Prepared) -> None:
    """Of what is allowed and hardly wanted."""
    for line in prepared.doubts:
        log.warning("%s", line)
    for one in prepared.permissions:
        if sshrules.opens_to_world(one):
            log.warning("[permission %s] %s: %s", one.name, sshrules.OPEN, sshrules.OPEN_HINT)


def check_key(ec2: Ec2, name: str, key_file: str) -> None:
    """The key pair exists in EC2 and the file holds its private half."""
    keys.read_private_key(key_file)
    pair = ec2.network.key_pair(name)
    if pair is None:
        raise exception.KeyPairDoesNotExist(
            f"key pair '{name}' does not exist in {ec2.region}",
            hint=f"make it (starcluster createkey {name} -o FILE) or import yours (createkey {name} -i FILE.pub)",
        )
    keys.check_same_key(key_file, name, public_key=pair.public_key, fingerprint=pair.fingerprint)


def _check_volume_free(clusters: Clusters, tag: str, volume: Volume) -> None:
    holder = volume.holder
    if holder is None:
        return
    instances = clusters.ec2.instances.find(ids=[holder.instance_id])
    for instance in instances:
        if instance.state.is_in_cluster and instance.tags.get(record.CLUSTER) != tag:
            raise exception.ClusterValidationError(
                f"volume {volume.name or volume.id} ({volume.id}) is in use by {instance.alias or 'an instance'} "
                f"({instance.id}{_of(instance.tags.get(record.CLUSTER, ''))})",
                hint="a volume can be attached to one node at a time: terminate that cluster, or use another volume",
            )


def _of(tag: str) -> str:
    return f" of cluster {tag}" if tag else ""


def _check_aliases(specs: Sequence[NodeSpec]) -> None:
    seen: set[str] = set()
    for spec in specs:
        if names.fold(spec.alias) in seen:
            raise exception.ClusterValidationError(f"two nodes would be called '{spec.alias}'")
        seen.add(names.fold(spec.alias))


def _check_machine(ec2: Ec2, instance_type: str, image: str, zones: Sequence[str]) -> Image:
    """The image; its type exists, is offered in one of the zones, and can run it."""
    kind = ec2.instances.type_info(instance_type)
    found: Image = launching.find_image(ec2, image, instance_type)
    if found.state != "available":
        raise exception.ClusterValidationError(f"image {image} ({found.id}) is {found.state}")
    for what, has, takes in (
        ("for", found.architecture, kind.architectures),
        ("virtualized as", found.virtualization, kind.virtualizations),
        ("with a root volume on", found.root_device_type, kind.root_devices),
    ):
        if takes and has not in takes:
            raise exception.ClusterValidationError(
                f"image {image} is {what} {has}, {instance_type} takes {' or '.join(takes)}",
                hint="choose another image, or another instance type",
            )
    offered = ec2.instances.offered_zones(instance_type) if any(zones) else set()
    if any(zones) and not offered & set(zones):
        known = ", ".join(sorted(offered)) or "nowhere in this region"
        raise exception.InvalidZone(
            f"{instance_type} is not offered in {', '.join(zones)}", hint=f"it is offered in {known}"
        )
    return found


def _check_market(ec2: Ec2, instance_type: str, market: Market) -> None:
    sold = ec2.instances.type_info(instance_type).usage_classes
    if market is Market.SPOT and sold and "spot" not in sold:
        raise exception.ClusterValidationError(
            f"{instance_type} is not sold on spot", hint="choose another type, or leave the bid out"
        )


def _check_grouped(ec2: Ec2, instance_type: str, spec: NodeSpec) -> None:
    if spec.grouped and not launching.may_be_close(ec2, instance_type):
        raise exception.ClusterValidationError(
            f"EC2 takes no {instance_type} into a placement group",
            hint="choose a type that is not burstable, such as c5.large, or leave PLACEMENT_GROUP out",
        )


def with_options(template: ClusterTemplate, **given: object) -> ClusterTemplate:
    """The template with the options of the command line in the place of its settings; None = not given."""
    return dataclasses.replace(template, **{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]

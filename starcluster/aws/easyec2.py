"""What old plugins ask of `node.ec2`, under the names that StarCluster and boto gave it."""

from __future__ import annotations

import dataclasses
import ipaddress
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from starcluster import exception
from starcluster.aws.api import Api
from starcluster.aws.instances import Instances
from starcluster.aws.likeboto import Disk, Machine, filters_of
from starcluster.aws.network import Network
from starcluster.aws.volumes import Volumes
from starcluster.clock import Clock, wait_until
from starcluster.logger import log
from starcluster.model import Permission, SecurityGroup, Zone
from starcluster.permissions import OWN_TAG

_EVERYBODY = "0.0.0.0/0"
_VOLUME_LIMIT = 900.0
_MADE_BY_US = {OWN_TAG: "1"}  # without it the policy lets nobody make a volume, or delete it


class Group:
    """A security group as plugins use it: what node.parent_cluster and get_security_group give."""

    def __init__(self, *, id: str, name: str, network: Network) -> None:  # noqa: A002  the name that plugins read
        self.id, self.name, self._network = id, name, network

    def __repr__(self) -> str:
        return f"SecurityGroup:{self.name}"

    @property
    def rules(self) -> tuple[Permission, ...]:
        """What is let in now."""
        return self._network.group_of(self.id).permissions

    def authorize(
        self,
        ip_protocol: str | None = None,
        from_port: int | None = None,
        to_port: int | None = None,
        cidr_ip: str | Sequence[str] | None = None,
        src_group: Group | SecurityGroup | None = None,
        dry_run: bool = False,
    ) -> bool:
        """Let traffic in, from addresses or from another group; a rule that is there already is as good."""
        ports = {
            "protocol": ip_protocol or "tcp",
            "from_port": int(-1 if from_port is None else from_port),
            "to_port": int(-1 if to_port is None else to_port),
        }
        if src_group is not None:
            wanted = [Permission(**ports, group_id=src_group.id)]  # type: ignore[arg-type]
        else:
            sources = [cidr_ip] if isinstance(cidr_ip, str) else list(cidr_ip or [_EVERYBODY])
            wanted = [Permission(**ports, cidr=one) for one in sources]  # type: ignore[arg-type]
        if not dry_run:
            self._network.authorize(self.id, wanted)
        return True


class Region(str):
    """A region's name, which has the name once more as an attribute, as boto's regions had."""

    __slots__ = ()

    @property
    def name(self) -> str:
        return str(self)


class Connection:
    """The part of boto's EC2 connection that plugins use, as `node.ec2.conn`."""

    def __init__(self, ec2: EasyEC2) -> None:
        self._ec2 = ec2

    @property
    def aws_access_key_id(self) -> str:
        return self._ec2.aws_access_key_id

    @property
    def aws_secret_access_key(self) -> str:
        return self._ec2.aws_secret_access_key

    @property
    def region(self) -> Region:
        return Region(self._ec2.region)

    def authorize_security_group(
        self,
        group_name: str | None = None,
        src_security_group_name: str | None = None,
        src_security_group_owner_id: str | None = None,
        ip_protocol: str | None = None,
        from_port: int | None = None,
        to_port: int | None = None,
        cidr_ip: str | Sequence[str] | None = None,
        group_id: str | None = None,
        src_security_group_group_id: str | None = None,
        dry_run: bool = False,
    ) -> bool:
        """Let traffic into the group of that id or name; a rule that is there already is as good."""
        group = self._find(group_id, group_name)
        source = None
        if src_security_group_group_id or src_security_group_name:
            source = self._find(src_security_group_group_id, src_security_group_name)
        return group.authorize(ip_protocol, from_port, to_port, cidr_ip, source, dry_run)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            f"node.ec2.conn has no '{name}': docs/plugin-api.md tells what there is of boto 2;"
            " for the rest write that line with boto3"
        )

    def _find(self, group_id: str | None, name: str | None) -> Group:
        if group_id:
            return self._ec2.group_with(self._ec2.network.group_of(group_id))
        return self._ec2.get_security_group(name or "")


class EasyEC2:
    """Ec2 under its old names; it keeps them out of the way of the rest."""

    api: Api
    instances: Instances
    network: Network
    volumes: Volumes

    @property
    def region(self) -> str:
        raise NotImplementedError

    @property
    def clock(self) -> Clock:
        raise NotImplementedError

    @property
    def conn(self) -> Connection:
        return Connection(self)

    _conn = conn  # plugins read this one too

    @property
    def __dict__(self) -> dict[str, Any]:  # type: ignore[override]
        """What plugins fill their texts from; only now are the keys looked for."""
        names = ("aws_access_key_id", "aws_secret_access_key", "_conn")
        return {name: getattr(self, name) for name in names}

    @property
    def aws_access_key_id(self) -> str:
        """The key that calls are signed with, wherever it came from."""
        return self.api.credentials()[0]

    @property
    def aws_secret_access_key(self) -> str:
        return self.api.credentials()[1]

    def get_instance(self, instance_id: str) -> Machine:
        """The instance of that id, or InstanceDoesNotExist."""
        return Machine(self.instances.get(instance_id), self.instances)

    def get_zones(self, filters: Mapping[str, Any] | None = None) -> list[Zone]:
        """The region's zones, with `name`, `region` and `state`; of filters zone-name and state are known."""
        wanted = filters_of(filters)
        names, states = wanted.get("zone-name"), wanted.get("state")
        return [
            dataclasses.replace(one, region=Region(one.region))
            for one in self.network.zones()
            if (names is None or one.name in names) and (states is None or one.state in states)
        ]

    def get_zone(self, zone: str) -> Zone:
        """The zone of that name, or ZoneDoesNotExist."""
        found = self.get_zone_or_none(zone)
        if found is None:
            raise exception.ZoneDoesNotExist(f"zone '{zone}' does not exist in {self.region}")
        return found

    def get_zone_or_none(self, zone: str) -> Zone | None:
        return next((one for one in self.get_zones() if one.name == zone), None)

    def get_volumes(self, filters: Mapping[str, Any] | None = None) -> list[Disk]:
        """The region's volumes, those that fit filters by EC2's names."""
        return [Disk(one, self.volumes) for one in self.volumes.find(filters=filters_of(filters))]

    def get_volume(self, volume_id: str) -> Disk:
        """The volume of that id or name, or VolumeDoesNotExist."""
        return Disk(self.volumes.get(volume_id), self.volumes)

    def get_volume_or_none(self, volume_id: str) -> Disk | None:
        try:
            return self.get_volume(volume_id)
        except exception.VolumeDoesNotExist:
            return None

    def wait_for_volume(
        self,
        volume: Disk,
        status: str | None = None,
        state: str | None = None,
        refresh_interval: float = 5,
        log_func: Callable[..., object] | None = None,
    ) -> None:
        """Until the volume has this status (`available`), and is attached in this way (`attached`)."""
        questions = {status: volume.update, state: lambda: volume.update() and volume.attachment_state()}
        for wanted, ask in questions.items():
            if wanted:
                (log_func or log.info)(f"Waiting for {volume.id} to become '{wanted}'")
                self._wait_for_word(volume.id, wanted, ask, refresh_interval)

    def _wait_for_word(self, volume_id: str, wanted: str, ask: Callable[[], str | None], pause: float) -> None:
        if not wait_until(lambda: ask() == wanted, limit=_VOLUME_LIMIT, pause=pause, clock=self.clock):
            minutes = _VOLUME_LIMIT / 60
            raise exception.WaitTimeout(f"volume {volume_id} is not '{wanted}' after {minutes:.0f} minutes")

    def create_volume(self, size: int | str, zone: str, snapshot_id: str | None = None) -> Disk:
        """A new gp3 volume, `creating` at first: whoever makes it waits by its update(), and pays for it."""
        made = self.volumes.create(int(size), str(zone), snapshot_id=snapshot_id or "", tags=_MADE_BY_US)
        return Disk(made, self.volumes)

    def get_security_groups(self, filters: Mapping[str, Any] | None = None) -> list[Group]:
        """The region's groups, those that fit filters by EC2's names."""
        return [self.group_with(one) for one in self.network.find_groups(filters_of(filters))]

    def get_security_group(self, groupname: str) -> Group:
        """The group of that name, or SecurityGroupDoesNotExist."""
        found = self.network.group(groupname)
        if found is None:
            raise exception.SecurityGroupDoesNotExist(f"security group '{groupname}' does not exist")
        return self.group_with(found)

    def group_with(self, found: SecurityGroup) -> Group:
        return Group(id=found.id, name=found.name, network=self.network)

    def has_permission(
        self, group: Group | SecurityGroup, ip_protocol: str, from_port: int, to_port: int, cidr_ip: str
    ) -> bool:
        """Whether one of the group's rules lets all of that in, as the rules are now."""
        wanted = Permission(protocol=ip_protocol, from_port=int(from_port), to_port=int(to_port), cidr=cidr_ip)
        return any(covers(rule, wanted) for rule in self.network.group_of(group.id).permissions)


def covers(rule: Permission, wanted: Permission) -> bool:
    """Everything that `wanted` lets in from its addresses comes in by the rule."""
    if rule.protocol not in ("-1", wanted.protocol) or not rule.cidr or not wanted.cidr:
        return False
    every_port = rule.protocol == "-1" or -1 in (rule.from_port, rule.to_port)
    if not every_port and not rule.from_port <= wanted.from_port <= wanted.to_port <= rule.to_port:
        return False
    inner, outer = (ipaddress.ip_network(cidr, strict=False) for cidr in (wanted.cidr, rule.cidr))
    return inner.version == outer.version and inner.subnet_of(outer)  # type: ignore[arg-type]

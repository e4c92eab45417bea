"""Instances and spot requests in memory."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from starcluster import exception
from starcluster.model import (
    BlockDevice,
    Instance,
    InstanceState,
    InstanceType,
    LaunchRequest,
    Market,
    SpotPrice,
    SpotRequest,
    SpotState,
)
from tests.fakes.trouble import START, VPC, fake_error

if TYPE_CHECKING:
    from tests.fakes.ec2 import FakeEc2

_NEXT = {
    InstanceState.PENDING: InstanceState.RUNNING,
    InstanceState.SHUTTING_DOWN: InstanceState.TERMINATED,
    InstanceState.STOPPING: InstanceState.STOPPED,
}


class FakeInstances:
    def __init__(self, ec2: FakeEc2) -> None:
        self.ec2 = ec2
        self.all: dict[str, Instance] = {}
        self.requests: dict[str, LaunchRequest] = {}  # by token
        self.attributes: dict[str, dict[str, Any]] = {}  # by instance, those that were changed
        self.consoles: dict[str, str] = {}

    def _set(self, instance_id: str, **changes: Any) -> Instance:
        self.all[instance_id] = dataclasses.replace(self.all[instance_id], **changes)
        return self.all[instance_id]

    def advance(self) -> None:
        for one in list(self.all.values()):
            if one.state in _NEXT:
                self._set(one.id, state=_NEXT[one.state])
                if _NEXT[one.state] is InstanceState.TERMINATED:
                    self._release(one)

    def _release(self, one: Instance) -> None:
        for device in one.block_devices:
            self.ec2.volumes.release(device.volume_id, one.id, delete=device.delete_on_termination)
        self._set(one.id, block_devices=(), public_ip="", public_dns="", private_ip="", private_dns="")

    def find(
        self,
        *,
        cluster: str | None = None,
        ids: Sequence[str] = (),
        states: Iterable[InstanceState] = (),
        token: str = "",
        group_id: str | Sequence[str] = "",
        addresses: Sequence[str] = (),
    ) -> list[Instance]:
        self.ec2.note("instances.find", cluster or tuple(ids) or token)
        self.ec2.tick()
        wanted = list(states)
        groups = {group_id} - {""} if isinstance(group_id, str) else set(group_id)
        found = [
            one
            for one in self.all.values()
            if (not cluster or one.tags.get("@sc-cluster") == cluster)
            and (not ids or one.id in ids)
            and (not wanted or one.state in wanted)
            and (not token or one.client_token == token)
            and (not groups or groups & set(one.group_ids))
            and (not addresses or one.public_ip in addresses)
        ]
        if self.ec2.lag:
            self.ec2.lag -= 1
            return [one for one in found if one.launched and self.ec2.now - one.launched > timedelta(minutes=1)]
        return found

    def get(self, instance_id: str) -> Instance:
        found = self.find(ids=[instance_id])
        if not found:
            raise exception.InstanceDoesNotExist(f"instance '{instance_id}' does not exist")
        return found[0]

    def launch(self, request: LaunchRequest) -> list[Instance]:
        self.ec2.note("instances.launch", request)
        known = self.requests.get(request.token)
        if known is not None:
            return self._launched_before(known, request)
        if request.placement_group and request.placement_group not in self.ec2.network.placement_groups:
            raise fake_error("InvalidPlacementGroup.Unknown")
        self.ec2.check_capacity(request)
        self.requests[request.token] = request
        return [self._new(request) for _ in range(request.count)]

    def _launched_before(self, known: LaunchRequest, request: LaunchRequest) -> list[Instance]:
        if known != request:
            raise fake_error("IdempotentParameterMismatch")
        old = [one for one in self.all.values() if one.client_token == request.token]
        if all(one.state.is_gone for one in old):
            raise fake_error("IdempotentInstanceTerminated")
        return [dataclasses.replace(one, state=InstanceState.PENDING) for one in old]  # the answer of then

    def _new(self, request: LaunchRequest) -> Instance:
        number = len(self.all) + 1
        made = Instance(
            id=self.ec2.new_id("i"),
            state=InstanceState.PENDING,
            instance_type=request.instance_type,
            image_id=request.image_id,
            zone=request.zone or self.ec2.zone_names[0],
            vpc_id=VPC,
            subnet_id=request.subnet_id or "subnet-1",
            private_ip=f"172.31.0.{number + 10}",
            public_ip=f"127.77.0.{number + 10}",
            private_dns=f"ip-172-31-0-{number + 10}.ec2.internal",
            public_dns=f"ec2-127-77-0-{number + 10}.compute-1.localcloud",
            key_name=request.key_name,
            launched=self.ec2.now,
            market=request.market,
            client_token=request.token,
            root_device="/dev/sda1",
            group_ids=request.group_ids,
            group_names=tuple(self.ec2.network.name_of(one) for one in request.group_ids),
            tags=dict(request.tags),
        )
        root = self.ec2.volumes.new_root(made)
        made = dataclasses.replace(
            made, block_devices=(BlockDevice(device="/dev/sda1", volume_id=root, delete_on_termination=True),)
        )
        self.all[made.id] = made
        if request.market is Market.SPOT:
            made = self._set(made.id, spot_request_id=self.ec2.spot.new(made, request))
        return made

    def check_launch(self, request: LaunchRequest) -> None:
        self.ec2.note("instances.check_launch", request)
        self.ec2.check_capacity(request)

    def _go(self, ids: Sequence[str], state: InstanceState, **changes: Any) -> None:
        for instance_id in ids:
            if instance_id not in self.all:
                raise exception.InstanceDoesNotExist(f"instance '{instance_id}' does not exist")
            self._set(instance_id, state=state, **changes)

    def terminate(self, ids: Sequence[str]) -> None:
        self.ec2.note("instances.terminate", tuple(ids))
        live = [one for one in ids if one not in self.all or self.all[one].state.is_in_cluster]
        self._go(live, InstanceState.SHUTTING_DOWN, reason_code="Client.UserInitiatedShutdown")
        for one in ids:
            self.ec2.spot.ended(one, "instance-terminated-by-user")

    def stop(self, ids: Sequence[str]) -> None:
        self.ec2.note("instances.stop", tuple(ids))
        if any(self.all[one].market is Market.SPOT for one in ids if one in self.all):
            raise fake_error("UnsupportedOperation", "one-time spot instances can not be stopped")
        self._go(ids, InstanceState.STOPPING, reason_code="Client.UserInitiatedShutdown")

    def start(self, ids: Sequence[str]) -> None:
        self.ec2.note("instances.start", tuple(ids))
        if any(self.all[one].state is not InstanceState.STOPPED for one in ids if one in self.all):
            raise fake_error("IncorrectInstanceState")
        self._go(ids, InstanceState.PENDING, reason_code="")

    def reboot(self, ids: Sequence[str]) -> None:
        self.ec2.note("instances.reboot", tuple(ids))

    def tag(self, ids: Sequence[str], tags: Mapping[str, str]) -> None:
        self.ec2.note("instances.tag", tuple(ids))
        for one in ids:
            self._set(one, tags={**self.all[one].tags, **tags})

    def untag(self, ids: Sequence[str], keys: Iterable[str]) -> None:
        self.ec2.note("instances.untag", tuple(ids))
        gone = set(keys)
        for kind in (self.ec2.volumes.all, self.ec2.snapshots.all):
            for one in set(ids) & kind.keys():
                left = {key: value for key, value in kind[one].tags.items() if key not in gone}
                kind[one] = dataclasses.replace(kind[one], tags=left)  # type: ignore[type-var,assignment]
        for one in set(ids) & self.all.keys():
            self._set(one, tags={key: value for key, value in self.all[one].tags.items() if key not in gone})

    def console(self, instance_id: str) -> str:
        self.ec2.note("instances.console", instance_id)
        return self.consoles.get(instance_id, "")

    def user_data(self, instance_id: str) -> str:
        self.ec2.note("instances.user_data", instance_id)
        token = self.all[instance_id].client_token
        return self.requests[token].user_data.decode() if token in self.requests else ""

    def attribute(self, instance_id: str, name: str) -> Any:
        self.ec2.note("instances.attribute", instance_id)
        kept = self.attributes.get(instance_id, {})
        return kept.get(name[0].upper() + name[1:])

    def modify(self, instance_id: str, **attribute: Any) -> None:
        self.ec2.note("instances.modify", instance_id)
        for name, value in attribute.items():
            self.attributes.setdefault(instance_id, {})[name] = value.get("Value") if isinstance(value, dict) else value

    def checks(self, instance_id: str) -> str:
        self.ec2.note("instances.checks", instance_id)
        return "system ok, instance ok"

    def type_info(self, name: str) -> InstanceType:
        self.ec2.note("instances.type_info", name)
        if "." not in name or name.startswith("no"):
            raise fake_error("InvalidInstanceType", f"there is no instance type '{name}'")
        return InstanceType(
            name=name,
            vcpus=2,
            memory_mib=4096,
            architectures=("x86_64",),
            usage_classes=("on-demand", "spot"),
            placement_strategies=("spread",) if name.startswith("t") else ("cluster", "spread"),
        )

    def offered_zones(self, name: str) -> set[str]:
        self.ec2.note("instances.offered_zones", name)
        return set(self.ec2.zone_names)

    # -- what the world does to us

    def interrupt(self, instance_id: str) -> None:
        """EC2 takes a spot instance: its request closes at once, the instance still runs."""
        self.ec2.spot.ended(instance_id, "instance-terminated-no-capacity")

    def die(self, instance_id: str, reason: str = "Server.SpotInstanceTermination") -> None:
        """The instance ends by itself or by EC2."""
        self._set(instance_id, state=InstanceState.SHUTTING_DOWN, reason_code=reason)
        self.ec2.spot.ended(instance_id, "instance-terminated-no-capacity")


class FakeSpot:
    def __init__(self, ec2: FakeEc2) -> None:
        self.ec2 = ec2
        self.all: dict[str, SpotRequest] = {}
        self.price = 0.03

    def new(self, instance: Instance, request: LaunchRequest) -> str:
        spot_id = self.ec2.new_id("sir")
        self.all[spot_id] = SpotRequest(
            id=spot_id,
            state=SpotState.ACTIVE,
            code="fulfilled",
            instance_id=instance.id,
            instance_type=request.instance_type,
            image_id=request.image_id,
            zone=instance.zone,
            price=request.max_price,
            created=self.ec2.now,
            group_ids=request.group_ids,
            tags=dict(request.tags),
        )
        return spot_id

    def ended(self, instance_id: str, code: str) -> None:
        for one in list(self.all.values()):
            if one.instance_id == instance_id and one.state is SpotState.ACTIVE:
                self.all[one.id] = dataclasses.replace(one, state=SpotState.CLOSED, code=code)

    def find(
        self,
        *,
        cluster: str | Sequence[str] | None = None,
        ids: Sequence[str] = (),
        instance_ids: Sequence[str] = (),
    ) -> list[SpotRequest]:
        self.ec2.note("spot.find", cluster or tuple(ids))
        clusters = [cluster] if isinstance(cluster, str) else list(cluster or ())
        return [
            one
            for one in self.all.values()
            if (not clusters or one.tags.get("@sc-cluster") in clusters)
            and (not ids or one.id in ids)
            and (not instance_ids or one.instance_id in instance_ids)
        ]

    def cancel(self, ids: Sequence[str]) -> None:
        self.ec2.note("spot.cancel", tuple(ids))
        for one in ids:
            if self.all[one].state.is_live:
                self.all[one] = dataclasses.replace(
                    self.all[one],
                    state=SpotState.CANCELLED,
                    code="request-canceled-and-instance-running"
                    if self.all[one].instance_id
                    else "canceled-before-fulfillment",
                )

    def history(
        self,
        instance_type: str,
        zone: str = "",
        start: datetime | None = None,
        end: datetime | None = None,
        *,
        products: Iterable[str] = (),
    ) -> list[SpotPrice]:
        self.ec2.note("spot.history", instance_type)
        zones = [zone] if zone else self.ec2.zone_names
        return [SpotPrice(instance_type=instance_type, zone=one, price=self.price, at=START) for one in zones]

    def current_prices(self, types: Sequence[str], zones: Sequence[str] = ()) -> dict[tuple[str, str], float]:
        self.ec2.note("spot.current_prices", tuple(types))
        return {(one, zone): self.price for one in types for zone in zones or self.ec2.zone_names}

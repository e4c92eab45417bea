"""Instances: find, launch, stop, start, tag."""

from __future__ import annotations

import base64
import gzip
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from starcluster import exception
from starcluster.aws import forms, shapes
from starcluster.aws.api import Api
from starcluster.aws.images import Images
from starcluster.model import Instance, InstanceState, InstanceType, LaunchRequest, Market, RootVolume

CLUSTER_TAG = "@sc-cluster"
_GZIP = b"\x1f\x8b"
_FILTER_VALUES = 200  # EC2 takes no more values in one filter


class Instances:
    def __init__(self, api: Api, images: Images) -> None:
        self._api = api
        self._types: dict[str, InstanceType] = {}
        self._types_lock = threading.Lock()
        self._images = images

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
        """All instances that fit every given word (of several groups: one of them); unknown ids are left out."""
        wanted: dict[str, Any] = {
            "tag:" + CLUSTER_TAG: cluster or "",
            "instance-state-name": [str(state) for state in states],
            "client-token": token,
            "instance.group-id": group_id,
            "ip-address": addresses,
        }
        if not ids:
            return self._describe(wanted)
        parts = [ids[start : start + _FILTER_VALUES] for start in range(0, len(ids), _FILTER_VALUES)]
        return [one for part in parts for one in self._describe({**wanted, "instance-id": part})]

    def _describe(self, wanted: Mapping[str, Any]) -> list[Instance]:
        answers = self._api.pages(
            "describe_instances",
            "Reservations",
            what="list instances",
            page_size=self._api.page_size,
            Filters=forms.filter_list(wanted),
        )
        return [forms.instance(one) for answer in answers for one in answer["Instances"]]

    def get(self, instance_id: str) -> Instance:
        """The instance, or InstanceDoesNotExist."""
        found = self.find(ids=[instance_id])
        if not found:
            raise exception.InstanceDoesNotExist(
                f"instance '{instance_id}' does not exist in {self._api.access.region}",
                code="InvalidInstanceID.NotFound",
                hint="starcluster listinstances shows the instances of this region",
            )
        return found[0]

    def launch(self, request: LaunchRequest) -> list[Instance]:
        """RunInstances, tried once; the same token never makes a second instance."""
        answer = self._api.launch("run_instances", what=_asked(request), **self._parameters(request))
        return [forms.instance(one) for one in answer["Instances"]]

    def check_launch(self, request: LaunchRequest) -> None:
        """Raise what a launch would be refused for, without launching (EC2's DryRun)."""
        try:
            self._api.launch("run_instances", what=_asked(request), DryRun=True, **self._parameters(request))
        except exception.AWSError as error:
            if error.code != "DryRunOperation":
                raise

    def _parameters(self, request: LaunchRequest) -> dict[str, Any]:
        parameters = {**launch_parameters(request), **_place(request)}
        if request.root_volume != RootVolume():
            image = self._images.resolve(request.image_id)
            disk = _root_disk(request.root_volume)
            parameters["BlockDeviceMappings"] = [{"DeviceName": image.root_device, "Ebs": disk}]
        return parameters

    def terminate(self, ids: Sequence[str]) -> None:
        """Ask for the end of these instances; asking twice is no error, unknown ids are."""
        if ids:
            self._api.change("terminate_instances", what=f"terminate {_some(ids)}", InstanceIds=list(ids))

    def stop(self, ids: Sequence[str]) -> None:
        if ids:
            self._api.change("stop_instances", what=f"stop {_some(ids)}", InstanceIds=list(ids))

    def start(self, ids: Sequence[str]) -> None:
        if ids:
            self._api.change("start_instances", what=f"start {_some(ids)}", InstanceIds=list(ids))

    def reboot(self, ids: Sequence[str]) -> None:
        if ids:
            self._api.change("reboot_instances", what=f"reboot {_some(ids)}", InstanceIds=list(ids))

    def tag(self, ids: Sequence[str], tags: Mapping[str, str]) -> None:
        """Set tags; works for any resource's id."""
        if ids and tags:
            self._api.change("create_tags", what=f"tag {_some(ids)}", Resources=list(ids), Tags=forms.tag_list(tags))

    def untag(self, ids: Sequence[str], keys: Iterable[str]) -> None:
        """Remove tags; those that are not there are no error."""
        tags = [{"Key": key} for key in keys]
        if ids and tags:
            self._api.change("delete_tags", what=f"untag {_some(ids)}", Resources=list(ids), Tags=tags)

    def console(self, instance_id: str) -> str:
        """What the instance printed while it booted; "" while there is nothing yet."""
        what = f"read the console of {instance_id}"
        try:
            answer = self._api.read("get_console_output", what=what, InstanceId=instance_id, Latest=True)
        except exception.UserMustAct as error:
            if error.code != "UnsupportedOperation":
                raise
            # machines older than Nitro know no `Latest`; their text is posted some minutes late
            answer = self._api.read("get_console_output", what=what, InstanceId=instance_id)
        return str(answer.get("Output") or "")

    def user_data(self, instance_id: str) -> str:
        """What the instance was launched with, unpacked; "" when that was nothing."""
        answer = self._api.read(
            "describe_instance_attribute",
            what=f"read the user data of {instance_id}",
            InstanceId=instance_id,
            Attribute="userData",
        )
        data = base64.b64decode(forms.text(answer, "UserData", "Value"))
        return (gzip.decompress(data) if data[:2] == _GZIP else data).decode("utf-8", "replace")

    def attribute(self, instance_id: str, name: str) -> Any:
        """An attribute by EC2's name for it, such as instanceInitiatedShutdownBehavior; None when it has no value."""
        answer = self._api.read(
            "describe_instance_attribute", what=f"read {name} of {instance_id}", InstanceId=instance_id, Attribute=name
        )
        return (answer.get(name[0].upper() + name[1:]) or {}).get("Value")

    def modify(self, instance_id: str, **attribute: Any) -> None:
        """Change an attribute, in ModifyInstanceAttribute's form; ConflictError while it runs and may not."""
        what = f"change {', '.join(attribute)} of {instance_id}"
        self._api.change("modify_instance_attribute", what=what, InstanceId=instance_id, **attribute)

    def checks(self, instance_id: str) -> str:
        """EC2's own checks of the machine and of what is under it, such as "system ok, instance impaired"."""
        answers = self._api.pages(
            "describe_instance_status",
            "InstanceStatuses",
            what=f"read the checks of {instance_id}",
            InstanceIds=[instance_id],
        )
        if not answers:
            return "none"
        system, own = (forms.text(answers[0], part, "Status") for part in ("SystemStatus", "InstanceStatus"))
        return f"system {system or 'not known'}, instance {own or 'not known'}"

    def type_info(self, name: str) -> InstanceType:
        """What EC2 says about an instance type, asked once; UserMustAct when there is no such type here."""
        with self._types_lock:  # nodes that are launched side by side are of the same one
            known = self._types.get(name)
            if known is None:
                what = f"look up the instance type '{name}'"
                answer = self._api.read("describe_instance_types", what=what, InstanceTypes=[name])
                known = self._types[name] = _instance_type(answer["InstanceTypes"][0])
            return known

    def offered_zones(self, name: str) -> set[str]:
        """The zones of this region that offer the type at all (which says nothing of free capacity)."""
        answers = self._api.pages(
            "describe_instance_type_offerings",
            "InstanceTypeOfferings",
            what=f"ask where '{name}' is offered",
            LocationType="availability-zone",
            Filters=forms.filters(instance_type=name),
        )
        return {str(answer["Location"]) for answer in answers}


def launch_parameters(request: LaunchRequest) -> dict[str, Any]:
    """RunInstances' parameters, all but the place: every resource that the call makes is tagged in it."""
    spot = request.market is Market.SPOT
    kinds = ["instance", "volume", "network-interface", *(["spot-instances-request"] if spot else [])]
    parameters: dict[str, Any] = {
        "ImageId": request.image_id,
        "InstanceType": request.instance_type,
        "MinCount": request.count,
        "MaxCount": request.count,
        "ClientToken": request.token,
        # a spot instance that shuts itself down can not be started again by us
        "InstanceInitiatedShutdownBehavior": "terminate" if spot else "stop",
        "MetadataOptions": {
            "HttpTokens": "required",
            "HttpPutResponseHopLimit": 1,
            "HttpEndpoint": "enabled",
        },
        "TagSpecifications": forms.tag_specifications(request.tags, *kinds),
    }
    if request.key_name:
        parameters["KeyName"] = request.key_name
    if spot:
        parameters["InstanceMarketOptions"] = {"MarketType": "spot", "SpotOptions": _spot_options(request)}
    if request.user_data:
        # bytes go through botocore's base64 untouched, as a gzip must
        parameters["UserData"] = request.user_data
    if request.instance_profile:
        parameters["IamInstanceProfile"] = {"Name": request.instance_profile}
    return parameters


def _root_disk(wanted: RootVolume) -> dict[str, Any]:
    asked = {
        "VolumeSize": wanted.size,
        "VolumeType": wanted.kind or shapes.DEFAULT,
        "Iops": wanted.iops,
        "Throughput": wanted.throughput,
    }
    return {"DeleteOnTermination": True, **{name: value for name, value in asked.items() if value is not None}}


def _spot_options(request: LaunchRequest) -> dict[str, Any]:
    options = {"SpotInstanceType": "one-time", "InstanceInterruptionBehavior": "terminate"}
    if request.max_price is not None:
        options["MaxPrice"] = f"{request.max_price:.6f}".rstrip("0").rstrip(".")
    return options


def _place(request: LaunchRequest) -> dict[str, Any]:
    """Zone, subnet, groups: a wish about public addresses can only be said on the network interface."""
    placement = {"GroupName": request.placement_group} if request.placement_group else {}
    if request.zone and not request.subnet_id:
        placement["AvailabilityZone"] = request.zone
    place: dict[str, Any] = {"Placement": placement} if placement else {}
    if request.public_ip is None:
        place["SecurityGroupIds"] = list(request.group_ids)
        return {**place, "SubnetId": request.subnet_id} if request.subnet_id else place
    card: dict[str, Any] = {
        "DeviceIndex": 0,
        "AssociatePublicIpAddress": request.public_ip,
        "Groups": list(request.group_ids),
        "DeleteOnTermination": True,
    }
    if request.subnet_id:
        card["SubnetId"] = request.subnet_id
    return {**place, "NetworkInterfaces": [card]}


def _asked(request: LaunchRequest) -> str:
    one = "an" if request.market is Market.ON_DEMAND else "a"
    count = one if request.count == 1 else str(request.count)
    return f"launch {count} {request.market} {request.instance_type} in {request.zone or request.subnet_id}"


def _some(ids: Sequence[str]) -> str:
    return ids[0] if len(ids) == 1 else f"{ids[0]} and {len(ids) - 1} more"


def _instance_type(answer: Mapping[str, Any]) -> InstanceType:
    gpus = answer.get("GpuInfo", {}).get("Gpus", ())
    return InstanceType(
        name=answer["InstanceType"],
        vcpus=int(answer["VCpuInfo"]["DefaultVCpus"]),
        memory_mib=int(answer["MemoryInfo"]["SizeInMiB"]),
        architectures=tuple(answer.get("ProcessorInfo", {}).get("SupportedArchitectures", ())),
        usage_classes=tuple(answer.get("SupportedUsageClasses", ())),
        virtualizations=tuple(answer.get("SupportedVirtualizationTypes", ())),
        root_devices=tuple(answer.get("SupportedRootDeviceTypes", ())),
        gpus=sum(int(gpu.get("Count", 0)) for gpu in gpus),
        placement_strategies=tuple(answer.get("PlacementGroupInfo", {}).get("SupportedStrategies", ())),
    )

"""The volumes of a launch: the image's root disk and what BlockDeviceMappings ask for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starcluster.localcloud.api import errors
from starcluster.localcloud.api.cloud import Cloud

# /dev/sdf, /dev/xvdf, /dev/xvdba and the like; EC2 takes nothing else as a device name.
DEVICE_NAME = re.compile(r"^/dev/(sd[a-z]|xvd[a-z]|xvd[a-d][a-z])\d{0,2}$")

GIB_LIMITS = {
    "gp2": (1, 16384), "gp3": (1, 65536), "io1": (4, 16384), "io2": (4, 65536),
    "st1": (125, 16384), "sc1": (125, 16384), "standard": (1, 1024),
}  # fmt: skip
GP3_IOPS = (3000, 80_000)
GP3_IOPS_PER_GIB = 500
GP3_THROUGHPUT = (125, 2000)
GP3_THROUGHPUT_PER_IOPS = 0.25


@dataclass(frozen=True, kw_only=True)
class DiskShape:
    """What a volume is like."""

    size_gib: int
    volume_type: str
    iops: int | None
    throughput: int | None
    snapshot_id: str | None
    encrypted: bool


@dataclass(frozen=True, kw_only=True)
class DiskPlan:
    """A volume to be made and attached with an instance."""

    device: str
    shape: DiskShape
    delete_on_termination: bool
    is_root: bool


def plan_disks(cloud: Cloud, mappings: Any, image: Any) -> tuple[DiskPlan, ...]:
    """The root disk first, then the others in the order asked for."""
    asked = list(mappings or [])
    root: Mapping[str, Any] = next((each for each in asked if each.get("DeviceName") == image.root_device_name), {})
    plans = [_plan_root(cloud, root.get("Ebs") or {}, image)]
    names = {image.root_device_name}
    for mapping in asked:
        if mapping is root or "NoDevice" in mapping or mapping.get("VirtualName"):
            continue
        plan = _plan_data(cloud, mapping)
        if plan.device in names:
            raise errors.Refusal("InvalidBlockDeviceMapping", f"Device {plan.device} is named twice")
        names.add(plan.device)
        plans.append(plan)
    return tuple(plans)


def _plan_root(cloud: Cloud, ebs: Mapping[str, Any], image: Any) -> DiskPlan:
    size = int(ebs.get("VolumeSize") or image.root_size_gib)
    if size < image.root_size_gib:
        text = f"Volume of size {size}GB is smaller than snapshot, expect size >= {image.root_size_gib}GB"
        raise errors.Refusal("InvalidBlockDeviceMapping", text)
    shape = read_shape(
        cloud, {**ebs, "VolumeSize": size, "SnapshotId": None, "VolumeType": ebs.get("VolumeType") or "gp3"}
    )
    keep = ebs.get("DeleteOnTermination")
    return DiskPlan(device=image.root_device_name, shape=shape, delete_on_termination=keep is not False, is_root=True)


def _plan_data(cloud: Cloud, mapping: Mapping[str, Any]) -> DiskPlan:
    device, ebs = mapping.get("DeviceName"), mapping.get("Ebs")
    if not device:
        raise errors.missing("deviceName")
    check_device(device)
    if not ebs:
        raise errors.missing("ebs")
    return DiskPlan(
        device=device,
        shape=read_shape(cloud, ebs),
        delete_on_termination=bool(ebs.get("DeleteOnTermination", False)),
        is_root=False,
    )


def check_device(name: str) -> None:
    if not DEVICE_NAME.match(name):
        raise errors.invalid_value(name, "device", f"{name} is not a valid EBS device name.")


def read_shape(cloud: Cloud, ebs: Mapping[str, Any]) -> DiskShape:
    """Check size, type, IOPS and throughput. Takes CreateVolume's names as well as a mapping's."""
    snapshot_id = ebs.get("SnapshotId") or None
    snapshot = cloud.backend.ready_snapshot(snapshot_id) if snapshot_id else None
    asked = ebs.get("VolumeSize") or ebs.get("Size")
    if asked is None and snapshot is None:
        raise errors.missing("size/snapshot")
    size = int(asked if asked is not None else getattr(snapshot, "volume_size", 0))
    if snapshot is not None and size < snapshot.volume_size:
        text = f"The size of a volume must not be smaller than its snapshot ({snapshot.volume_size} GiB)."
        raise errors.Refusal("InvalidParameterValue", text)
    kind = str(ebs.get("VolumeType") or "gp2")
    check_size(size, kind)
    iops, throughput = _number(ebs.get("Iops")), _number(ebs.get("Throughput"))
    iops, throughput = check_performance(kind, size, iops, throughput)
    return DiskShape(
        size_gib=size, volume_type=kind, iops=iops, throughput=throughput, snapshot_id=snapshot_id,
        encrypted=bool(ebs.get("Encrypted", False)),
    )  # fmt: skip


def _number(value: Any) -> int | None:
    return None if value is None else int(value)


def check_size(size: int, kind: str) -> None:
    if kind not in GIB_LIMITS:
        raise errors.Refusal("UnknownVolumeType", f"Unsupported volume type '{kind}' for volume creation.")
    low, high = GIB_LIMITS[kind]
    if not low <= size <= high:
        text = f"Volume of {size}GiB is invalid; for {kind} the size must be from {low}GiB to {high}GiB."
        raise errors.Refusal("InvalidParameterValue", text)


def check_performance(kind: str, size: int, iops: int | None, throughput: int | None) -> tuple[int | None, int | None]:
    """IOPS and throughput with their defaults, if the type allows them."""
    if kind == "gp3":
        return _check_gp3(size, iops, throughput)
    if throughput is not None:
        raise errors.bad_combination(f"The parameter throughput is not supported for {kind} volumes.")
    if kind in ("io1", "io2"):
        if iops is None:
            raise errors.missing("iops")
        return iops, None
    if iops is not None:
        raise errors.bad_combination(f"The parameter iops is not supported for {kind} volumes.")
    return (max(100, 3 * size) if kind == "gp2" else None), None


def _check_gp3(size: int, iops: int | None, throughput: int | None) -> tuple[int, int]:
    iops = GP3_IOPS[0] if iops is None else iops
    throughput = GP3_THROUGHPUT[0] if throughput is None else throughput
    if not GP3_IOPS[0] <= iops <= GP3_IOPS[1]:
        raise errors.invalid_value(iops, "iops", f"Volume iops of gp3 must be from {GP3_IOPS[0]} to {GP3_IOPS[1]}.")
    if iops > GP3_IOPS[0] and iops > size * GP3_IOPS_PER_GIB:
        raise errors.invalid_value(iops, "iops", f"At most {GP3_IOPS_PER_GIB} iops per GiB.")
    if not GP3_THROUGHPUT[0] <= throughput <= GP3_THROUGHPUT[1]:
        raise errors.invalid_value(throughput, "throughput", "It must be from 125 to 2000 MiB/s.")
    if throughput > iops * GP3_THROUGHPUT_PER_IOPS:
        raise errors.invalid_value(throughput, "throughput", "At most 0.25 MiB/s per iops.")
    return iops, throughput

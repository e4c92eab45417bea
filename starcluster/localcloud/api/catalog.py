"""What kinds of machine there are, where, and at what price.

Types, their vCPUs, memory and GPUs come from moto's tables, which are recorded from EC2. The prices are
this cloud's own: plausible figures for Linux in us-east-1 that follow AWS's list in shape, made for rehearsal
and never to be taken for AWS's.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from moto.ec2.models.instance_types import INSTANCE_TYPE_OFFERINGS, INSTANCE_TYPES

DEFAULT_TYPE = "m1.small"

# Dollars an hour of a family's `large`; larger and smaller sizes go in proportion to the vCPUs.
FAMILY_LARGE = {
    "t2": 0.0928, "t3": 0.0832, "t3a": 0.0752, "t4g": 0.0672,
    "m4": 0.10, "m5": 0.096, "m5a": 0.086, "m6i": 0.096, "m6a": 0.0864, "m6g": 0.077, "m7i": 0.1008,
    "m7g": 0.0816, "m8g": 0.08976, "c4": 0.10, "c5": 0.085, "c5a": 0.077, "c6i": 0.085, "c6a": 0.0765,
    "c6g": 0.068, "c7i": 0.08925, "c7g": 0.0725, "c8g": 0.07976, "r5": 0.126, "r6i": 0.126, "r6g": 0.1008,
    "r7i": 0.1323, "r7g": 0.1071,
}  # fmt: skip

# Types whose price does not follow from their vCPUs.
TYPE_PRICES = {
    "t2.micro": 0.0116, "t2.small": 0.023, "t2.medium": 0.0464, "t3.nano": 0.0052, "t3.micro": 0.0104,
    "t3.small": 0.0208, "t3.medium": 0.0416, "t4g.nano": 0.0042, "t4g.micro": 0.0084, "t4g.small": 0.0168,
    "t4g.medium": 0.0336, "m1.small": 0.044,
    "g4dn.xlarge": 0.526, "g5.xlarge": 1.006, "g5.48xlarge": 16.288, "g6.xlarge": 0.805, "g6e.xlarge": 1.861,
    "p3.2xlarge": 3.06, "p4d.24xlarge": 21.96, "p5.48xlarge": 55.04,
}  # fmt: skip

VCPU_PRICE = 0.045
GIB_PRICE = 0.003
GPU_PRICE = 0.60


def exists(instance_type: str) -> bool:
    return instance_type in INSTANCE_TYPES


def facts(instance_type: str) -> dict[str, Any]:
    """EC2's description of a type."""
    found: dict[str, Any] = INSTANCE_TYPES[instance_type]
    return found


def vcpus(instance_type: str) -> int:
    return int(facts(instance_type)["VCpuInfo"]["DefaultVCpus"])


def architectures(instance_type: str) -> list[str]:
    """The architectures a type can boot, as 'x86_64' or 'arm64'."""
    names: list[str] = facts(instance_type)["ProcessorInfo"]["SupportedArchitectures"]
    return names


def strategies(instance_type: str) -> list[str]:
    """The strategies of placement groups that take a type: burstable ones are not packed together, for one."""
    found: list[str] = facts(instance_type).get("PlacementGroupInfo", {}).get("SupportedStrategies", [])
    return found


@cache
def _offerings(region: str) -> dict[str, tuple[str, ...]]:
    places: dict[str, list[str]] = {}
    for offer in INSTANCE_TYPE_OFFERINGS["availability-zone"].get(region, []):
        places.setdefault(offer["InstanceType"], []).append(offer["Location"])
    return {name: tuple(sorted(zones)) for name, zones in places.items()}


def zones_of(instance_type: str, region: str) -> tuple[str, ...]:
    """The zones of a region that offer a type, in order."""
    return _offerings(region).get(instance_type, ())


@cache
def on_demand_price(instance_type: str) -> float:
    """Dollars an hour, on demand. Unknown types cost by their size."""
    if instance_type in TYPE_PRICES:
        return TYPE_PRICES[instance_type]
    family = instance_type.partition(".")[0]
    if family in FAMILY_LARGE:
        return round(FAMILY_LARGE[family] / 2 * vcpus(instance_type), 5)
    return _price_by_size(facts(instance_type))


def _price_by_size(machine: dict[str, Any]) -> float:
    cores = machine["VCpuInfo"]["DefaultVCpus"]
    gib = machine["MemoryInfo"]["SizeInMiB"] / 1024
    gpus = sum(int(gpu.get("Count", 0)) for gpu in machine.get("GpuInfo", {}).get("Gpus", []))
    return round(float(cores * VCPU_PRICE + gib * GIB_PRICE + gpus * GPU_PRICE), 5)

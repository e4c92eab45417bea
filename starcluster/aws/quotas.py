"""Where to ask AWS for more: the page of the very quota that a refused call ran into.

The codes are those that Service Quotas shows; of quotas that are not here the list of the service is named, with what
to look for in it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_STANDARD = "Standard (A, C, D, H, I, M, R, T, Z)"
_SPOT_CODES: Mapping[str, str] = {_STANDARD: "L-34B43A08", "G and VT": "L-3819A6DF", "P": "L-7212CCBC"}
_ON_DEMAND_CODES: Mapping[str, str] = {_STANDARD: "L-1216C47A", "G and VT": "L-DB2E81BA", "P": "L-417A185B"}
_SPOT_NAMES = {"P": "P4, P3 and P2"}
_INSTANCES = frozenset({"MaxSpotInstanceCountExceeded", "VcpuLimitExceeded", "InstanceLimitExceeded"})
_FAMILIES = {"g": "G and VT", "gr": "G and VT", "vt": "G and VT", "u": "High Memory"}
_DISKS = frozenset({"VolumeLimitExceeded", "MaxIOPSLimitExceeded", "SnapshotLimitExceeded", "CopyVolumesLimitExceeded"})
_NETWORK = frozenset(
    {"NetworkInterfaceLimitExceeded", "SecurityGroupLimitExceeded", "RulesPerSecurityGroupLimitExceeded"}
)


def hint(code: str, *, region: str, params: Mapping[str, Any]) -> str:
    """What to ask for and on which page, after a call with these parameters was refused with this code."""
    if code in _INSTANCES:
        spot = code.startswith("MaxSpot") or "InstanceMarketOptions" in params
        return _instances(region, str(params.get("InstanceType", "")), spot=spot)
    service = "ebs" if code in _DISKS else "vpc" if code in _NETWORK else "ec2"
    return f"free what is not needed, or ask for more: {_page(region, service)}"


def _instances(region: str, instance_type: str, *, spot: bool) -> str:
    family = family_of(instance_type)
    name = (
        f"All {_SPOT_NAMES.get(family, family)} Spot Instance Requests"
        if spot
        else f"Running On-Demand {family} instances"
    )
    code = (_SPOT_CODES if spot else _ON_DEMAND_CODES).get(family, "") if instance_type else ""
    market = "spot" if spot else "on-demand"
    return (
        f"your {market} quota (vCPUs) is used up, or zero as in a new account: take a smaller instance type, "
        f'or ask for more of "{name}": {_page(region, "ec2", code)}'
    )


def family_of(instance_type: str) -> str:
    """The family as quotas name it: "P" of p3.2xlarge; types with a quota of their own (p5 and later) by their name."""
    stem = instance_type.partition(".")[0]
    letters = (re.match(r"[a-z]+", stem) or [""])[0]
    number = int((re.search(r"\d+", stem) or ["0"])[0])
    if letters == "p" and number >= 5:
        return stem.upper()
    if letters in _FAMILIES:
        return _FAMILIES[letters]
    if letters in ("p", "f", "x", "dl", "inf", "trn", "hpc"):
        return {"dl": "DL", "inf": "Inf", "trn": "Trn", "hpc": "HPC"}.get(letters, letters.upper())
    return _STANDARD


def _page(region: str, service: str, code: str = "") -> str:
    home = f"https://{region}.console.aws.amazon.com/servicequotas/home/services/{service}/quotas"
    return f"{home}/{code}" if code else home

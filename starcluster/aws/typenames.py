"""Names of instance types without asking AWS: those that the installed boto3 knows of."""

from __future__ import annotations

import functools
import re

_ARM = re.compile(r"(a1|[a-z]+\d+g[a-z0-9-]*|mac2[a-z0-9-]*|mac-m\d[a-z0-9-]*)\.")


@functools.cache
def instance_types() -> dict[str, list[str]]:
    """Type -> architectures; EC2 itself (Instances.type_info) tells what a region has, and more of each."""
    import botocore.session

    names: list[str] = botocore.session.Session().get_service_model("ec2").shape_for("InstanceType").enum  # type: ignore[attr-defined]
    return {name: ["arm64" if _ARM.match(name) else "x86_64"] for name in names}


_AFTER = {
    "c1": "c7i",
    "cc1": "c7i",
    "cc2": "c7i",
    "cg1": "g4dn",
    "cr1": "r7i",
    "g2": "g4dn",
    "g3": "g4dn",
    "g3s": "g4dn",
    "hi1": "i4i",
    "hs1": "d3",
    "i2": "i4i",
    "m1": "m7i",
    "m2": "r7i",
    "m3": "m7i",
    "p2": "g4dn",
    "p3": "g5",
    "t1": "t3",
}


def successor(name: str) -> str:
    """The family for the same work today, of a type that AWS has retired or will; "" for others."""
    return _AFTER.get(name.partition(".")[0], "")

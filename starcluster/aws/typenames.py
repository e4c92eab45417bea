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

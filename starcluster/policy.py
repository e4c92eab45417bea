"""The IAM policy that allows what permissions.py lists, and nothing else. Pure: needs in, the document out.

What is made must be tagged in the call that makes it, and what is changed or ended must carry that tag: a key that
leaks can not touch what others have in the account. Descriptions can be limited to no resource (AWS's rule, not ours).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from starcluster.permissions import NEEDS, On, Only

VERSION = "2012-10-17"
CREATING = (
    *("RunInstances", "CreateVolume", "CreateSnapshot", "CreateImage", "CreateSecurityGroup", "CreateLaunchTemplate"),
    *("CreateKeyPair", "ImportKeyPair", "CreatePlacementGroup"),
)
_OF_EC2 = ("instance",)
_NO_ACCOUNT = ("image", "snapshot")  # kinds whose ARNs name no account
_CONDITIONS: dict[Only, dict[str, Any]] = {
    Only.MADE_BY_US: {"Null": {Only.MADE_BY_US.value: "false"}},
    Only.TAGGED: {"Null": {Only.TAGGED.value: "false"}},
    Only.AT_CREATION: {"StringEquals": {Only.AT_CREATION.value: list(CREATING)}},
    Only.FOR_EC2: {"StringEquals": {Only.FOR_EC2.value: ["ec2.amazonaws.com", "ec2.amazonaws.com.cn"]}},
    Only.FOR_SPOT: {"StringEquals": {Only.FOR_SPOT.value: "spot.amazonaws.com"}},
    Only.FOR_A_SERVICE: {"Bool": {Only.FOR_A_SERVICE.value: "true"}},
}
# AWS limits a policy's length. Together these allow no more: an action looks at the kinds only that it is about.
_ONE_STATEMENT = (Only.MADE_BY_US, Only.TAGGED)
_NAMES = {
    Only.ANY: "Inputs",
    Only.MADE_BY_US: "Own",
    Only.TAGGED: "New",
    Only.AT_CREATION: "TagNew",
    Only.FOR_EC2: "PassRole",
    Only.FOR_SPOT: "SpotRole",
    Only.FOR_A_SERVICE: "Grant",
}


def document(features: Iterable[str] = (), *, partition: str = "aws") -> dict[str, Any]:
    """The policy for these features, for all without any; `partition` is aws, aws-cn or aws-us-gov."""
    wanted = set(features)
    grouped: dict[On | Only, tuple[list[str], list[str]]] = {}
    for need in NEEDS:
        if not wanted or wanted.intersection(need.features):
            for on in need.on:
                actions, kinds = grouped.setdefault(on.only if on.only in _ONE_STATEMENT else on, ([], []))
                actions.append(need.action)
                kinds.extend(on.kinds)
    counts: dict[str, int] = {}
    return {
        "Version": VERSION,
        "Statement": [
            _statement(_name(only, kinds, counts), actions, kinds, only, partition)
            for only, (actions, kinds) in ((_only(key), pair) for key, pair in grouped.items())
        ],
    }


def _only(key: On | Only) -> Only:
    return key.only if isinstance(key, On) else key


def _name(only: Only, kinds: list[str], counts: dict[str, int]) -> str:
    """Statements need names of letters and digits, each once."""
    name = "Describe" if set(kinds) == {"*"} else _NAMES[only]
    counts[name] = counts.get(name, 0) + 1
    return name if counts[name] == 1 else f"{name}{counts[name]}"


def _statement(name: str, actions: Iterable[str], kinds: Iterable[str], only: Only, partition: str) -> dict[str, Any]:
    told: dict[str, Any] = {
        "Sid": name,
        "Effect": "Allow",
        "Action": sorted(actions),
        "Resource": sorted({arn(_service(kind, actions), kind, partition) for kind in kinds}),
    }
    if only in _CONDITIONS:
        told["Condition"] = _CONDITIONS[only]
    return told


def _service(kind: str, actions: Iterable[str]) -> str:
    """Whose ARNs name this kind: instances are EC2's, also where the Session Manager is asked."""
    first = next(iter(actions)).partition(":")[0]
    return "ec2" if kind in _OF_EC2 else first


def arn(service: str, kind: str, partition: str) -> str:
    """The pattern of the ARNs of a kind of resource."""
    if kind == "*":
        return "*"
    if service == "s3" and kind == "bucket":
        return f"arn:{partition}:s3:::*"
    if service == "iam":
        return f"arn:{partition}:iam::*:{kind if '/' in kind else kind + '/*'}"
    if kind.startswith(("parameter/", "document/")):
        return f"arn:{partition}:ssm:*::{kind}" + ("/*" if kind.startswith("parameter/") else "")
    account = "" if kind in _NO_ACCOUNT else "*"
    return f"arn:{partition}:{service}:*:{account}:{kind}/*"

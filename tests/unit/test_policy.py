"""docs/iam-policy.json: whole, of AWS's form and size, and what permissions.py says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from starcluster.permissions import FEATURES, NEEDS, OWN_TAG, Need
from starcluster.policy import arn, document

SHIPPED = Path(__file__).parents[2] / "docs" / "iam-policy.json"
MANAGED_POLICY_LIMIT = 6144  # characters that are no white space


def statements(*features: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = document(features)["Statement"]
    return found


def test_the_shipped_policy_is_what_the_table_says() -> None:
    again = "starcluster config policy > docs/iam-policy.json makes it anew"
    assert json.loads(SHIPPED.read_text()) == document(), again


def test_it_fits_into_a_managed_policy() -> None:
    assert len(re.sub(r"\s", "", json.dumps(document()))) <= MANAGED_POLICY_LIMIT


def holding(action: str, kind: str) -> list[dict[str, Any]]:
    """The statements that allow the action on the kind."""
    service = "ec2" if kind == "instance" else action.partition(":")[0]
    return [one for one in statements() if action in one["Action"] and arn(service, kind, "aws") in one["Resource"]]


@pytest.mark.parametrize("need", NEEDS, ids=lambda need: need.action)
def test_every_need_is_allowed_under_its_condition(need: Need) -> None:
    for on in need.on:
        for kind in on.kinds:
            keys = [str(one.get("Condition", "")) for one in holding(need.action, kind)]
            assert any(on.only.value in key if on.only else key == "" for key in keys), (on, keys)


def test_no_action_is_allowed_that_nothing_needs() -> None:
    assert {action for one in statements() for action in one["Action"]} == {need.action for need in NEEDS}


def test_what_needs_a_condition_is_nowhere_allowed_without() -> None:
    for need in NEEDS:
        free = {kind for on in need.on if not on.only for kind in on.kinds}
        bound = {kind for on in need.on if on.only for kind in on.kinds} - free
        for kind in bound:
            assert all("Condition" in one for one in holding(need.action, kind)), (need.action, kind)


def test_nothing_that_changes_is_allowed_on_everything() -> None:
    for one in statements():
        if one["Resource"] == ["*"]:
            assert all(re.match(r"\w+:(Describe|Get|Decode|List)", action) for action in one["Action"]), one
    assert not any("*" in action for one in statements() for action in one["Action"])


@pytest.mark.parametrize(
    ("action", "kind", "key"),
    [
        ("ec2:RunInstances", "instance", "aws:RequestTag"),
        ("ec2:CreateVolume", "volume", "aws:RequestTag"),
        ("ec2:TerminateInstances", "instance", "aws:ResourceTag"),
        ("ec2:DeleteVolume", "volume", "aws:ResourceTag"),
        ("ec2:AttachVolume", "volume", "aws:ResourceTag"),
    ],
)
def test_what_is_made_or_ended_is_ours(action: str, kind: str, key: str) -> None:
    found = holding(action, kind)
    assert {"Null": {f"{key}/{OWN_TAG}": "false"}} in [one["Condition"] for one in found]


def test_statements_have_names_of_their_own() -> None:
    names = [one["Sid"] for one in statements()]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9]+", name) for name in names)


@pytest.mark.parametrize("feature", FEATURES)
def test_a_feature_alone_needs_less(feature: str) -> None:
    actions = {action for one in statements(feature) for action in one["Action"]}
    assert actions == {need.action for need in NEEDS if feature in need.features}


def test_arns() -> None:
    assert arn("ec2", "image", "aws") == "arn:aws:ec2:*::image/*"
    assert arn("ec2", "subnet", "aws-cn") == "arn:aws-cn:ec2:*:*:subnet/*"
    assert arn("iam", "role", "aws") == "arn:aws:iam::*:role/*"
    spot = "arn:aws:iam::*:role/aws-service-role/spot.amazonaws.com/*"  # AWS's name for the role comes behind it
    assert [one["Resource"] for one in statements() if one["Sid"] == "SpotRole"] == [[spot]]
    assert arn("ssm", "parameter/aws/service", "aws") == "arn:aws:ssm:*::parameter/aws/service/*"
    assert arn("ssm", "document/AWS-StartSSHSession", "aws") == "arn:aws:ssm:*::document/AWS-StartSSHSession"

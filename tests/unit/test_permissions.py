"""The table of permissions against the calls that the package makes, and against AWS's own model of them."""

from __future__ import annotations

import ast
from pathlib import Path

import botocore.session
import pytest
from botocore import xform_name

from starcluster import permissions
from starcluster.commands import VERBS
from starcluster.permissions import FEATURES, NEEDS, NODES_NEED, Only

ROOT = Path(permissions.__file__).parent
SERVICES = ("ec2", "ssm", "sts", "pricing")


def operations() -> dict[str, str]:
    """boto's name of every operation -> IAM's name."""
    session = botocore.session.get_session()
    found: dict[str, str] = {}
    for service in reversed(SERVICES):
        for name in session.get_service_model(service).operation_names:
            found[xform_name(name)] = f"{service}:{name}"
    # of S3 we look only, and IAM has names of its own for that
    return found | {"list_buckets": "s3:ListAllMyBuckets", "list_objects_v2": "s3:ListBucket"}


def words_in(path: Path) -> set[str]:
    """Every text in the file, and what is asked of a client directly."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Call):
            found.add(node.attr)
    return found


def calls() -> set[str]:
    known = operations()
    words = set().union(*(words_in(path) for path in (ROOT / "aws").glob("*.py")))
    return {known[word] for word in words & set(known)}


def test_every_call_is_in_the_table() -> None:
    assert calls() - {need.action for need in NEEDS} == set()


def test_every_action_of_the_table_is_asked_for() -> None:
    assert {need.action for need in NEEDS if need.by_us} - calls() == set()


def test_no_action_stands_there_twice() -> None:
    for needs in (NEEDS, NODES_NEED):
        names = [need.action for need in needs]
        assert len(names) == len(set(names))


@pytest.mark.parametrize("need", NEEDS, ids=lambda need: need.action)
def test_a_need_has_features_that_are_explained(need: permissions.Need) -> None:
    assert need.features
    assert set(need.features) <= set(FEATURES)


@pytest.mark.parametrize("feature", FEATURES.values(), ids=lambda one: one.name)
def test_a_feature_has_verbs_that_exist_and_actions(feature: permissions.Feature) -> None:
    assert set(feature.verbs) <= set(VERBS)
    assert permissions.needed([feature.name])


def test_what_changes_something_is_limited_to_what_is_ours() -> None:
    """A description can not be limited; a launch's inputs and a VPC are the user's; the rest carries our tag."""
    free = {
        (need.action, kind)
        for need in NEEDS
        if need.action.startswith("ec2:") and not need.action.startswith("ec2:Describe")
        for on in need.on
        if on.only is Only.ANY
        for kind in on.kinds
    }
    kinds = ("image", "snapshot", "subnet", "security-group", "key-pair", "placement-group")
    inputs = {("ec2:RunInstances", kind) for kind in kinds}
    assert free == inputs | {("ec2:CreateSecurityGroup", "vpc")}


def test_what_nodes_ask_of_s3_is_what_the_documentation_grants() -> None:
    text = (ROOT.parent / "docs" / "s3.md").read_text()
    assert all(f'"{need.action}"' in text for need in NODES_NEED)
    assert text.count('"s3:') == len(NODES_NEED)

"""A listing whose call to EC2 failed ends 1 and shows no list: nobody takes it for "there are none"."""

from __future__ import annotations

import pytest

from starcluster import exception
from starcluster.cluster import record
from tests.fakes.ec2 import VPC, FakeEc2
from tests.unit.cluster.conftest import RECORD
from tests.unit.commands.conftest import Run


@pytest.mark.parametrize("json", [False, True])
@pytest.mark.parametrize(
    ("verb", "method"),
    [
        ("listclusters", "instances.find"),
        ("listclusters", "spot.find"),
        ("listinstances", "instances.find"),
        ("listspots", "spot.find"),
        ("listvolumes", "volumes.find"),
    ],
)
def test_a_call_that_failed_is_no_empty_list(run: Run, ec2: FakeEc2, verb: str, method: str, json: bool) -> None:
    ec2.network.create_group("@sc-c", "a cluster", VPC, {**record.resource_tags("c"), **record.to_tags(RECORD)})
    ec2.fail_next(method, exception.TransientError("EC2 does not answer", code="Unavailable"), times=20)
    ended = run(verb, *(["--json"] if json else []))
    assert ended.code == 1
    assert "EC2 does not answer" in ended.said
    assert ended.out.strip() == ""

"""The spot market through the API: requests, notices, sudden deaths, prices, capacity."""

from __future__ import annotations

import datetime
import json
from typing import Any

import pytest

from tests.unit.localcloud.api.conftest import UBUNTU, Api, code_of, until

SPEC = {"ImageId": UBUNTU, "InstanceType": "m5.large"}


def status(request: dict[str, Any]) -> tuple[str, str]:
    return request["State"], request["Status"]["Code"]


def by_id(api: Api, request_id: str) -> dict[str, Any]:
    found = api.ec2.describe_spot_instance_requests(SpotInstanceRequestIds=[request_id])
    return found["SpotInstanceRequests"][0]  # type: ignore[no-any-return]


def test_run_instances_makes_a_tagged_request(api: Api) -> None:
    tags = [{"ResourceType": "spot-instances-request", "Tags": [{"Key": "@sc-node", "Value": "n1"}]}]
    instance_id = api.run_spot(price="0.05", TagSpecifications=tags)
    instance = api.instance(instance_id)
    assert instance["InstanceLifecycle"] == "spot"
    request = by_id(api, instance["SpotInstanceRequestId"])
    assert status(request) == ("active", "fulfilled")
    assert request["InstanceId"] == instance_id
    assert request["SpotPrice"] == "0.050000"
    assert request["Tags"] == [{"Key": "@sc-node", "Value": "n1"}]
    filters = [{"Name": "tag:@sc-node", "Values": ["n?"]}, {"Name": "state", "Values": ["active"]}]
    found = api.ec2.describe_spot_instance_requests(Filters=filters)["SpotInstanceRequests"]
    assert [each["InstanceId"] for each in found] == [instance_id]


def test_notice_then_the_end(api: Api) -> None:
    instance_id = api.run_spot()
    api.wait(instance_id, "running")
    planned = api.control.interrupt(instance_id=instance_id, notice=200)
    assert status(api.request_of(instance_id)) == ("closed", "instance-terminated-no-capacity")
    assert api.state(instance_id) == "running"
    spot = api.hosts.metadata[instance_id]["spot"]
    action = json.loads(spot["instance-action"])
    assert action["action"] == "terminate"
    at = datetime.datetime.strptime(action["time"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=datetime.UTC)
    assert abs(at.timestamp() - planned["due"]) <= 1
    assert spot["termination-time"] == action["time"]
    gone = api.wait(instance_id, "terminated")
    assert gone["StateReason"]["Code"] == "Server.SpotInstanceTermination"
    assert ("shutdown", instance_id) in api.hosts.asked
    assert status(api.request_of(instance_id)) == ("closed", "instance-terminated-no-capacity")


def test_sudden_death(api: Api) -> None:
    instance_id = api.run_spot()
    api.wait(instance_id, "running")
    api.control.interrupt(instance_id=instance_id, notice=0)
    assert api.state(instance_id) in ("shutting-down", "terminated")
    gone = api.wait(instance_id, "terminated")
    assert gone["StateReason"]["Code"] == "Server.SpotInstanceTermination"
    assert api.hosts.ops("crash", "shutdown")[-1] == ("crash", instance_id)
    assert "spot" not in api.hosts.metadata[instance_id]


def test_rebalance_recommendation(api: Api) -> None:
    instance_id = api.run_spot()
    api.wait(instance_id, "running")
    api.control.rebalance(instance_id=instance_id)
    events = api.hosts.metadata[instance_id]["events"]
    assert "noticeTime" in json.loads(events["recommendations"]["rebalance"])
    assert status(api.request_of(instance_id)) == ("active", "fulfilled")


def test_on_demand_instances_are_not_interrupted(api: Api) -> None:
    from starcluster.localcloud.api.errors import Refusal

    instance_id = api.running()
    with pytest.raises(Refusal, match="not a spot instance"):
        api.control.interrupt(instance_id=instance_id)


def test_the_user_terminates(api: Api) -> None:
    instance_id = api.run_spot()
    api.wait(instance_id, "running")
    api.ec2.terminate_instances(InstanceIds=[instance_id])
    assert status(api.request_of(instance_id)) == ("closed", "instance-terminated-by-user")


def test_cancel_leaves_the_instance_running(api: Api) -> None:
    instance_id = api.run_spot()
    api.wait(instance_id, "running")
    request_id = api.instance(instance_id)["SpotInstanceRequestId"]
    told = api.ec2.cancel_spot_instance_requests(SpotInstanceRequestIds=[request_id])
    assert told["CancelledSpotInstanceRequests"][0]["State"] == "cancelled"
    assert status(by_id(api, request_id)) == ("cancelled", "request-canceled-and-instance-running")
    assert api.state(instance_id) == "running"
    wrong = ["sir-0123abcd"]
    assert code_of(api.ec2.cancel_spot_instance_requests, SpotInstanceRequestIds=wrong) == (
        "InvalidSpotInstanceRequestID.NotFound"
    )


def test_price_rises_above_the_limit(api: Api) -> None:
    instance_id = api.run_spot(price="0.05", Placement={"AvailabilityZone": "us-east-1a"})
    free = api.run_spot(Placement={"AvailabilityZone": "us-east-1a"})
    api.wait(instance_id, "running")
    api.wait(free, "running")
    api.control.price(type="m5.large", zone="us-east-1a", value=0.06)
    assert status(api.request_of(instance_id)) == ("closed", "instance-terminated-by-price")
    assert status(api.request_of(free)) == ("active", "fulfilled")
    api.wait(instance_id, "terminated")
    assert code_of(api.run_spot, price="0.05", Placement={"AvailabilityZone": "us-east-1a"}) == "SpotMaxPriceTooLow"


def test_price_history(api: Api) -> None:
    began = datetime.datetime.now(datetime.UTC)
    api.control.price(type="c5.xlarge", zone="us-east-1b", value=0.123)
    zone = {"InstanceTypes": ["c5.xlarge"], "AvailabilityZone": "us-east-1b", "ProductDescriptions": ["Linux/UNIX"]}
    rows = api.ec2.describe_spot_price_history(**zone)["SpotPriceHistory"]
    assert [float(row["SpotPrice"]) for row in rows] == [0.123, pytest.approx(0.17 * 0.31)]
    now = datetime.datetime.now(datetime.UTC)
    current = api.ec2.describe_spot_price_history(StartTime=now, **zone)["SpotPriceHistory"]
    assert [row["SpotPrice"] for row in current] == ["0.123000"]
    before = api.ec2.describe_spot_price_history(EndTime=began, **zone)["SpotPriceHistory"]
    assert len(before) == 1
    pages = api.ec2.get_paginator("describe_spot_price_history").paginate(
        InstanceTypes=["c5.xlarge", "m5.large"], PaginationConfig={"PageSize": 5}
    )
    told = [(row["InstanceType"], row["AvailabilityZone"]) for page in pages for row in page["SpotPriceHistory"]]
    assert len(told) == len(set(told)) + 1  # one pool has two prices
    assert len(set(told)) > 5


def test_shortage_and_quota(api: Api) -> None:
    api.control.capacity(type="m5.xlarge", count=0)
    assert code_of(api.run_spot, InstanceType="m5.xlarge") == "InsufficientInstanceCapacity"
    assert api.run(InstanceType="m5.xlarge").startswith("i-")
    api.control.clear()
    api.control.quota(market="spot", vcpus=0)
    assert code_of(api.run_spot) == "MaxSpotInstanceCountExceeded"


def test_withdrawn_capacity_takes_the_youngest(api: Api) -> None:
    place = {"InstanceType": "c5.2xlarge", "Placement": {"AvailabilityZone": "us-east-1a"}}
    old = api.run_spot(**place)
    young = api.run_spot(**place)
    api.control.capacity(type="c5.2xlarge", zone="us-east-1a", count=1, reclaim=True)
    assert status(api.request_of(old)) == ("active", "fulfilled")
    assert status(api.request_of(young))[0] == "closed"


REFUSED = [
    ({"SpotOptions": {"MaxPrice": "0.001"}}, "InvalidParameterValue"),
    ({"SpotOptions": {"MaxPrice": "cheap"}}, "InvalidParameterValue"),
    ({"SpotOptions": {"SpotInstanceType": "persistent"}}, "InvalidParameterCombination"),
    ({"SpotOptions": {"InstanceInterruptionBehavior": "stop"}}, "InvalidParameterCombination"),
    ({"SpotOptions": {"ValidUntil": datetime.datetime(2030, 1, 1)}}, "InvalidParameterCombination"),
    ({"SpotOptions": {"MaxPrice": "0.002"}}, "SpotMaxPriceTooLow"),
]


@pytest.mark.parametrize(("market", "code"), REFUSED)
def test_refused_terms(api: Api, market: dict[str, Any], code: str) -> None:
    before = len(api.cloud.world.spot_requests)
    assert code_of(api.run, InstanceMarketOptions={"MarketType": "spot", **market}) == code
    assert len(api.cloud.world.spot_requests) == before


def test_legacy_request_is_asynchronous(api: Api) -> None:
    made = api.ec2.request_spot_instances(LaunchSpecification=SPEC, SpotPrice="0.05")["SpotInstanceRequests"][0]
    assert status(made) == ("open", "pending-evaluation")
    assert "InstanceId" not in made
    request_id = made["SpotInstanceRequestId"]
    until(lambda: status(by_id(api, request_id)) == ("active", "fulfilled"))
    instance = api.instance(by_id(api, request_id)["InstanceId"])
    assert instance["SpotInstanceRequestId"] == request_id


def test_legacy_request_waits_for_capacity_and_price(api: Api) -> None:
    api.control.capacity(type="m5.large", count=0)
    made = api.ec2.request_spot_instances(LaunchSpecification=SPEC, SpotPrice="0.05")["SpotInstanceRequests"][0]
    request_id = made["SpotInstanceRequestId"]
    until(lambda: status(by_id(api, request_id)) == ("open", "capacity-not-available"))
    api.control.price(type="m5.large", value=0.06)
    until(lambda: status(by_id(api, request_id)) == ("open", "price-too-low"))
    api.control.price(type="m5.large", value=0.02)
    api.control.capacity(type="m5.large", count=None)
    until(lambda: status(by_id(api, request_id)) == ("active", "fulfilled"))


def test_persistent_request_comes_back(api: Api) -> None:
    made = api.ec2.request_spot_instances(LaunchSpecification=SPEC, Type="persistent")["SpotInstanceRequests"][0]
    request_id = made["SpotInstanceRequestId"]
    until(lambda: status(by_id(api, request_id))[0] == "active")
    first = by_id(api, request_id)["InstanceId"]
    api.wait(first, "running")
    api.control.interrupt(instance_id=first, notice=10)
    until(
        lambda: (
            status(by_id(api, request_id)) == ("active", "fulfilled") and by_id(api, request_id)["InstanceId"] != first
        )
    )
    api.ec2.cancel_spot_instance_requests(SpotInstanceRequestIds=[request_id])


def test_persistent_stop_is_started_again_by_the_market(api: Api) -> None:
    options = {"SpotInstanceType": "persistent", "InstanceInterruptionBehavior": "stop"}
    instance_id = api.run(InstanceMarketOptions={"MarketType": "spot", "SpotOptions": options})
    api.wait(instance_id, "running")
    api.control.capacity(type="m5.large", count=0)
    api.control.interrupt(instance_id=instance_id, notice=10)
    assert status(api.request_of(instance_id)) == ("active", "marked-for-stop")
    api.wait(instance_id, "stopped")
    assert status(api.request_of(instance_id)) == ("disabled", "instance-stopped-no-capacity")
    api.control.capacity(type="m5.large", count=None)
    api.wait(instance_id, "running")
    assert status(api.request_of(instance_id)) == ("active", "fulfilled")


def test_one_time_spot_cannot_be_stopped(api: Api) -> None:
    instance_id = api.run_spot()
    api.wait(instance_id, "running")
    assert code_of(api.ec2.stop_instances, InstanceIds=[instance_id]) == "UnsupportedOperation"

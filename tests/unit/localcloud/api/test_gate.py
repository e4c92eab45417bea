"""The gate: who may ask, what errors look like, faults and held calls."""

from __future__ import annotations

import datetime
import http.client
import threading
import time
import urllib.request
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from starcluster.localcloud.api.operations import UsageError
from starcluster.localcloud.api.signature import BadSignature, SignedRequest, verify
from tests.unit.localcloud.api.conftest import KEYS, UBUNTU, Api, code_of, until

NOW = datetime.datetime(2026, 11, 22, 12, 0, 0, tzinfo=datetime.UTC)


def test_other_keys_are_refused(api: Api) -> None:
    stranger = api.client("ec2", aws_access_key_id="AKIAIOSFODNN7EXAMPLE")
    assert code_of(stranger.describe_instances) == "AuthFailure"
    forger = api.client("ec2", aws_secret_access_key="guess")
    assert code_of(forger.describe_instances) == "SignatureDoesNotMatch"


def test_another_region_is_refused(api: Api) -> None:
    assert code_of(api.client("ec2", region_name="eu-west-1").describe_instances) == "AuthFailure"


@pytest.mark.parametrize("path", ["/", "/moto-api/", "/moto-api/reset", "/latest/meta-data/"])
def test_unsigned_requests_are_refused(api: Api, path: str) -> None:
    with pytest.raises(urllib.request.HTTPError) as caught:
        urllib.request.urlopen(api.endpoint + path, data=b"Action=DescribeInstances&Version=2016-11-15")
    assert b"MissingAuthenticationToken" in caught.value.read()


def test_a_foreign_host_name_is_refused(api: Api) -> None:
    port = int(api.endpoint.rpartition(":")[2])
    link = http.client.HTTPConnection("127.0.0.1", port)
    link.request("GET", "/", headers={"Host": "rebound.example"})
    answer = link.getresponse()
    assert answer.status == 403
    assert answer.getheader("Access-Control-Allow-Origin") is None
    link.close()


def test_other_services(api: Api) -> None:
    assert api.client("sts").get_caller_identity()["Account"] == "123456789012"
    name = "/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id"
    assert api.client("ssm").get_parameter(Name=name)["Parameter"]["Value"] == UBUNTU
    assert api.run(ImageId=f"resolve:ssm:{name}").startswith("i-")
    s3 = api.client("s3", config=Config(signature_version="s3v4", s3={"addressing_style": "path"}))
    s3.create_bucket(Bucket="bucket")
    s3.put_object(Bucket="bucket", Key="a b/ü", Body=b"content")
    assert s3.get_object(Bucket="bucket", Key="a b/ü")["Body"].read() == b"content"
    link = s3.generate_presigned_url("get_object", Params={"Bucket": "bucket", "Key": "a b/ü"})
    assert urllib.request.urlopen(link).read() == b"content"
    assert code_of(api.client("sqs").list_queues) == "InvalidAction"


@pytest.mark.parametrize("action", ["create_fleet", "describe_fleets_history", "run_scheduled_instances"])
def test_what_is_missing_is_an_ec2_error(api: Api, action: str) -> None:
    ways: dict[str, dict[str, Any]] = {
        "create_fleet": {
            "TargetCapacitySpecification": {"TotalTargetCapacity": 1},
            "LaunchTemplateConfigs": [],
        },
        "run_scheduled_instances": {"LaunchSpecification": {"ImageId": "x"}, "ScheduledInstanceId": "x"},
    }
    if action in ways:
        assert code_of(getattr(api.ec2, action), **ways[action]) == "InvalidAction"
    else:
        assert code_of(api.ec2.describe_capacity_block_offerings, CapacityDurationHours=24) == "InvalidAction"


def test_a_bug_is_an_ec2_error(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.cloud.backend, "every_instance", lambda: 1 / 0)
    assert code_of(api.ec2.describe_instances) == "InternalError"


def test_faults_are_used_up(api: Api) -> None:
    api.control.fault(action="DescribeVpcs", code="RequestLimitExceeded", times=2)
    for _ in range(2):
        with pytest.raises(ClientError) as caught:
            api.ec2.describe_vpcs()
        assert caught.value.response["Error"]["Code"] == "RequestLimitExceeded"
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    assert api.ec2.describe_vpcs()["Vpcs"]


def instances_with(api: Api, token: str) -> int:
    filters = [{"Name": "client-token", "Values": [token]}]
    found = api.ec2.describe_instances(Filters=filters)["Reservations"]
    return sum(len(each["Instances"]) for each in found)


def test_a_held_call_goes_on_when_released(api: Api) -> None:
    number = api.control.hold(action="RunInstances", when="before")["hold"]
    made: list[str] = []
    thread = threading.Thread(target=lambda: made.append(api.run(ClientToken="held")))
    thread.start()
    until(lambda: api.control.holds()["holds"][0]["parked"])
    time.sleep(0.1)  # long enough for the gate to have looked whether the client is still there
    assert instances_with(api, "held") == 0
    assert api.control.release(hold=number) == {"released": 1}
    thread.join()
    assert instances_with(api, "held") == len(made) == 1


@pytest.mark.parametrize(("when", "count"), [("before", 0), ("after", 1)])
def test_a_client_that_dies_in_a_held_call(api: Api, when: str, count: int) -> None:
    api.control.hold(action="RunInstances", when=when)
    config = Config(retries={"total_max_attempts": 1}, read_timeout=0.5)
    token = f"dies-{when}"
    hasty = api.client("ec2", config=config)
    with pytest.raises((ReadTimeoutError, ConnectionClosedError)):
        hasty.run_instances(ImageId=UBUNTU, MinCount=1, MaxCount=1, InstanceType="m5.large", ClientToken=token)
    until(lambda: not api.control.holds()["holds"])
    assert instances_with(api, token) == count
    assert api.run(ClientToken=token).startswith("i-")
    assert instances_with(api, token) == 1


def test_the_nth_call_is_held(api: Api) -> None:
    api.control.hold(action="DescribeVpcs", nth=2)
    assert api.ec2.describe_vpcs()["Vpcs"]
    thread = threading.Thread(target=api.ec2.describe_vpcs)
    thread.start()
    until(lambda: api.control.holds()["holds"][0]["parked"])
    api.control.clear()
    thread.join()


def test_an_order_is_about_an_action_or_about_a_command(api: Api) -> None:
    wrongs: list[dict[str, Any]] = [{}, {"action": "RunInstances", "command": "tool"}]
    for wrong in wrongs:
        with pytest.raises(UsageError):
            api.control.hold(**wrong)
        with pytest.raises(UsageError):
            api.control.fault(code="Failed", **wrong)
    api.control.hold(command="tool", given="it", when="after")
    told = [{name: value for name, value in each.items() if name != "number"} for each in api.control.holds()["holds"]]
    assert told == [{"command": "tool", "given": "it", "when": "after", "parked": False}]
    api.control.watch(command="other")
    assert [each.text for each in api.faults.commands()] == ["tool", "other"]


def test_a_private_address_leads_to_its_living_instance(api: Api) -> None:
    instance_id = api.run()
    address = api.instance(instance_id)["PrivateIpAddress"]
    assert api.cloud.instance_at(address) == instance_id
    assert api.cloud.instance_at("10.9.9.9") is None


def test_descriptions_that_lag_behind(api: Api) -> None:
    api.control.lag(seconds=30)
    instance_id = api.run(ClientToken="lagging")
    assert instances_with(api, "lagging") == 0
    assert code_of(api.ec2.describe_instances, InstanceIds=[instance_id]) == "InvalidInstanceID.NotFound"
    assert api.run(ClientToken="lagging") == instance_id
    api.control.lag(seconds=0)
    assert instances_with(api, "lagging") == 1


def test_the_call_log(api: Api) -> None:
    last = max((each["number"] for each in api.control.log()["entries"]), default=0)
    instance_id = api.run()
    code_of(api.run, KeyName="nobody")
    api.wait(instance_id, "running")
    entries = api.control.log(after=last)["entries"]
    calls = [(each["action"], each["error"]) for each in entries if each["kind"] == "call"]
    assert calls[:2] == [("RunInstances", None), ("RunInstances", "InvalidKeyPair.NotFound")]
    told = [each["what"] for each in entries if each["kind"] == "event" and each["subject"] == instance_id]
    assert told == ["pending", "running"]
    assert all(each["at"] <= each["ended"] for each in entries if each["kind"] == "call")


def signed(body: bytes = b"Action=DescribeInstances", *, at: datetime.datetime = NOW) -> SignedRequest:
    """A request as botocore signs it."""
    request = AWSRequest(
        method="POST",
        url="http://127.0.0.1:1234/?b=2&a=%20x",
        data=body,
        headers={"Content-Type": "application/x-www-form-urlencoded", "Host": "127.0.0.1:1234"},
    )
    signer = SigV4Auth(Credentials(KEYS.access_key, KEYS.secret_key), "ec2", "us-east-1")
    request.context["timestamp"] = at.strftime("%Y%m%dT%H%M%SZ")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("botocore.auth.get_current_datetime", lambda remove_tzinfo=True: at.replace(tzinfo=None))
        signer.add_auth(request)
    headers = {name.lower(): value for name, value in request.headers.items()}
    return SignedRequest(method="POST", path="/", query="b=2&a=%20x", headers=headers, body=body)


def refused(request: SignedRequest, now: datetime.datetime = NOW) -> str:
    with pytest.raises(BadSignature) as caught:
        verify(request, KEYS.access_key, KEYS.secret_key, now)
    return caught.value.code


def changed(request: SignedRequest, **changes: Any) -> SignedRequest:
    return SignedRequest(**{**vars(request), **changes})


def test_a_good_signature() -> None:
    scope = verify(signed(), KEYS.access_key, KEYS.secret_key, NOW)
    assert (scope.service, scope.region) == ("ec2", "us-east-1")


def test_everything_that_is_signed_counts() -> None:
    good = signed()
    assert refused(changed(good, body=b"Action=TerminateInstances")) == "SignatureDoesNotMatch"
    assert refused(changed(good, query="b=3&a=%20x")) == "SignatureDoesNotMatch"
    assert refused(changed(good, path="/other")) == "SignatureDoesNotMatch"
    assert refused(changed(good, method="GET")) == "SignatureDoesNotMatch"
    assert refused(changed(good, headers={**good.headers, "host": "other"})) == "SignatureDoesNotMatch"
    assert refused(changed(good, headers={})) == "MissingAuthenticationToken"


@pytest.mark.parametrize("minutes", [-16, 16])
def test_a_signature_grows_old(minutes: int) -> None:
    late = NOW + datetime.timedelta(minutes=minutes)
    assert refused(signed(), late) == "RequestExpired"
    verify(signed(), KEYS.access_key, KEYS.secret_key, NOW + datetime.timedelta(minutes=minutes * 14 / 16))

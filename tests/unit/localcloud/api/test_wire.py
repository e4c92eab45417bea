"""What the gate reads from a request before anybody answers it."""

from __future__ import annotations

from urllib.parse import urlencode

from starcluster.localcloud.api.signature import SignedRequest
from starcluster.localcloud.api.wire import Call, read_tags


def asked(agent: str = "", **form: str) -> SignedRequest:
    body = urlencode({name.replace("_", "."): value for name, value in form.items()}).encode()
    return SignedRequest(method="POST", path="/", query="", headers={"user-agent": agent}, body=body)


def test_tags_by_kind_of_what_is_made() -> None:
    request = asked(
        Action="RunInstances",
        TagSpecification_1_ResourceType="instance",
        TagSpecification_1_Tag_1_Key="alias",
        TagSpecification_1_Tag_1_Value="mynode",
        TagSpecification_1_Tag_2_Key="Name",
        TagSpecification_2_ResourceType="volume",
        TagSpecification_2_Tag_1_Key="Name",
        Tag_1_Key="not given to what is made",
    )
    assert read_tags(request) == {"instance": ["alias", "Name"], "volume": ["Name"]}
    assert read_tags(asked(Action="DescribeInstances")) == {}


def test_the_program_that_asks() -> None:
    ours = "Boto3/1.43 md/Botocore#1.43 ua/2.1 os/linux Botocore/1.43 starcluster-spot/0.1.0"
    for agent, name in ((ours, "starcluster-spot/0.1.0"), ("aws-cli/1.46 md/x exec/y", "aws-cli/1.46"), ("", "")):
        call = Call(request=asked(agent), service="ec2", action="DescribeInstances", ids=[])
        assert call.client == name

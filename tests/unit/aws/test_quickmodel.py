"""EC2's model cut to our own calls: the same requests, and the whole one for whatever it lacks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import ParamValidationError
from botocore.stub import Stubber

from starcluster.aws.api import Api
from starcluster.aws.quickmodel import QuickLoader
from starcluster.cloud import Cloud
from starcluster.config.schema import CloudName
from starcluster.permissions import NEEDS
from starcluster.ssh.dialer import TcpDialer


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STARCLUSTER_HOME", str(tmp_path))
    return tmp_path / "cache" / "botocore"


def api() -> Api:
    """A door to nowhere."""
    return Api(
        Cloud(
            name=CloudName.LOCAL,
            region="us-east-1",
            dialer=TcpDialer(),
            callers=tuple,
            public=False,
            endpoint_url="http://127.0.0.1:1",
            access_key="key",
            secret_key="secret",
        )
    )


def client() -> Any:
    return api().client("ec2", 1)


def methods(client: Any) -> set[str]:
    return set(client.meta.method_to_api_mapping.values())


def test_the_first_client_has_all_and_later_ones_what_we_call(own: Path) -> None:
    ours = {need.action.partition(":")[2] for need in NEEDS if need.by_us and need.action.startswith("ec2:")}
    assert len(methods(client())) > 700
    assert methods(client()) == ours & methods(client())
    assert 40 < len(methods(client())) < 100


def test_what_the_cut_lacks_comes_from_the_whole(own: Path) -> None:
    client()
    door = api()
    assert not hasattr(door.client("ec2", 1), "describe_fpga_images")
    assert hasattr(door._client_for("ec2", 1, "describe_fpga_images"), "describe_fpga_images")
    assert hasattr(door.client("ec2", 1), "describe_fpga_images"), "it is not made for each call"


def test_requests_are_validated_as_by_the_whole(own: Path) -> None:
    wrong = {"ImageId": 5, "MinCount": 1, "MaxCount": 1, "Colour": "blue"}
    told = []
    for _ in range(2):
        with pytest.raises(ParamValidationError) as caught:
            client().run_instances(**wrong)
        told.append(str(caught.value).replace("\n", " "))
    assert told[0] == told[1]
    assert "Colour" in told[0]
    assert "ImageId" in told[0]


def test_answers_are_read_as_by_the_whole(own: Path) -> None:
    answer = {"Reservations": [{"Instances": [{"InstanceId": "i-1", "State": {"Name": "running", "Code": 16}}]}]}
    for _ in range(2):
        made = client()
        with Stubber(made) as stubber:
            stubber.add_response("describe_instances", answer)
            assert made.get_paginator("describe_instances").paginate().build_full_result()["Reservations"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"metadata": {}}'])
def test_a_torn_cut_is_made_anew(own: Path, text: str) -> None:
    client()
    (kept,) = own.iterdir()
    kept.write_text(text)
    assert len(methods(client())) > 700
    assert json.loads(kept.read_text())["operations"].keys() >= {"RunInstances"}


def test_where_nothing_can_be_kept_the_whole_one_does(own: Path) -> None:
    own.parent.mkdir(parents=True)
    own.write_text("a file in the place of the folder")
    for _ in range(2):
        assert len(methods(client())) > 700


def test_the_cut_holds_no_more_than_it_needs(own: Path) -> None:
    loader = QuickLoader(own, lambda: ["DescribeRegions"])
    whole = loader.load_service_model("ec2", "service-2")
    kept = json.loads(next(own.iterdir()).read_text())
    assert [*kept["operations"]] == ["DescribeRegions"]
    assert 3 < len(kept["shapes"]) < 20
    assert "documentation" not in kept["operations"]["DescribeRegions"]
    assert kept["metadata"].keys() == whole["metadata"].keys()


def test_models_of_the_users_own_are_left_alone(own: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_DATA_PATH", str(tmp_path / "models"))
    for _ in range(2):
        assert len(methods(client())) > 700
    assert not own.exists()


def test_the_version_is_the_newest_one(own: Path) -> None:
    loader = QuickLoader(own, list)
    usual = botocore.session.get_session().get_component("data_loader")
    assert loader._version() == usual.determine_latest_version("ec2", "service-2")

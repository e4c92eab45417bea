"""EC2 as programs have it beside plugins: regions, instances, key pairs, waits, keys of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from starcluster import exception
from starcluster.aws.easyaccount import EasyAccount, RegionInfo
from starcluster.awsutils import EasyEC2
from starcluster.cluster import ClusterManager
from starcluster.config import get_config
from tests.fakes.ec2 import FakeEc2
from tests.unit.commands.test_lists import launch


class Account(EasyAccount):
    def __init__(self, ec2: FakeEc2) -> None:
        self.instances, self.network = ec2.instances, ec2.network  # type: ignore[assignment]


@pytest.fixture
def account(ec2: FakeEc2) -> Account:
    return Account(ec2)


def test_regions(account: Account) -> None:
    assert account.get_region("us-east-1").endpoint == "ec2.us-east-1.amazonaws.com"
    with pytest.raises(exception.RegionDoesNotExist, match="'us-east-9'"):
        account.get_region("us-east-9")


def test_instances_have_botos_names(account: Account, ec2: FakeEc2) -> None:
    launched = launch(ec2, "master")
    [one] = account.get_all_instances(filters={"instance-state-name": ["pending", "running"]})
    assert (one.id, repr(one), one.update()) == (launched, f"Instance:{launched}", "running")
    assert (one.dns_name, one.private_ip_address, one.placement) == (
        one.public_dns,
        one.private_ip,
        one.zone,
    )
    assert account.get_all_instances([launched])[0].id == launched
    assert account.get_all_instances(filters={"instance-state-name": "stopped"}) == []
    with pytest.raises(exception.InvalidOperation, match="vpc-id"):
        account.get_all_instances(filters={"vpc-id": "x"})


def test_a_new_key_pair_goes_into_a_file_of_its_own(account: Account, ec2: FakeEc2, tmp_path: Path) -> None:
    path = tmp_path / "new.pem"
    assert account.create_keypair("new", str(path)).name == "new"
    assert (path.read_text().startswith("-----BEGIN"), path.stat().st_mode & 0o777) == (True, 0o400)
    assert account.get_keypair("new").name == account.get_keypairs({"key-name": "new"})[0].name == "new"
    with pytest.raises(exception.KeyPairAlreadyExists):
        account.create_keypair("new", str(tmp_path / "again"))
    with pytest.raises(exception.KeyFileError, match="can not write"):
        account.create_keypair("other", str(path))
    with pytest.raises(exception.KeyFileError, match="needs a file"):
        account.create_keypair("other")
    with pytest.raises(exception.KeyPairDoesNotExist):
        account.get_keypair("other")


def test_keys_that_a_program_brings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "config"
    config.write_text("[aws info]\nAWS_ACCESS_KEY_ID = FILE\nAWS_SECRET_ACCESS_KEY = s\nAWS_REGION_NAME = eu-west-1\n")
    config.chmod(0o600)
    monkeypatch.setenv("STARCLUSTER_CONFIG", str(config))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "STARCLUSTER_CLOUD", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    assert (EasyEC2().cloud.access_key, EasyEC2().region) == ("FILE", "eu-west-1")
    own = EasyEC2("MINE", "secret", aws_region_name="us-west-2", aws_region_host="ec2.example.org", unheard_of=1)
    assert (own.cloud.access_key, own.region, own.cloud.endpoint_url) == (
        "MINE",
        "us-west-2",
        "https://ec2.example.org",
    )
    names = {name: RegionInfo(name=name, endpoint="") for name in ("us-west-2", "eu-central-1")}
    monkeypatch.setattr(EasyEC2, "regions", names)
    assert own.connect_to_region("us-west-2").cloud.endpoint_url == "https://ec2.example.org"
    assert own.connect_to_region("eu-central-1") is own
    assert (own.region, own.cloud.access_key, own.cloud.endpoint_url) == ("eu-central-1", "MINE", None)
    config.unlink()
    assert EasyEC2("MINE", "secret", aws_region_name="us-west-2").region == "us-west-2"


def test_a_programs_ec2_goes_to_another_region_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "STARCLUSTER_CLOUD", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    file = tmp_path / "config"
    file.write_text("[aws info]\nAWS_ACCESS_KEY_ID = A\nAWS_SECRET_ACCESS_KEY = s\nAWS_REGION_NAME = us-east-1\n")
    file.chmod(0o600)
    monkeypatch.setattr(EasyEC2, "regions", {"eu-west-1": RegionInfo(name="eu-west-1", endpoint="")})
    cfg = get_config(str(file))
    ec2 = cfg.get_easy_ec2()
    assert ec2.connect_to_region("eu-west-1").region == "eu-west-1"
    assert (cfg.get_easy_ec2().region, cfg.get_cluster_manager().ec2.region) == ("us-east-1", "us-east-1")
    assert ClusterManager(cfg, ec2).ec2.region == ClusterManager(cfg, ec2).cloud.region == "eu-west-1"


def test_the_local_cloud_has_one_region(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "config"
    file.write_text("[global]\nCLOUD = local\n")
    facts = {"region": "us-east-1", "endpoint": "http://127.0.0.1:1", "access_key": "a", "secret_key": "b", "speed": 1}
    monkeypatch.setattr("starcluster.cloud.start_local", lambda folder: facts | {"node_s3_endpoint": ""})
    monkeypatch.setattr(EasyEC2, "regions", {"eu-west-1": RegionInfo(name="eu-west-1", endpoint="")})
    with pytest.raises(exception.UserMustAct, match="us-east-1 only"):
        get_config(str(file)).get_easy_ec2().connect_to_region("eu-west-1")

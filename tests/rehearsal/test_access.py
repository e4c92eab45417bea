"""The ways to a node: through a bastion, from another address, and what its root volume is; on real hosts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.rehearsal.stage import Done, Stage

PLUGIN = """# python3
from starcluster.clustersetup import ClusterSetup
from starcluster.logger import log


class Where(ClusterSetup):
    def run(self, nodes, master, user, user_shell, volumes):
        log.info("came from %s", master.ssh.execute("echo $SSH_CONNECTION")[0].split()[0])
"""
SECTIONS = """
[cluster inside]
EXTENDS = smallcluster
AVAILABILITY_ZONE = us-east-1a
PUBLIC_IPS = False
NODE_INSTANCE_TYPE = c5.large
PLACEMENT_GROUP = True
[plugin where]
SETUP_CLASS = where.Where
"""


@dataclass(frozen=True, kw_only=True)
class Gate:
    """The bastion, a node that this machine reaches at `public`; the others see it as `private`."""

    stage: Stage
    public: str
    private: str
    instance: str

    def config(self, **settings: str) -> list[str]:
        """Global options with these settings in [global]."""
        lines = "".join(f"{name} = {value}\n" for name, value in settings.items())
        path = self.stage.folder / "config"
        path.write_text(self.stage.config.read_text().replace("[global]\n", f"[global]\n{lines}", 1))
        return ["-c", str(path)]

    def through(self) -> list[str]:
        return self.config(SSH_PROXY=f"root@{self.public}", SSH_PROXY_KEY=str(self.stage.cloud / "keys" / "local"))

    def placed(self) -> dict[str, list[str]]:
        """The placement groups and who is in them, as EC2 tells."""
        code = (
            "import boto3, json; ec2 = boto3.client('ec2')\n"
            "groups = ec2.describe_placement_groups()['PlacementGroups']\n"
            "found = [i for one in ec2.describe_instances()['Reservations'] for i in one['Instances']]\n"
            "inside = lambda name: [i['InstanceId'] for i in found if i['Placement'].get('GroupName') == name]\n"
            "print(json.dumps({one['GroupName']: inside(one['GroupName']) for one in groups}))"
        )
        told: dict[str, list[str]] = json.loads(
            self.stage.run("python", "-c", code, with_env=self.stage.client_env()).stdout
        )
        return told

    def open_to(self, tag: str) -> set[str]:
        """Who may ssh, as EC2 tells."""
        code = (
            "import boto3; groups = boto3.client('ec2').describe_security_groups()['SecurityGroups']\n"
            f"rules = [rule for one in groups if one['GroupName'] == '@sc-{tag}' for rule in one['IpPermissions']]\n"
            "print(*(source['CidrIp'] for rule in rules if rule.get('FromPort') == 22 for source in rule['IpRanges']))"
        )
        return set(self.stage.run("python", "-c", code, with_env=self.stage.client_env()).stdout.split())


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    stage = Stage(tmp_path_factory.mktemp("access"))
    (stage.config.parent / "plugins").mkdir()
    (stage.config.parent / "plugins" / "where.py").write_text(PLUGIN)
    text = stage.config.read_text().replace("#ROOT_VOLUME_SIZE = 40", "ROOT_VOLUME_SIZE = 12")
    stage.config.write_text(text + SECTIONS)
    try:
        stage.starcluster("local", "up", "--speed", "100", "--expose")
        stage.starcluster("start", "gate")
        [node] = stage.status()["nodes"]
        yield Gate(stage=stage, public=node["public_ip"], private=node["private_ip"], instance=node["instance_id"])
    finally:
        stage.close()


@pytest.fixture(scope="module")
def masters() -> dict[str, str]:
    """The ids of the masters of clusters that tests have started, by their tags; who ends one takes it out."""
    return {}


@pytest.fixture
def inside(gate: Gate, masters: dict[str, str]) -> str:
    """A cluster without public addresses; its master's id."""
    if "inside" not in masters:
        gate.stage.starcluster(*gate.through(), "start", "-c", "inside", "inside")
        [node] = [one for one in gate.stage.status()["nodes"] if one["instance_id"] != gate.instance]
        assert not node["public_ip"]
        masters["inside"] = str(node["instance_id"])
    return masters["inside"]


def test_root_volumes_are_as_the_template_says(gate: Gate) -> None:
    volumes = json.loads(gate.stage.starcluster("listvolumes", "--json").stdout)
    assert {one["size_gb"] for one in volumes} == {12}
    megabytes = int(gate.stage.starcluster("sshmaster", "gate", "df --output=size -B1M / | tail -1").stdout)
    assert 11500 < megabytes <= 12 * 1024


@pytest.mark.usefixtures("inside")
def test_the_ssh_program_and_plugins_come_through_the_bastion(gate: Gate, tmp_path: Path) -> None:
    run = gate.stage.starcluster
    assert run(*gate.through(), "sshmaster", "inside", "echo $SSH_CONNECTION").stdout.split()[0] == gate.private
    assert f"came from {gate.private}" in run(*gate.through(), "runplugin", "where", "inside").stdout
    (tmp_path / "sent").write_text("through\n")
    run(*gate.through(), "put", "inside", str(tmp_path / "sent"), "/root/there")
    run(*gate.through(), "get", "inside", "/root/there", str(tmp_path / "back"))
    assert (tmp_path / "back").read_text() == "through\n"
    assert "(SSH: Up)" in run(*gate.through(), "listclusters", "-s", "inside").stdout


@pytest.mark.usefixtures("inside")
def test_only_the_bastion_may_ssh(gate: Gate) -> None:
    assert gate.open_to("inside") == {f"{gate.public}/32", f"{gate.private}/32"}
    assert gate.open_to("gate") == {"127.0.0.1/32"}


def test_a_bastion_can_not_stand_in_for_a_node(gate: Gate, inside: str) -> None:
    """The key that is known for the node is not the one that it shows: both ways of SSH send nothing."""
    known = gate.stage.config.parent / "known_hosts"
    before = known.read_text()
    keys = {line.split()[0]: line.partition(" ")[2] for line in before.splitlines()}
    known.write_text(f"{inside} {keys[gate.instance]}\n")
    try:
        refused(gate.stage.starcluster(*gate.through(), "sshmaster", "inside", "true", expect=255))
        refused(gate.stage.starcluster(*gate.through(), "runplugin", "where", "inside", expect=1))
    finally:
        known.write_text(before)


def refused(done: Done) -> None:
    assert "host key" in (done.stdout + done.stderr).lower()
    assert "came from" not in done.stdout


def test_a_bastion_that_is_down_is_named(gate: Gate) -> None:
    options = gate.config(SSH_PROXY="root@127.77.255.254")
    done = gate.stage.starcluster(*options, "runplugin", "where", "gate", expect=1)
    assert "the bastion 127.77.255.254" in done.stdout + done.stderr
    gate.stage.starcluster("sshmaster", "gate", "true")


def test_the_rule_follows_this_machine(gate: Gate) -> None:
    options = gate.config(SSH_CIDR="auto, 198.51.100.0/24")
    done = gate.stage.starcluster(*options, "sshmaster", "gate", "echo only this")
    assert done.stdout == "only this\n"
    assert re.search("SSH to @sc-gate is open to .*198.51.100.0/24 now", done.stderr)
    assert gate.open_to("gate") == {"127.0.0.1/32", "198.51.100.0/24"}
    done = gate.stage.starcluster("sshmaster", "gate", "true")
    assert "SSH to @sc-gate is not open to 198.51.100.0/24 any more" in done.stderr
    assert gate.open_to("gate") == {"127.0.0.1/32"}


def test_a_lost_machine_is_let_in_no_more(gate: Gate) -> None:
    code = (
        "import boto3; ec2 = boto3.client('ec2')\n"
        "groups = ec2.describe_security_groups()['SecurityGroups']\n"
        "ids = [one['GroupId'] for one in groups if one['GroupName'] == '@sc-gate']\n"
        "source = {'CidrIp': '198.51.100.7/32', 'Description': 'ssh from laptop'}\n"
        "rule = {'IpProtocol': 'tcp', 'FromPort': 22, 'ToPort': 22, 'IpRanges': [source]}\n"
        "ec2.authorize_security_group_ingress(GroupId=ids[0], IpPermissions=[rule])"
    )
    gate.stage.run("python", "-c", code, with_env=gate.stage.client_env())
    told = json.loads(gate.stage.starcluster("sshrules", "--json", "gate").stdout)
    assert {one["cidr_ip"]: one["this_machine"] for one in told} == {"127.0.0.1/32": True, "198.51.100.7/32": False}
    done = gate.stage.starcluster("sshrules", "--remove", "laptop", "--confirm")
    assert ">>> SSH to @sc-gate is not open to 198.51.100.7/32 any more (laptop)\n" in done.stdout
    assert gate.open_to("gate") == {"127.0.0.1/32"}


def test_checking_the_config_leaves_the_cloud_alone(gate: Gate) -> None:
    before = (gate.stage.cloud / "log" / "calls.jsonl").read_text()
    assert "Problems: 0" in gate.stage.starcluster("config", "check").stdout
    assert (gate.stage.cloud / "log" / "calls.jsonl").read_text() == before


def test_a_subnet_is_asked_for_its_way_out(gate: Gate) -> None:
    """The default VPC has one, a VPC that was just made has none."""
    code = (
        "import boto3; ec2 = boto3.client('ec2')\n"
        "vpc = ec2.create_vpc(CidrBlock='10.9.0.0/16')['Vpc']['VpcId']\n"
        "made = ec2.create_subnet(VpcId=vpc, CidrBlock='10.9.1.0/24', AvailabilityZone='us-east-1b')['Subnet']\n"
        "print(ec2.describe_subnets()['Subnets'][0]['SubnetId'], made['SubnetId'])"
    )
    first, made = gate.stage.run("python", "-c", code, with_env=gate.stage.client_env()).stdout.split()
    words = ["start", "-v", "--public-ips", "new"]
    gate.stage.starcluster(*words, "--subnet-id", first)
    done = gate.stage.starcluster(*words, "--subnet-id", made, expect=1)
    assert f"subnet {made} has no route to an internet gateway" in done.stderr.replace("\n!!! ERROR - ", " ")


def test_a_placement_group_lives_as_long_as_its_cluster(gate: Gate, inside: str, masters: dict[str, str]) -> None:
    assert gate.placed() == {"@sc-inside": [inside]}
    masters.clear()
    done = gate.stage.starcluster(*gate.through(), "terminate", "-c", "inside")
    assert ">>> Removing placement group: @sc-inside\n" in done.stdout
    assert gate.placed() == {}

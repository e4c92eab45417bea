"""The listing verbs print StarCluster's shapes."""

from __future__ import annotations

import json
import re

import pytest

from starcluster.cluster import record
from starcluster.model import LaunchRequest, Market, SecurityGroup
from tests.fakes.ec2 import FakeEc2
from tests.unit.cluster.conftest import RECORD
from tests.unit.commands.conftest import Run


def masked(text: str) -> str:
    """Ids and times masked as in the samples of StarCluster's output."""
    text = re.sub(r"\b(i|vpc|subnet|sir|ami|sg|vol)-[0-9a-f]+\b", r"\1-ID", text)
    text = re.sub(r"ec2-[\d-]+\S+", "PUBLIC-DNS", text)
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "DATETIME", text)
    return re.sub(r"\d+ days, \d\d:\d\d:\d\d", "UPTIME", text)


LISTS = (
    "listinstances listspots listimages listpublic listkeypairs listregions listzones listvolumes listbuckets".split()
)


@pytest.mark.parametrize("verb", LISTS)
def test_words_that_a_list_takes_none_of_are_passed_over(run: Run, ec2: FakeEc2, verb: str) -> None:
    plain, worded = run(verb), run(verb, "mycluster")
    assert (worded.code, worded.out) == (plain.code, plain.out)
    assert f"{verb} takes no words: 'mycluster' is not read" in worded.err.replace("\n*** WARNING - ", " ")


def launch(ec2: FakeEc2, alias: str, market: Market = Market.ON_DEMAND, cluster: str = "demo") -> str:
    group = ec2.network.group(f"@sc-{cluster}") or ec2.network.create_group(
        f"@sc-{cluster}", "a cluster", tags=record.to_tags(RECORD)
    )
    request = LaunchRequest(
        image_id="ami-1",
        instance_type="m1.small",
        zone="us-east-1a",
        market=market,
        token=f"{cluster}/{alias}",
        tags={"@sc-cluster": cluster, "alias": alias, "Name": alias},
        key_name="mykey",
        group_ids=(group.id,),
        max_price=0.1 if market is Market.SPOT else None,
    )
    return ec2.instances.launch(request)[0].id


def test_listclusters(run: Run, ec2: FakeEc2) -> None:
    launch(ec2, "master")
    launch(ec2, "node001")
    assert masked(run("listclusters", "demo").out) == (
        "-------------------------------\n"
        "demo (security group: @sc-demo)\n"
        "-------------------------------\n"
        "Launch time: DATETIME\n"
        "Uptime: UPTIME\n"
        "VPC: vpc-ID\n"
        "Subnet: subnet-ID\n"
        "Zone: us-east-1a\n"
        "Keypair: mykey\n"
        "EBS volumes: N/A\n"
        "Cluster nodes:\n"
        "     master running i-ID PUBLIC-DNS\n"
        "    node001 running i-ID PUBLIC-DNS\n"
        "Total nodes: 2\n"
        "\n"
    )


def test_listclusters_tells_of_spot_requests_and_volumes_and_puts_the_master_first(run: Run, ec2: FakeEc2) -> None:
    launch(ec2, "anode", Market.SPOT)
    master = launch(ec2, "master")
    volume = ec2.volumes.create(1, "us-east-1a")
    ec2.advance()
    ec2.volumes.attach(volume.id, master, "/dev/sdz")
    out = masked(run("lc").out)
    assert "Spot requests: 1 active\n" in out
    assert "EBS volumes:\n    vol-ID on master:/dev/sdz (status: attached)\n" in out
    assert out.index("master running") < out.index("  anode running i-ID PUBLIC-DNS (spot sir-ID)\n")


ODD: list[tuple[dict[str, str], int, str]] = [
    ({"@sc-core-1": "broken"}, 1, "the record of cluster 'odd' can not be read"),
    ({"@sc-schema": "7", "@sc-version": "9.1"}, 0, "cluster 'odd' was made by starcluster 9.1"),
    ({"@sc-schema": "0", "@sc-version": "0.0"}, 1, "is not read any more"),
    ({"@sc-schema": "x"}, 1, "can not be read"),
]


@pytest.mark.parametrize(("tags", "code", "told"), ODD)
def test_a_cluster_that_can_not_be_read_hides_no_other(
    run: Run, ec2: FakeEc2, tags: dict[str, str], code: int, told: str
) -> None:
    for name in ("first", "odd", "last"):
        launch(ec2, "master", cluster=name)
    odd = ec2.network.group("@sc-odd")
    assert odd is not None
    ec2.network.tag_group(odd.id, tags)
    done = run("lc")
    assert (done.code, done.out.count("Total nodes: 1\n")) == (code, 3)
    assert told in done.err
    assert told not in done.out
    assert [one["readable"] for one in json.loads(run("lc", "--json").out)] == [True, code == 0, True]
    assert (run("lc", "first", "last").code, run("lc", "first", "last").err) == (0, "")


def test_a_cluster_of_python_2_and_one_without_any_tags_are_listed(run: Run, ec2: FakeEc2) -> None:
    launch(ec2, "master")
    ec2.network.create_group("@sc-old", "StarCluster-0_95_6", tags={"@sc-version": "0.95.6"})
    ec2.network.create_group("@sc-bare", "")
    done = run("lc")
    assert (done.code, done.out.count("Total nodes: ")) == (0, 3)
    assert "cluster 'old' was made by StarCluster 0.95.6" in done.err
    assert "the record of cluster 'bare' can not be read (there is no @sc-schema)" in done.err


def test_a_dead_node_is_not_of_the_cluster(run: Run, ec2: FakeEc2) -> None:
    launch(ec2, "master")
    ec2.instances.terminate([launch(ec2, "node001")])
    assert "Total nodes: 1\n" in run("lc", "demo").out


def test_listclusters_of_a_stopped_cluster(run: Run, ec2: FakeEc2) -> None:
    node = launch(ec2, "master")
    ec2.advance()
    ec2.instances.stop([node])
    out = run("lc").out
    assert "Launch time: N/A\nUptime: N/A\n" in out


def test_listclusters_of_an_unknown_cluster(run: Run, ec2: FakeEc2) -> None:
    result = run("listclusters", "nosuch")
    assert (result.code, result.out) == (1, "")
    assert result.said == "!!! ERROR - cluster 'nosuch' does not exist\n"
    launch(ec2, "master")
    assert "!!! ERROR - active clusters: demo\n" in run("listclusters", "nosuch").said


@pytest.mark.parametrize("words", [(), ("twin",), ("twin", "twin")])
def test_two_clusters_of_one_name_are_both_shown_with_one_error(run: Run, ec2: FakeEc2, words: tuple[str, ...]) -> None:
    first, second = (
        SecurityGroup(id=f"sg-{number}", name="@sc-twin", vpc_id=f"vpc-{number}", tags={}) for number in (1, 2)
    )
    ec2.network.all_groups |= {one.id: one for one in (first, second)}
    result = run("listclusters", *words)
    assert (result.code, result.out.count("twin (security group: @sc-twin)\n")) == (1, 2)
    assert result.err.startswith("!!! ERROR - 2 security groups are named '@sc-twin': sg-1 in vpc-1, sg-2 in vpc-2\n")
    assert "terminate --force" not in result.err


@pytest.mark.parametrize("clusters", [1, 7, 201])
def test_listclusters_asks_three_times_however_many_clusters_there_are(run: Run, ec2: FakeEc2, clusters: int) -> None:
    for number in range(clusters):
        launch(ec2, "master", cluster=f"c{number}")
        launch(ec2, "anode", Market.SPOT, cluster=f"c{number}")
    ec2.calls.clear()
    out = run("listclusters").out
    assert [name for name, _ in ec2.calls] == ["network.groups", "instances.find", "spot.find"]
    assert out.count("Total nodes: 2\n") == out.count("Spot requests: 1 active\n") == clusters


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_listclusters_reads_each_record_once(
    run: Run, ec2: FakeEc2, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    launch(ec2, "master", cluster="a")
    launch(ec2, "master", cluster="b")
    seen: list[str] = []
    read = record.from_tags
    monkeypatch.setattr(record, "from_tags", lambda tags, *, tag: (seen.append(tag), read(tags, tag=tag))[1])
    assert run("listclusters", *words).code == 0
    assert sorted(seen) == ["a", "b"]


def test_listclusters_of_some_shows_no_node_of_another(run: Run, ec2: FakeEc2) -> None:
    for cluster in ("a", "b", "c"):
        launch(ec2, f"of-{cluster}", cluster=cluster)
    out = run("listclusters", "c", "a").out
    assert ("of-b" in out, out.index("of-c") < out.index("of-a")) == (False, True)


def test_no_clusters(run: Run) -> None:
    result = run("listclusters")
    assert (result.code, result.out) == (0, ">>> No clusters found...\n")


def test_listinstances(run: Run, ec2: FakeEc2) -> None:
    launch(ec2, "master")
    out = run("listinstances").out
    names = [line.partition(":")[0] for line in out.split("\n\n")[0].splitlines()]
    assert names == [
        "id", "dns_name", "private_dns_name", "state", "public_ip", "private_ip", "vpc", "subnet", "zone", "ami",
        "virtualization", "type", "groups", "keypair", "uptime", "tags",
    ]  # fmt: skip
    assert "groups: @sc-demo\n" in out
    assert "tags: @sc-cluster=demo, alias=master, Name=master\n" in out
    assert out.endswith("\n\nTotal: 1\n")


def test_listinstances_hides_the_terminated(run: Run, ec2: FakeEc2) -> None:
    ec2.instances.terminate([launch(ec2, "master")])
    ec2.advance()
    assert run("listinstances").out == ">>> No instances found\n"
    assert "state: terminated" in run("lsi", "-t").out


def test_listspots(run: Run, ec2: FakeEc2) -> None:
    assert run("listspots").out == ">>> No spot instance requests found...\n"
    node = launch(ec2, "node001", Market.SPOT)
    assert masked(run("listspots").out).startswith(
        "id: sir-ID\nprice: $0.10\nstatus: fulfilled\nmessage: N/A\nspot_request_type: one-time\n"
        "state: active\ninstance_id: i-ID\ninstance_type: m1.small\nimage_id: ami-ID\nzone: us-east-1a\n"
        "create_time: DATETIME\nlaunch_group: N/A\nzone_group: N/A\nsecurity_groups: sg-ID\n\nTotal: 1\n"
    )
    ec2.instances.interrupt(node)
    assert run("listspots").out == ">>> No spot instance requests found...\n"
    assert "status: instance-terminated-no-capacity\n" in run("listspots", "--show-closed").out


def test_listvolumes(run: Run, ec2: FakeEc2) -> None:
    assert run("listvolumes").out == "Total: 0\n"
    ec2.volumes.create(50, "us-east-1a", tags={"Name": "home", "bare": ""})
    launch(ec2, "master")
    out = masked(run("listvolumes").out)
    assert out.startswith(
        "volume_id: vol-ID\nsize: 50GB\nstatus: available\navailability_zone: us-east-1a\n"
        "create_time: DATETIME\ntags: Name=home, bare\n"
        "type: gp3\niops: 3000\nthroughput: 125MiB/s\nencrypted: no\n\n"
    )
    assert "status: in-use\nattachment_status: attached\navailability_zone: us-east-1a\n" in out
    assert out.endswith("\n\nTotal: 2\n")


@pytest.mark.parametrize(
    ("words", "count"),
    [
        (["-n", "home"], 1),
        (["-n", "nothing"], 0),
        (["-s", "50"], 1),
        (["-z", "us-east-1b"], 0),
        (["-S", "available"], 1),
        (["-t", "Name=home,team=a"], 1),
        (["-t", "team=b"], 0),
        (["--tag", "team=a"], 1),
    ],
)
def test_listvolumes_filters(run: Run, ec2: FakeEc2, words: list[str], count: int) -> None:
    ec2.volumes.create(50, "us-east-1a", tags={"Name": "home", "team": "a"})
    assert f"Total: {count}\n" in run("listvolumes", *words).out


def test_listvolumes_refuses_a_tag_without_a_name(run: Run) -> None:
    assert run("listvolumes", "-t", "=x").code == 2


def test_listzones(run: Run) -> None:
    assert run("lz").out == (
        "name:  us-east-1a\nregion:  us-east-1\nstatus:  available\n\n"
        "name:  us-east-1b\nregion:  us-east-1\nstatus:  available\n\n"
    )


def test_listkeypairs(run: Run, ec2: FakeEc2) -> None:
    ec2.network.import_key("a", "ssh-ed25519 AAAA")
    ec2.network.import_key("longer", "ssh-ed25519 AAAA")
    assert run("lk").out == "     a  00:11:22\nlonger  00:11:22\n"

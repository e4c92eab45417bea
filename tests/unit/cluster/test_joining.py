"""addnode: nodes come side by side; one that fails is tried once more and then taken away, the others stay."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from starcluster import exception
from starcluster.cluster import adding, joining, starting
from starcluster.cluster.adding import AddWish
from starcluster.cluster.cluster import Cluster, Clusters
from starcluster.cluster.joining import Joined
from starcluster.cluster.node import Node
from starcluster.cluster.record import READY, PluginRecord
from starcluster.cluster.setup import _ready_beside
from starcluster.clustersetup import ClusterSetup
from starcluster.model import Instance, InstanceState, Market, Subnet
from tests.fakes.ec2 import VPC, FakeEc2
from tests.unit.cluster.conftest import record_with
from tests.unit.cluster.test_starting import begin

SetUp = Callable[..., None]


class SetUps:
    """In the place of set_up_node: fails for an alias as often as it is told to."""

    def __init__(self, **failures: list[exception.BaseException]) -> None:
        self.failures, self.done = failures, []  # type: ignore[var-annotated]

    def __call__(self, cluster: Cluster, node: Node, *, introduce: bool, progress: Callable[[str], None]) -> None:
        self.done.append((node.alias, node.id))
        left = self.failures.get(node.alias)
        if left:
            raise left.pop(0)
        progress("mounted /home")


@pytest.fixture
def forgotten(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Aliases that the others were told to forget; nobody has SSH here."""
    found: list[str] = []
    monkeypatch.setattr(joining, "_THREADS", 1)  # the fake EC2 is for one thread
    monkeypatch.setattr(joining, "_acquaint", lambda node, others: None)
    monkeypatch.setattr(joining, "forget_node", lambda cluster, alias: found.append(alias))
    monkeypatch.setattr(joining.lifecycle, "remove_node", lambda cluster, node, force: found.append(node.alias))
    return found


def add(cluster: Cluster, monkeypatch: pytest.MonkeyPatch, set_ups: SetUp, *aliases: str, **wish: Any) -> Joined:
    monkeypatch.setattr(joining, "set_up_node", set_ups)
    return adding.add(cluster, aliases, AddWish(**wish))


def states(ec2: FakeEc2, alias: str) -> list[InstanceState]:
    ec2.advance()
    return [one.state for one in ec2.instances.all.values() if one.alias == alias]


def test_a_zone_that_does_not_exist_is_named_with_those_that_do(
    clusters: Clusters, ec2: FakeEc2, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(exception.InvalidZone, match="zone 'us-east-1q' does not exist") as caught:
        add(begin(clusters), monkeypatch, SetUps(), "a", zone="us-east-1q")
    assert caught.value.hint.startswith("zones: us-east-1a, ")
    assert states(ec2, "a") == []


def test_a_command_for_a_node_that_is_stopped_is_told_how_to_start_it(clusters: Clusters, ec2: FakeEc2) -> None:
    cluster = begin(clusters)
    ec2.advance()
    ec2.instances.stop([cluster.master_node.id])
    ec2.advance()
    with pytest.raises(exception.InstanceNotRunning) as caught:
        cluster.load().master_node.shell(command="hostname")
    assert caught.value.hint == f"starcluster start -x {cluster.tag} starts a stopped cluster"


def test_all_are_added(clusters: Clusters, ec2: FakeEc2, forgotten: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    joined = add(begin(clusters), monkeypatch, SetUps(), "a", "b")
    assert sorted(node.alias for node in joined.nodes) == ["a", "b"]
    assert joined.failed == {}
    assert forgotten == []


class Refuses(ClusterSetup):
    def __init__(self) -> None:
        raise ValueError("no such licence")


@pytest.mark.parametrize(
    ("setup_class", "why"), [("gone_away.Motd", "can not be imported"), (f"{__name__}.Refuses", "no such licence")]
)
def test_a_plugin_that_can_not_be_made_is_told_before_anything_is_launched(
    clusters: Clusters, ec2: FakeEc2, monkeypatch: pytest.MonkeyPatch, setup_class: str, why: str
) -> None:
    starting.start(
        clusters, "c", record_with(plugins=(PluginRecord(name="p", setup_class=setup_class),)), (), create_only=True
    )
    cluster = clusters.get("c")  # as another run finds it
    before = set(ec2.instances.all)
    with pytest.raises(exception.PluginError, match=why):
        add(cluster, monkeypatch, SetUps(), "a")
    assert set(ec2.instances.all) == before
    monkeypatch.setattr(ec2.instances, "start", lambda ids: pytest.fail("started"))
    with pytest.raises(exception.PluginError, match=why):
        starting.resume(cluster)


def _let_others_read(key_file: Path) -> None:
    key_file.chmod(0o644)


@pytest.mark.parametrize(("spoil", "why"), [(Path.unlink, "does not exist"), (_let_others_read, "read by others")])
def test_a_key_of_no_use_is_told_before_anything_is_launched(
    clusters: Clusters,
    ec2: FakeEc2,
    key_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    spoil: Callable[[Path], None],
    why: str,
) -> None:
    cluster = begin(clusters)
    before = set(ec2.instances.all)
    spoil(key_file)
    with pytest.raises(exception.KeyFileError, match=why):
        add(cluster, monkeypatch, SetUps(), "a")
    assert set(ec2.instances.all) == before


def test_a_set_up_that_fails_is_tried_once_more_on_the_same_machine(
    clusters: Clusters, ec2: FakeEc2, forgotten: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    set_ups = SetUps(a=[exception.PluginError("no net")])
    joined = add(begin(clusters), monkeypatch, set_ups, "a")
    assert joined.failed == {}
    assert len(set_ups.done) == 2
    assert len(set(set_ups.done)) == 1


def test_a_machine_that_never_answers_is_replaced_once(
    clusters: Clusters, ec2: FakeEc2, forgotten: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    set_ups = SetUps(a=[exception.SSHNeverOpened("no SSH")])
    joined = add(begin(clusters), monkeypatch, set_ups, "a")
    assert joined.failed == {}
    assert len(set(set_ups.done)) == 2
    assert states(ec2, "a") == [InstanceState.TERMINATED, InstanceState.RUNNING]
    assert forgotten == ["a"]


def test_one_that_fails_twice_is_taken_away_and_the_others_stay(
    clusters: Clusters, ec2: FakeEc2, forgotten: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    trouble = [exception.RemoteCommandFailed("full", "x", 1, ""), exception.RemoteCommandFailed("full", "x", 1, "")]
    joined = add(begin(clusters, spot_bid=0.1), monkeypatch, SetUps(a=list(trouble)), "a", "b")
    assert [node.alias for node in joined.nodes] == ["b"]
    assert (list(joined.failed), joined.kept) == (["a"], [])
    assert states(ec2, "a") == [InstanceState.TERMINATED]
    assert states(ec2, "b") == [InstanceState.RUNNING]
    assert [one.tags["alias"] for one in ec2.spot.all.values() if one.state.is_live] == ["b"]
    assert forgotten == ["a"]


def test_one_whose_plugins_may_have_run_leaves_through_them(
    clusters: Clusters, ec2: FakeEc2, forgotten: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def set_up(cluster: Cluster, node: Node, *, introduce: bool, progress: Callable[[str], None]) -> None:
        progress("mounted /home")
        raise exception.PluginError("no net")

    removed: list[str] = []
    monkeypatch.setattr(joining.lifecycle, "remove_node", lambda cluster, node, force: removed.append(node.alias))
    joined = add(begin(clusters), monkeypatch, set_up, "a")
    assert list(joined.failed) == removed == ["a"]


def test_one_that_is_to_be_kept_is_kept(
    clusters: Clusters, ec2: FakeEc2, forgotten: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    trouble = [exception.PluginError("no"), exception.PluginError("no")]
    joined = add(begin(clusters), monkeypatch, SetUps(a=list(trouble)), "a", keep=True)
    assert (list(joined.failed), joined.kept) == (["a"], ["a"])
    assert states(ec2, "a") == [InstanceState.RUNNING]


def test_nodes_that_are_there_are_set_up_again_and_stay_whatever_comes(
    clusters: Clusters, ec2: FakeEc2, forgotten: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = begin(clusters, cluster_size=3)
    set_ups = SetUps(node001=[exception.PluginError("no")])
    monkeypatch.setattr(joining, "set_up_node", set_ups)
    joined = adding.set_up_again(cluster, ["node001", "node002"])
    assert [node.alias for node in joined.nodes] == ["node002"]
    assert (list(joined.failed), joined.kept) == (["node001"], ["node001"])
    assert len(set_ups.done) == 2
    assert states(ec2, "node001") == [InstanceState.RUNNING]
    with pytest.raises(exception.NodeDoesNotExist):
        adding.set_up_again(cluster, ["node001", "nobody"])


def test_a_slow_node_holds_up_nobody(clusters: Clusters, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = begin(clusters)
    fast_is_there, told = threading.Event(), []

    def set_up(cluster: Cluster, node: Any, **words: Any) -> None:
        if node.alias == "slow":
            assert fast_is_there.wait(20), "the fast one waits for the slow one"
        words["progress"]("mounted /home")
        assert node.alias in [alias for alias, _ in told], "plugins come after the introduction"
        if node.alias == "fast":
            fast_is_there.set()

    def acquaint(node: Node, others: Any) -> None:
        told.append((node.alias, [one.alias for one in others]))

    monkeypatch.setattr(joining, "_acquaint", acquaint)
    machine = Instance(id="i-1", state=InstanceState.RUNNING)

    def made(alias: str) -> Instance:
        return dataclasses.replace(machine, id=alias, tags={"alias": alias})

    monkeypatch.setattr(joining, "obtain", lambda cluster, spec, offers, gone: made(spec.alias))
    monkeypatch.setattr(joining.waiting, "wait_running", lambda ec2, ids, **words: [made(ids[0])])
    monkeypatch.setattr(joining, "set_up_node", set_up)
    joined = adding.add(cluster, ["slow", "fast"], AddWish())
    assert sorted(node.alias for node in joined.nodes) == ["fast", "slow"]
    assert sorted(told) == [("fast", []), ("fast", ["slow"]), ("slow", ["fast"])]


def test_a_worker_that_hangs_is_asked_once(clusters: Clusters, ec2: FakeEc2, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = begin(clusters, cluster_size=3)
    for alias in ("node001", "node002"):
        ec2.instances.tag([cluster.get_node(alias).id], {READY: "boot"})
    told: list[tuple[str, list[str]]] = []

    def acquaint(node: Node, others: Any) -> None:
        told.append((node.alias, sorted(one.alias for one in others)))
        if node.alias == "node001":
            raise exception.SSHConnectionError("it hangs")

    monkeypatch.setattr(joining, "_acquaint", acquaint)
    monkeypatch.setattr(joining, "_THREADS", 1)
    joined = add(cluster.load(), monkeypatch, SetUps(), "a", "b")
    assert joined.failed == {}
    assert [alias for alias, _ in told] == ["node001", "node002", "a", "node002", "a", "b"]
    assert told[-1] == ("b", ["a", "node002"])


def test_nodes_that_are_not_set_up_are_no_concern_of_a_new_one(clusters: Clusters, ec2: FakeEc2) -> None:
    cluster = begin(clusters, cluster_size=4)
    ec2.instances.tag([cluster.get_node("node001").id], {READY: "boot"})
    cluster.load()
    beside = _ready_beside(cluster, cluster.get_node("node003"))
    assert [node.alias for node in beside] == ["master", "node001"]


# --- what is asked for


def test_the_record_speaks_where_the_command_line_does_not() -> None:
    record = record_with(spot_bid=0.1, other_types=("t3.small",), zones=("us-east-1a", "us-east-1b"), zone="us-east-1a")
    (spec,) = adding.specs_of(record, ["a"], AddWish(), zone="", home="us-east-1a")
    assert (spec.types, spec.zones) == (("t3.micro", "t3.small"), ("us-east-1a", "us-east-1b"))
    assert (spec.market, spec.max_price) == (Market.SPOT, 0.1)


def test_the_command_line_beats_the_record() -> None:
    record = record_with(spot_bid=0.1, other_types=("t3.small",), zones=("us-east-1a", "us-east-1b"))
    wish = AddWish(instance_type="m5.large, m5a.large", max_wait=3, fallback="on-demand", bid=0.0)
    (spec,) = adding.specs_of(record, ["a"], wish, zone="us-east-1c", home="us-east-1a")
    assert (spec.types, spec.zone, spec.zones) == (("m5.large", "m5a.large"), "us-east-1c", ())
    assert (spec.max_price, spec.max_wait, spec.then_on_demand) == (None, 180, True)
    (other,) = adding.specs_of(record, ["a"], AddWish(on_demand=True), zone="", home="us-east-1a")
    assert other.market is Market.ON_DEMAND


def test_a_subnet_decides_the_zone_and_must_be_in_the_clusters_vpc(
    clusters: Clusters, ec2: FakeEc2, forgotten: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = begin(clusters)
    mine = Subnet(
        id="subnet-mine",
        vpc_id=VPC,
        zone="us-east-1b",
        cidr="172.31.9.0/24",
        free_addresses=9,
        default_for_zone=False,
        public_ips=True,
    )
    foreign = dataclasses.replace(mine, id="subnet-foreign", vpc_id="vpc-other")
    subnets = ec2.network.subnets
    own = {one.id: one for one in (mine, foreign)}
    ec2.network.subnets = (  # type: ignore[method-assign]
        lambda vpc_id="", zone="", ids=(): [own[one] for one in ids if one in own] if ids else subnets(vpc_id, zone)
    )
    joined = add(cluster, monkeypatch, SetUps(), "a", subnet_id="subnet-mine")
    assert (joined.nodes[0].described.subnet_id, joined.nodes[0].placement) == ("subnet-mine", "us-east-1b")
    with pytest.raises(exception.ClusterValidationError, match="vpc-other"):
        add(cluster, monkeypatch, SetUps(), "b", subnet_id="subnet-foreign")
    with pytest.raises(exception.SubnetDoesNotExist):
        add(cluster, monkeypatch, SetUps(), "b", subnet_id="subnet-none")

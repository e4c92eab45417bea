"""How long and where EC2 is asked for a machine, and what becomes of a request that is open when we give up."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from starcluster import exception
from starcluster.cluster import asking, pools, starting
from starcluster.cluster.cluster import Cluster, Clusters
from starcluster.cluster.launching import NodeSpec
from starcluster.cluster.pools import Offers
from starcluster.model import InstanceState, LaunchRequest, Market, Pool, SpotRequest, SpotState
from tests.fakes.ec2 import FakeEc2
from tests.unit.cluster.conftest import record_with
from tests.unit.cluster.test_starting import begin

SPOT = NodeSpec(alias="w", instance_type="c5.large", image="ami-1", zone="us-east-1a", market=Market.SPOT)


def ask(cluster: Cluster, **changes: Any) -> Any:
    offers = Offers(cluster.ec2, cluster.clock)
    return asking.obtain(cluster, dataclasses.replace(SPOT, **changes), offers, asking.Gone(cluster))


def asked(ec2: FakeEc2) -> list[LaunchRequest]:
    return [about for name, about in ec2.calls if name == "instances.launch"]


def open_request(ec2: FakeEc2, cluster: Cluster, request_id: str = "sir-open") -> None:
    ec2.spot.all[request_id] = SpotRequest(
        id=request_id, state=SpotState.OPEN, code="capacity-not-available", tags=cluster.resource_tags("w")
    )


def test_a_shortage_is_waited_out(clusters: Clusters, ec2: FakeEc2) -> None:
    cluster = begin(clusters)
    ec2.refuse(market="spot")
    sleep = cluster.clock.sleep

    def until_later(seconds: float) -> None:
        sleep(seconds)
        if cluster.clock.monotonic() > 200:
            ec2.relent()

    cluster.clock.sleep = until_later  # type: ignore[method-assign]
    assert ask(cluster, max_wait=600).market is Market.SPOT
    assert 200 < cluster.clock.monotonic() < 300


def test_the_wait_has_an_end_and_then_it_is_on_demand(clusters: Clusters, ec2: FakeEc2) -> None:
    cluster = begin(clusters)
    ec2.refuse(market="spot")
    before, began = len(asked(ec2)), cluster.clock.monotonic()
    instance = ask(cluster, max_wait=600, max_price=0.1, then_on_demand=True)
    assert instance.market is Market.ON_DEMAND
    assert cluster.clock.monotonic() - began == 600
    tries = asked(ec2)[before:]
    assert len({one.token for one in tries}) == len(tries) > 5, "a refused call leaves its token alone"
    assert (tries[0].max_price, tries[-1].max_price) == (0.1, None)


def test_without_a_fallback_the_sentence_says_how_long_and_what_else(clusters: Clusters, ec2: FakeEc2) -> None:
    cluster = begin(clusters)
    ec2.refuse(market="spot")
    with pytest.raises(exception.ShortageError, match="no spot machine for w in 10 minutes") as caught:
        ask(cluster, max_wait=600)
    assert "FALLBACK" in caught.value.hint
    assert all(one.market is Market.ON_DEMAND for one in ec2.instances.all.values())


def test_no_wait_asks_every_pool_once(clusters: Clusters, ec2: FakeEc2) -> None:
    cluster = begin(clusters)
    ec2.refuse(market="spot")
    before = len(asked(ec2))
    with pytest.raises(exception.ShortageError):
        ask(cluster, other_types=("c5a.large",), zones=("us-east-1a", "us-east-1b"))
    assert len(asked(ec2)) - before == 4
    assert cluster.clock.monotonic() == 0


def test_the_open_request_is_cancelled_before_anything_else_is_asked(clusters: Clusters, ec2: FakeEc2) -> None:
    cluster = begin(clusters)
    ec2.refuse(market="spot")
    open_request(ec2, cluster)
    ask(cluster, then_on_demand=True)
    assert ec2.spot.all["sir-open"].state is SpotState.CANCELLED
    order = [
        about.market if name == "instances.launch" else name
        for name, about in ec2.calls
        if name in ("instances.launch", "spot.cancel")
    ]
    assert order[-3:] == [Market.SPOT, "spot.cancel", Market.ON_DEMAND]


def test_a_request_that_is_fulfilled_in_that_moment_is_used_and_not_doubled(clusters: Clusters, ec2: FakeEc2) -> None:
    cluster = begin(clusters)
    ec2.refuse(market="spot")
    open_request(ec2, cluster)
    cancel = ec2.spot.cancel

    def too_late(ids: Any) -> None:
        ec2.relent()
        request = dataclasses.replace(asked(ec2)[-1], token="of EC2's own")
        (given,) = ec2.instances.launch(request)
        ec2.refuse(market="spot")
        ec2.spot.all["sir-open"] = dataclasses.replace(
            ec2.spot.all["sir-open"], state=SpotState.ACTIVE, instance_id=given.id
        )
        cancel(ids)

    ec2.spot.cancel = too_late  # type: ignore[method-assign]
    instance = ask(cluster, then_on_demand=True)
    assert instance.id == ec2.spot.all["sir-open"].instance_id
    assert [one.id for one in ec2.instances.find(cluster="c") if one.alias == "w"] == [instance.id]


def test_other_nodes_requests_are_left_alone(clusters: Clusters, ec2: FakeEc2) -> None:
    cluster = begin(clusters)
    open_request(ec2, cluster)
    assert asking.take_back(cluster, "other") is None
    assert ec2.spot.all["sir-open"].state is SpotState.OPEN


def test_the_cheapest_pool_comes_first_and_the_next_one_after_a_shortage(clusters: Clusters, ec2: FakeEc2) -> None:
    cluster = begin(clusters)
    prices = {("c5.large", "us-east-1a"): 0.05, ("c5.large", "us-east-1b"): 0.03, ("c5a.large", "us-east-1a"): 0.02}
    ec2.spot.current_prices = lambda types, zones=(): prices  # type: ignore[method-assign,assignment]
    ec2.refuse(market="spot", instance_type="c5a.large")
    instance = ask(cluster, other_types=("c5a.large",), zones=("us-east-1a", "us-east-1b"))
    assert (instance.instance_type, instance.zone) == ("c5.large", "us-east-1b")
    assert [(one.instance_type, one.zone) for one in asked(ec2)[1:]] == [
        ("c5a.large", "us-east-1a"),
        ("c5.large", "us-east-1b"),
    ], "a pool without a price is not offered, and comes last"


def test_no_price_list_is_no_reason_not_to_launch(clusters: Clusters, ec2: FakeEc2) -> None:
    cluster = begin(clusters)
    ec2.fail_next("spot.current_prices", exception.TransientError("busy", code="RequestLimitExceeded"))
    assert ask(cluster, other_types=("c5a.large",)).instance_type == "c5.large"


def test_on_demand_a_price_that_is_not_known_is_no_low_price() -> None:
    spec = dataclasses.replace(SPOT, other_types=("x", "y"), market=Market.ON_DEMAND)

    def pool(kind: str) -> Pool:
        return Pool(instance_type=kind, zone="us-east-1a", market=Market.ON_DEMAND)

    def order(**prices: float) -> list[str]:
        known = {pool(kind.replace("_", ".")): price for kind, price in prices.items()}
        return [one.instance_type for one in pools.pools_of(spec, Market.ON_DEMAND, known)]

    assert order(c5_large=3, x=2, y=1) == ["y", "x", "c5.large"]
    assert order(x=2, y=1) == ["c5.large", "x", "y"]


def test_other_types_belong_to_the_default_type_or_to_the_one_that_is_named() -> None:
    others = ("c5a.xlarge", "p3.2xlarge:g5.2xlarge", "m5.xlarge")
    assert pools.types_for("c5.xlarge", default="c5.xlarge", others=others) == ("c5a.xlarge", "m5.xlarge")
    assert pools.types_for("p3.2xlarge", default="c5.xlarge", others=others) == ("g5.2xlarge",)
    assert pools.types_for("t3.micro", default="c5.xlarge", others=others) == ()


def test_a_token_that_is_spent_on_a_living_machine_gives_that_machine(clusters: Clusters, ec2: FakeEc2) -> None:
    """The same node asked for with other words (another subnet has more room today) is no second node."""
    cluster = begin(clusters)
    first = ask(cluster)
    again = ask(cluster, max_price=0.2)
    assert again.id == first.id


def test_workers_take_the_masters_zone_into_their_choice(clusters: Clusters, ec2: FakeEc2) -> None:
    zones = ("us-east-1a", "us-east-1b")
    prices = {("t3.micro", "us-east-1b"): 0.001, ("t3.micro", "us-east-1a"): 0.009}
    ec2.spot.current_prices = lambda types, zones=(): prices  # type: ignore[method-assign,assignment]
    cluster = begin(clusters, zone="", zones=zones, cluster_size=2, spot_bid=0.1)
    assert {node.alias: node.placement for node in cluster.nodes} == {"master": "us-east-1b", "node001": "us-east-1b"}
    other = begin(clusters, tag="d", zone="us-east-1a", zones=zones, cluster_size=2, spot_bid=0.1)
    assert {node.alias: node.placement for node in other.nodes} == {"master": "us-east-1a", "node001": "us-east-1b"}


def test_a_master_finds_room_in_the_next_zone(clusters: Clusters, ec2: FakeEc2) -> None:
    ec2.refuse(zone="us-east-1a")
    cluster = begin(clusters, zone="", zones=("us-east-1a", "us-east-1b"), cluster_size=2)
    assert {node.placement for node in cluster.nodes} == {"us-east-1b"}


def test_the_masters_bid_is_its_own(clusters: Clusters, ec2: FakeEc2) -> None:
    wanted = record_with(cluster_size=2, spot_bid=0.1, master_spot_bid=0.5)
    master, worker = starting.specs_of(wanted, [], zone="us-east-1a")
    assert (master.market, master.max_price, worker.max_price) == (Market.SPOT, 0.5, 0.1)
    alone = starting.specs_of(record_with(cluster_size=2, master_spot_bid=0.5), [], zone="us-east-1a")
    assert [one.market for one in alone] == [Market.SPOT, Market.ON_DEMAND]


@pytest.mark.parametrize(
    ("settings", "seconds", "fallback"),
    [
        ({}, 0, False),
        ({"spot_max_wait": 5.0}, 300, False),
        ({"fallback": "on-demand"}, 1800, True),
        ({"fallback": "on-demand", "spot_max_wait": 0.0}, 0, True),
    ],
)
def test_what_the_settings_mean(settings: dict[str, Any], seconds: float, fallback: bool) -> None:
    worker = starting.specs_of(record_with(cluster_size=2, spot_bid=0.1, **settings), [], zone="")[1]
    assert (worker.max_wait, worker.then_on_demand) == (seconds, fallback)


def test_a_start_that_gives_up_leaves_no_open_request(clusters: Clusters, ec2: FakeEc2) -> None:
    ec2.refuse(market="spot")
    with pytest.raises(exception.ShortageError, match="node001"):
        begin(clusters, cluster_size=2, spot_bid=0.1, spot_max_wait=2.0)
    assert clusters.find("c") is None
    assert all(one.state is InstanceState.TERMINATED for one in ec2.instances.all.values())


def test_a_start_that_was_killed_in_another_zone_is_not_doubled(clusters: Clusters, ec2: FakeEc2) -> None:
    """Its first zone had no room; it has when the start is taken up."""
    ec2.refuse(zone="us-east-1a")
    ec2.fail_next("instances.find", KeyboardInterrupt())  # type: ignore[arg-type]
    settings: dict[str, Any] = {"zone": "", "zones": ("us-east-1a", "us-east-1b"), "cluster_size": 2}
    with pytest.raises(KeyboardInterrupt):
        begin(clusters, **settings)
    ec2.relent()
    begin(clusters, **settings)
    assert len(ec2.instances.all) == 2


def test_a_name_whose_machine_still_dies_gets_another(clusters: Clusters, ec2: FakeEc2) -> None:
    """EC2 answers the dying one's token as it did at the launch."""
    cluster = begin(clusters)
    ec2.auto_advance = False
    first = ask(cluster)
    ec2.instances.terminate([first.id])
    repeated = ec2.instances.launch(asked(ec2)[-1])
    assert [(one.id, one.state) for one in repeated] == [(first.id, InstanceState.PENDING)]
    before = len(asked(ec2))
    assert ask(cluster).id != first.id
    assert len(asked(ec2)) - before == 1, "the dead one's token is not even asked with"


def test_whom_we_have_given_up_is_not_taken_again_though_ec2s_lists_lag(clusters: Clusters, ec2: FakeEc2) -> None:
    cluster = begin(clusters)
    gone, offers = asking.Gone(cluster), Offers(cluster.ec2, cluster.clock)
    first = asking.obtain(cluster, SPOT, offers, gone)
    gone.add(first.id)
    second = asking.obtain(cluster, SPOT, offers, gone)
    assert second is not None
    assert second.id != first.id

"""The parts of a driver, put together from a cluster's own; and its hands, which go through the cluster's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from starcluster import exception
from starcluster.cluster import lifecycle, sshentries
from starcluster.cluster.drives.keeping import Drives
from starcluster.cluster.namerecord import Intent
from starcluster.cluster.record import PREPARED
from starcluster.model import Instance
from starcluster.supervisor.build import build_driver
from starcluster.supervisor.drivewishes import DriveWish
from starcluster.supervisor.execute import Settings
from starcluster.supervisor.machines import ClusterMachines
from tests.fakes.ec2 import FakeEc2
from tests.unit.supervisor.stage import StepClock
from tests.unit.supervisor.world import NOW, POOL, instance, wish


class FakeNode:
    def __init__(self, of: Instance) -> None:
        self.described, self.id, self.dns_name = of, of.id, of.address
        self.ssh, self.forgotten, self.updated, self.terminated = object(), 0, 0, 0
        self.tags_added: dict[str, str] = {}

    def forget_connection(self) -> None:
        self.forgotten += 1

    def update(self) -> None:
        self.updated += 1
        self.described = replace(self.described, zone="as EC2 says now")

    def terminate(self) -> None:
        self.terminated += 1

    def add_tag(self, key: str, value: str) -> None:
        self.tags_added[key] = value


class FakeCluster:
    def __init__(self) -> None:
        self.group = SimpleNamespace(id="sg-1")
        self.nodes: list[FakeNode] = []
        self.made: list[FakeNode] = []
        self.refreshed = 0

    def refresh(self) -> None:
        self.refreshed += 1

    def load(self) -> None:
        self.nodes = list(self.made[-1:])

    def node_of(self, of: Instance) -> FakeNode:
        self.made.append(FakeNode(of))
        return self.made[-1]


class FakeClusters:
    def __init__(self) -> None:
        self.cluster = FakeCluster()
        self.ec2 = FakeEc2()

    def get(self, tag: str) -> FakeCluster:
        if tag == "nowhere":
            raise exception.ClusterDoesNotExist("there is no cluster 'nowhere'", hint="starcluster listclusters")
        return self.cluster


@pytest.fixture
def clusters() -> FakeClusters:
    return FakeClusters()


@pytest.fixture
def machines(clusters: FakeClusters) -> ClusterMachines:
    return ClusterMachines(clusters, "mycluster")  # type: ignore[arg-type]


def build(clusters: FakeClusters, *names: tuple[str, str]) -> Any:
    wishes = [wish(name, cluster=cluster) for name, cluster in names]
    return build_driver(wishes, clusters=clusters, ec2=FakeEc2(), clock=StepClock(), settings=Settings())  # type: ignore[arg-type]


def test_one_site_for_each_cluster(clusters: FakeClusters, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("STARCLUSTER_HOME", str(tmp_path))
    driver = build(clusters, ("a1", "two"), ("b1", "one"), ("a2", "two"))
    assert [(site.cluster, [one.name for one in site.wishes]) for site in driver.sites] == [
        ("one", ["b1"]),
        ("two", ["a1", "a2"]),
    ]
    site = driver.sites[0]
    assert site.journal.path("b1") == tmp_path / "journal/one/b1.jsonl"
    site.crew.late()
    assert site.executor.wake.is_set(), "an act that ends late wakes the loop"


def test_a_cluster_that_is_not_there_is_to_be_started(clusters: FakeClusters) -> None:
    with pytest.raises(exception.ClusterDoesNotExist) as caught:
        build(clusters, ("a1", "nowhere"))
    assert caught.value.hint == "start it first: starcluster start nowhere\nstarcluster listclusters"


def test_a_connection_is_kept_until_the_address_is_another(machines: ClusterMachines, clusters: FakeClusters) -> None:
    first = machines.shell(instance())
    assert machines.shell(instance()) is first
    (node,) = clusters.cluster.made
    assert not node.forgotten
    machines.shell(replace(instance(), public_ip="127.77.0.9"))
    assert node.forgotten == 1
    assert node.described.public_ip == "127.77.0.9"
    assert machines.group_id() == "sg-1"


def test_of_a_names_instances_only_the_last_two_are_kept(machines: ClusterMachines, clusters: FakeClusters) -> None:
    first, *_ = [machines.shell(instance(number)) for number in (1, 2, 3, 4)]
    assert [one.forgotten for one in clusters.cluster.made] == [1, 1, 0, 0]
    assert machines.shell(instance(1)) is not first


def test_the_entries_for_plain_ssh_follow_what_is_seen(
    machines: ClusterMachines, clusters: FakeClusters, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[object] = []
    monkeypatch.setattr(sshentries, "follow", lambda cluster, instances: told.append((cluster, instances)))
    machines.seen([instance()])
    assert told == [(clusters.cluster, [instance()])]


def test_a_launch_is_asked_for_as_it_was_written_down(
    machines: ClusterMachines, clusters: FakeClusters, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}
    monkeypatch.setattr(lifecycle, "launch_request", lambda cluster, **words: asked.update(words, of=cluster))
    intent = Intent(token="t", pool=POOL, at=NOW, max_price=0.5)
    machines.launch_request(alias="mynode", intent=intent, tags={"a": "b"})
    assert asked == {
        "of": clusters.cluster,
        "alias": "mynode",
        "instance_type": POOL.instance_type,
        "zone": POOL.zone,
        "market": POOL.market,
        "token": "t",
        "tags": {"a": "b"},
        "max_price": 0.5,
    }
    assert clusters.cluster.refreshed == 1, "somebody may have reloaded the settings"


def test_the_whole_set_up_returns_what_ec2_shows_then(
    machines: ClusterMachines, clusters: FakeClusters, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    monkeypatch.setattr(lifecycle, "set_up_node", lambda cluster, node, **words: done.append(node.id))
    assert machines.set_up(instance(), drives=(), progress=print).zone == "as EC2 says now"
    assert machines.set_up(instance(), drives=(), progress=print).zone == "as EC2 says now"
    assert done == ["i-1", "i-1"]
    assert len(clusters.cluster.made) == 1, "the second time the cluster knows it"


def test_drives_come_last_before_a_node_counts_as_set_up(
    machines: ClusterMachines, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[object] = []
    monkeypatch.setattr(lifecycle, "set_up_node", lambda cluster, node, *, last, **words: (done.append("rest"), last()))
    monkeypatch.setattr(Drives, "__init__", lambda self, clusters: None)
    monkeypatch.setattr(Drives, "bring", lambda self, name, node, path, **how: done.append((name, node.id, path, how)))
    wanted = DriveWish(name="data", path="/data", shape={"size": 5}, keep="1 last", may_lose=60.0)
    said: list[str] = []
    machines.set_up(instance(), drives=(wanted,), progress=said.append)
    how = {"shape": {"size": 5}, "keep": "1 last", "may_lose": 60.0}
    assert done == ["rest", ("data", "i-1", "/data", how)]
    assert said == ["drives mounted"]
    machines.set_up(instance(), drives=(), progress=said.append)
    assert said == ["drives mounted"], "there was none to mount"


@pytest.mark.parametrize("kind", [exception.InvalidOperation, exception.RecordError])
def test_a_damaged_drive_is_the_user_s_to_look_at(
    machines: ClusterMachines, monkeypatch: pytest.MonkeyPatch, kind: type[exception.BaseException]
) -> None:
    def bring(self: Drives, *words: object, **how: object) -> None:
        raise kind("/dev/nvme1n1 is damaged", hint="look at it")

    monkeypatch.setattr(lifecycle, "set_up_node", lambda cluster, node, *, last, **words: last())
    monkeypatch.setattr(Drives, "__init__", lambda self, clusters: None)
    monkeypatch.setattr(Drives, "bring", bring)
    with pytest.raises(exception.UserMustAct, match="drive data: /dev/nvme1n1 is damaged") as caught:
        machines.set_up(instance(), drives=(DriveWish(name="data", path="/data"),), progress=print)
    assert caught.value.hint == "look at it"


def test_a_drive_is_kept_and_its_old_snapshots_let_go(
    machines: ClusterMachines, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    monkeypatch.setattr(Drives, "__init__", lambda self, clusters: None)
    monkeypatch.setattr(Drives, "snapshot", lambda self, name: SimpleNamespace(id=f"snap-of-{name}"))
    monkeypatch.setattr(Drives, "prune", lambda self, name: done.append(name))
    assert machines.keep_drive("data") == "snap-of-data"
    assert done == ["data"]


def test_a_replacement_is_made_ready_on_a_view_of_its_own_and_marked(
    machines: ClusterMachines, clusters: FakeClusters, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[tuple[str, bool]] = []
    monkeypatch.setattr(
        lifecycle, "prepare_node", lambda cluster, node, *, plugins, progress: done.append((node.id, plugins))
    )
    machines.prepare(instance(2), plugins=False, progress=print)
    assert done == [("i-2", False)]
    machines.mark_prepared(instance(2))
    assert [one.tags_added for one in clusters.cluster.made if one.tags_added] == [{PREPARED: "yes"}]


@pytest.mark.parametrize("trouble", [None, exception.SSHError("no route"), exception.PluginError("its hook failed")])
def test_a_hook_that_fails_keeps_no_node_alive(
    machines: ClusterMachines,
    clusters: FakeClusters,
    monkeypatch: pytest.MonkeyPatch,
    trouble: exception.BaseException | None,
) -> None:
    def remove(cluster: FakeCluster, node: FakeNode, *, force: bool) -> None:
        if trouble:
            raise trouble
        node.terminate()

    monkeypatch.setattr(lifecycle, "remove_node", remove)
    machines.shell(instance())
    machines.remove(instance())
    made = clusters.cluster.made
    assert made[0].forgotten == 1
    assert sum(one.terminated for one in made) == 1
    machines.remove(instance(2))
    assert sum(one.terminated for one in made) == 2

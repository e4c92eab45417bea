"""Two starts of one name: one wins, the other says so; a start that died is taken up."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from datetime import timedelta
from typing import Any

import pytest

from starcluster import exception
from starcluster.clock import Clock
from starcluster.cluster import record, starter
from starcluster.cluster.cluster import Clusters
from tests.fakes.ec2 import FakeEc2
from tests.unit.cluster.test_starting import begin

HERE = socket.gethostname()


def unfinished(clusters: Clusters, ec2: FakeEc2, mark: str) -> None:
    ec2.fail_next("instances.launch", KeyboardInterrupt())  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        begin(clusters)
    ec2.network.tag_group(clusters.get("c").group.id, {record.STARTER: mark})


def of_process(pid: int) -> str:
    return f"{HERE} {pid} {starter._began(pid)} {Clock().now().isoformat()} 0"


def test_a_start_that_goes_on_is_left_alone(clusters: Clusters, ec2: FakeEc2) -> None:
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        unfinished(clusters, ec2, of_process(other.pid))
        with pytest.raises(exception.ClusterExists, match=f"process {other.pid} on {HERE}") as caught:
            begin(clusters)
        assert "terminate" in caught.value.hint
        assert ec2.instances.all == {}
    finally:
        other.kill()
        other.wait()
    begin(clusters)
    assert len(ec2.instances.all) == 1
    assert clusters.get("c").group.tags[record.STARTER].split()[1] == str(os.getpid())


def test_a_process_number_that_is_used_again_is_another_process(clusters: Clusters, ec2: FakeEc2) -> None:
    unfinished(clusters, ec2, f"{HERE} 1 0 {Clock().now().isoformat()}".replace(" 0 ", " 123456789 "))
    begin(clusters)


@pytest.mark.parametrize(("age", "taken_up"), [(timedelta(minutes=5), False), (timedelta(hours=2), True)])
def test_of_an_older_versions_start_elsewhere_only_its_age_is_known(
    clusters: Clusters, ec2: FakeEc2, age: timedelta, taken_up: bool
) -> None:
    unfinished(clusters, ec2, f"elsewhere 7 99 {(Clock().now() - age).isoformat()}")
    if taken_up:
        begin(clusters)
    else:
        with pytest.raises(exception.ClusterExists, match="on elsewhere"):
            begin(clusters)


ELSEWHERE = "elsewhere 7 99 2001-01-01T00:00:00+00:00 3"  # its clock is wrong, which counts for nothing


def test_a_start_elsewhere_that_gives_no_sign_is_taken_up_after_minutes(clusters: Clusters, ec2: FakeEc2) -> None:
    unfinished(clusters, ec2, ELSEWHERE)
    before = clusters.clock.monotonic()
    begin(clusters)
    assert starter.SILENT <= clusters.clock.monotonic() - before <= starter.SILENT + 30
    assert len(ec2.instances.all) == 1


@pytest.mark.parametrize("sign", [ELSEWHERE[:-1] + "4", "third 1 1 2001-01-01T00:00:00+00:00 0", "-"])
def test_a_start_elsewhere_that_gives_a_sign_is_left_alone(
    clusters: Clusters, ec2: FakeEc2, monkeypatch: pytest.MonkeyPatch, sign: str
) -> None:
    unfinished(clusters, ec2, ELSEWHERE)
    sleep, clock = clusters.clock.sleep, clusters.clock
    group = clusters.get("c").group

    def meanwhile(seconds: float) -> None:
        sleep(seconds)
        if clock.monotonic() >= starter.BEAT:
            ec2.network.tag_group(group.id, {record.STARTER: sign})

    monkeypatch.setattr(clock, "sleep", meanwhile)
    with pytest.raises(exception.ClusterExists, match="process 7 on elsewhere"):
        begin(clusters)
    assert clock.monotonic() < starter.SILENT
    assert ec2.instances.all == {}


def test_a_start_that_was_interrupted_says_so_and_nobody_waits(clusters: Clusters, ec2: FakeEc2) -> None:
    ec2.fail_next("instances.launch", KeyboardInterrupt())  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        begin(clusters)
    assert clusters.get("c").group.tags[record.STARTER] == "-"


def test_where_ec2_is_not_reached_the_end_of_a_start_does_not_try_to(clusters: Clusters, ec2: FakeEc2) -> None:
    cluster = begin(clusters)
    before = ec2.count("network.tag_group")
    with pytest.raises(exception.TransientError), starter.Heart(cluster, clusters.clock):
        raise exception.TransientError("the network is away")
    assert ec2.count("network.tag_group") == before


def test_a_living_start_changes_its_mark_and_hears_of_an_heir(clusters: Clusters, ec2: FakeEc2) -> None:
    cluster = begin(clusters)
    heart = starter.Heart(cluster, clusters.clock)
    ec2.network.tag_group(cluster.group.id, {record.STARTER: starter.mark(clusters.clock)})
    marks = []
    for _ in range(3):
        heart.beat()
        marks.append(clusters.get("c").group.tags[record.STARTER].split()[4])
    assert marks == ["1", "2", "3"]
    heart.check()
    ec2.network.tag_group(cluster.group.id, {record.STARTER: ELSEWHERE})
    heart.beat()
    assert clusters.get("c").group.tags[record.STARTER] == ELSEWHERE, "what is another's is not written over"
    with pytest.raises(exception.ClusterExists, match="taken over by process 7 on elsewhere"):
        heart.check()


def test_signs_are_given_while_the_start_waits(
    clusters: Clusters, ec2: FakeEc2, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starter, "BEAT", 0.01)
    monkeypatch.setattr(starter, "LEAST_BEAT", 0.01)
    changed = threading.Event()
    tag = ec2.network.tag_group

    def tagged(group_id: str, tags: dict[str, str]) -> None:
        tag(group_id, tags)
        if tags.get(record.STARTER, "").endswith(" 2"):
            changed.set()

    monkeypatch.setattr(ec2.network, "tag_group", tagged)
    launch = ec2.instances.launch
    monkeypatch.setattr(ec2.instances, "launch", lambda request: (changed.wait(10), launch(request))[1])
    begin(clusters)
    assert changed.is_set()


def test_who_was_taken_over_ends_nothing_of_the_heirs(
    clusters: Clusters, ec2: FakeEc2, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starter.Heart, "_live", lambda heart: setattr(heart, "heir", "process 7 on elsewhere"))
    ec2.refuse("InvalidParameterValue")
    with pytest.raises(exception.ClusterExists, match="taken over"):
        begin(clusters)
    assert clusters.get("c").phase == record.PHASE_LAUNCHING


@pytest.mark.parametrize("mark", ["", "words", "-", "elsewhere 7 99 yesterday", f"{HERE} x y z", f"{HERE} x y z 0"])
def test_a_mark_that_can_not_be_read_keeps_nobody_out(clusters: Clusters, ec2: FakeEc2, mark: str) -> None:
    unfinished(clusters, ec2, mark)
    begin(clusters)


def test_who_makes_the_group_second_says_so(clusters: Clusters, ec2: FakeEc2) -> None:
    """Both looked, and saw none."""
    begin(clusters)
    looks: list[Any] = [None]
    group = ec2.network.group
    ec2.network.group = lambda name: looks.pop() if looks else group(name)  # type: ignore[method-assign]
    with pytest.raises(exception.ClusterExists, match="in this moment"):
        begin(clusters)
    assert len(ec2.instances.all) == 1

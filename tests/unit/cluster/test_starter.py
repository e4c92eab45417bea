"""Two starts of one name: one wins, the other says so; a start that died is taken up."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
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
    return f"{HERE} {pid} {starter._began(pid)} {Clock().now().isoformat()}"


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
def test_of_a_start_elsewhere_only_its_age_is_known(
    clusters: Clusters, ec2: FakeEc2, age: timedelta, taken_up: bool
) -> None:
    unfinished(clusters, ec2, f"elsewhere 7 99 {(Clock().now() - age).isoformat()}")
    if taken_up:
        begin(clusters)
    else:
        with pytest.raises(exception.ClusterExists, match="on elsewhere"):
            begin(clusters)


@pytest.mark.parametrize("mark", ["", "words", "elsewhere 7 99 yesterday", f"{HERE} x y z"])
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

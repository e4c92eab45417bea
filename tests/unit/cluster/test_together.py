"""Threads that ask the same at the same time share a call, and get no news from before they came."""

from __future__ import annotations

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from starcluster.cluster.cluster import Clusters
from starcluster.cluster.together import Together
from tests.fakes.ec2 import FakeEc2
from tests.unit.cluster.test_starting import begin

MANY = 20


def test_those_who_come_during_a_call_share_the_next_one() -> None:
    numbers = itertools.count(1)
    begun, go = threading.Event(), threading.Event()

    def ask() -> int:
        begun.set()
        assert go.wait(10)
        return next(numbers)

    together = Together(ask)
    with ThreadPoolExecutor(MANY + 1) as pool:
        first = pool.submit(together)
        assert begun.wait(10)
        came = threading.Barrier(MANY + 1)

        def come() -> int:
            came.wait(10)
            return together()

        others = [pool.submit(come) for _ in range(MANY)]
        came.wait(10)
        threading.Event().wait(0.2)
        go.set()
        assert first.result() == 1
        answers = {one.result() for one in others}
        assert 1 not in answers, "that call began before they came"
        assert len(answers) <= MANY / 4
    assert together() > max(answers), "who comes later asks anew"


def test_who_fails_fails_alone() -> None:
    answers = iter([ValueError("no"), 1])

    def ask() -> int:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    together = Together(ask)
    with pytest.raises(ValueError, match="no"):
        together()
    assert together() == 1


def test_nodes_that_load_their_cluster_at_once_make_few_calls(
    clusters: Clusters, ec2: FakeEc2, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = begin(clusters)
    find = ec2.instances.find

    def slow(**words: object) -> object:
        threading.Event().wait(0.2)
        return find(**words)  # type: ignore[arg-type]

    monkeypatch.setattr(ec2.instances, "find", slow)
    before = ec2.count("instances.find")
    with ThreadPoolExecutor(MANY) as pool:
        assert all(one is cluster for one in pool.map(lambda _: cluster.load(), range(MANY)))
    assert ec2.count("instances.find") - before <= MANY / 2

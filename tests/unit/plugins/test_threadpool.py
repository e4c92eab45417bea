"""StarCluster's thread pool interface."""

from __future__ import annotations

import threading
import time

import pytest

from starcluster import exception
from starcluster.threadpool import get_thread_pool


@pytest.mark.parametrize("disabled", [False, True])
def test_results_come_in_order(disabled: bool) -> None:
    pool = get_thread_pool(4, disable_threads=disabled)
    for number in range(20):
        pool.simple_job(lambda n: n * n, (number,), jobid=str(number))
    assert pool.wait(numtasks=20) == [n * n for n in range(20)]
    assert pool.get_results() == []
    pool.shutdown()


def test_an_argument_that_is_no_list_is_the_only_one() -> None:
    with get_thread_pool(2) as pool:
        pool.simple_job(len, "word")
        pool.simple_job(len, "words", "these are no keywords")
        assert pool.wait() == [4, 5]


def test_jobs_run_side_by_side() -> None:
    barrier = threading.Barrier(3)
    with get_thread_pool(3) as pool:
        for _ in range(3):
            pool.simple_job(barrier.wait, (20,))
        assert sorted(pool.wait()) == [0, 1, 2]


def test_all_failures_are_gathered_and_the_rest_is_done() -> None:
    done: list[int] = []

    def job(number: int) -> None:
        if number % 2:
            raise ValueError(f"odd {number}")
        done.append(number)

    with get_thread_pool(3) as pool:
        for number in range(4):
            pool.simple_job(job, (number,), jobid=f"node{number}")
        with pytest.raises(exception.ThreadPoolException) as caught:
            pool.wait()
        assert sorted(done) == [0, 2]
        assert [jobid for _, _, jobid in caught.value.exceptions] == ["node1", "node3"]
        assert "ValueError: odd 1" in caught.value.format_excs()
        assert pool.map(lambda a, b: a + b, [1, 2], [10, 20]) == [11, 22]


def test_a_job_without_an_id_is_called_by_its_node_or_its_function() -> None:
    class Named:
        alias = "node007"

    def fail(*words: object) -> None:
        raise ValueError("no")

    pool = get_thread_pool(2)
    pool.simple_job(fail, Named())
    pool.simple_job(fail, ("word",))
    with pytest.raises(exception.ThreadPoolException) as caught:
        pool.wait(numtasks=2)
    assert [job for _, _, job in caught.value.exceptions] == ["node007", "fail"]


def test_the_bar_follows_the_jobs_when_somebody_asked_for_it() -> None:
    pool = get_thread_pool(2)
    bar = pool.progress_bar
    pool.map(str, range(7))
    assert (bar.currval, bar.maxval, bar.finished, bar.percentage()) == (7, 7, True, 100)
    assert bar.reset().currval == 0


def test_join_waits_and_leaves_the_telling_to_wait() -> None:
    pool, ended = get_thread_pool(2), threading.Event()

    def slow() -> str:
        time.sleep(0.05)
        ended.set()
        raise ValueError("boo")

    pool.simple_job(slow, jobid="node001")
    pool.shutdown()
    pool.join()
    assert ended.is_set()
    with pytest.raises(exception.ThreadPoolException):
        pool.wait()
    pool.join()

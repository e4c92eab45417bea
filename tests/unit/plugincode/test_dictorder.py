"""Orders that CPython 2.7 gave: written down from its algorithm for tables of known sizes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from starcluster.plugincode.dictorder import python2_order


@pytest.mark.parametrize(
    ("keys", "order"),
    [
        ([3, 1, 2], [1, 2, 3]),
        ([8, 0], [8, 0]),  # both want the first slot of eight: who comes first has it
        ([0, 8], [0, 8]),
        ([-1, 1], [1, -1]),  # the hash of -1 is -2, in the slot before the last
        ([10, 20, 30], [10, 20, 30]),  # slots 2, 4, 6
        ([100, 7, 9], [9, 100, 7]),  # slots 1, 4, 7
        ([5, 4, 3, 2, 1, 0], [0, 1, 2, 3, 4, 5]),
        # all of these want the same slots; the orders are what Python 2.7.18 printed
        (
            [668438528, 796213248, 853614592, 1011884032, 794185728, 990257152],
            [668438528, 796213248, 1011884032, 794185728, 990257152, 853614592],
        ),
        (
            [30121984, 499396608, 1012858880, 696459264, 967229440, 120623104, 503099392, 263962624, 583376896],
            [30121984, 499396608, 120623104, 1012858880, 696459264, 583376896, 503099392, 263962624, 967229440],
        ),
        (
            [
                615817216,
                13045760,
                231886848,
                299335680,
                983830528,
                821944320,
                170491904,
                855715840,
                148094976,
                662581248,
                135122944,
                856064,
            ],
            [
                615817216,
                13045760,
                983830528,
                148094976,
                135122944,
                821944320,
                855715840,
                856064,
                662581248,
                231886848,
                299335680,
                170491904,
            ],
        ),
    ],
)
def test_known_orders(keys: list[int], order: list[int]) -> None:
    assert [keys[index] for index in python2_order(keys)] == order


@given(st.lists(st.integers(-(2**40), 2**40), unique=True, max_size=60))
def test_each_key_once(keys: list[int]) -> None:
    assert sorted(python2_order(keys)) == list(range(len(keys)))


@given(st.lists(st.integers(0, 5), unique=True))
def test_small_keys_come_in_order(keys: list[int]) -> None:
    assert [keys[index] for index in python2_order(keys)] == sorted(keys)

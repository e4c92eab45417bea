"""What Python 2 compared with each other, and a converted file does still. Values are those of Python 2.7.18."""

# ruff: noqa: E501  a snippet and its value are one row

from __future__ import annotations

import datetime
from typing import Any

import pytest

from starcluster import python2
from starcluster.plugincode.convert import convert
from starcluster.plugincode.importing import compile_converted
from starcluster.plugincode.ordering import with_ordering
from starcluster.python2 import ordering


def run(text: str) -> Any:
    names: dict[str, Any] = {"__builtins__": {**vars(__import__("builtins")), **python2.BUILTINS}}
    exec(compile_converted(convert(text, "plugin.py"), "plugin.py"), names)
    return names["x"]


SETTINGS = """
class A:
  def __init__(self, slots, size=None): self.slots = slots; self.size = size
  def f(self): return self.slots > 2, self.size < 1, 0 < self.size < 5, self.size >= 1, not self.size > 3
"""
V = """
class V:
  def __init__(self, n): self.n = n
  def __cmp__(self, other): return cmp(self.n, other.n)
"""


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("x = sorted([3, None, 'b', 1.5, 'a', (1,), [2], {}])", [None, 1.5, 3, {}, [2], "a", "b", (1,)]),
        ("x = [None < 0, 0 < None, None < '', None <= None, 1 >= None, None > []]", [True, False, True, True, True, False]),
        ("x = max(None, 3), min(None, 3), max(1, 'a'), min([2, None]), max('a', 'bb', key=len), max(iter([None, 2]))",
         (3, None, "a", None, "bb", 2)),
        ("x = max([(1, None), (1, 2)]), sorted([2, None], reverse=True), sorted(['bb', 'a'], key=len)",
         ((1, 2), [2, None], ["a", "bb"])),
        ("x = sorted([1, 'b', 2], key=lambda v: v if v != 1 else None), sorted([3, 1], lambda a, b: cmp(b, a))",
         ([1, 2, "b"], [3, 1])),
        ("x = cmp(None, 1), cmp('a', 1), cmp([1, None], [1, 2]), cmp((1, 2), (1, 2, 3)), cmp(set(), None)", (-1, 1, -1, -1, 1)),
        ("x = cmp({}, {1: 2}), cmp({1: 'a'}, {1: None}), cmp({1: 2, 3: 4}, {1: 2, 2: 9}), cmp({1: 0}, {1: 0})", (-1, 1, 1, 0)),
        (SETTINGS + "x = A('1').f(), A(4, 3).f()", ((True, True, False, False, True), (True, False, True, True, True))),
        ("best = None\nfor n in (3, 9, 4):\n  if best < n: best = n\nx = best", 9),
        ("low, high = None, 3\nx = low < 3, high > 5", (True, False)),
        ("d = {}\nx = d.get('a') < 3, (d.get('a') or 4) < 3, getattr(d, 'q', None) > 0, d.get('a', None) <= 0",
         (True, False, False, True)),
        (V + "def f(v=None): return V(1) < v, v > V(0)\nx = f(V(2))", (True, True)),
        ("class A:\n  size = None\n  def f(self): return self.size < 3 and 'less' or 'more'\nx = A().f()", "less"),
        ("def f(n=None): return (n < 3) == True, (\n   n  # why\n ) < 2, 'é', (n if 1 else 2) < 1\nx = f()", (True, True, "é", True)),
        ("l = ['a', 2, None]\nm = l\nm.sort()\nx = list(l)\nm.sort(reverse=True)\nx = x, l", ([None, 2, "a"], ["a", 2, None])),
        ("l = [3, 1]\nl.sort(lambda a, b: cmp(b, a))\nk = ['bb', 'a']\nk.sort(key=len)\nx = l, k", ([3, 1], ["a", "bb"])),
        ("class L(list):\n  def sort(self): return 'own'\nclass M(L):\n  def sort(self): return super(M, self).sort()\nx = M().sort()",
         "own"),
    ],
)  # fmt: skip
def test_it_does_what_python_2_did(text: str, value: Any) -> None:
    assert run(text) == value


def test_things_without_an_order_have_one_that_stays() -> None:
    pairs = [(1, object()), (1, object()), (0, object())]
    first, *rest = ordering.sorted(pairs)
    assert first is pairs[2]
    assert ordering.sorted(reversed(pairs)) == [first, *rest]


@pytest.mark.parametrize(("left", "right"), [(1j, 2j), (datetime.date(2026, 1, 1), 1)])
def test_what_python_2_refused_is_refused(left: Any, right: Any) -> None:
    with pytest.raises(TypeError):
        ordering.cmp(left, right)


def test_an_error_of_the_files_own_is_its_own() -> None:
    text = "class V:\n  def __cmp__(self, other): raise TypeError('no V')\nv = None\nv = V()\ntry: v < 1\nexcept TypeError, e: x = str(e)"
    assert run(text) == "no V"


@pytest.mark.parametrize(
    "text",
    ["x = len(nodes) > 1", "def f(n, m=2):\n  return n < m", "x = n == 1", "x = n is None", "key = lambda n: n < 2"],
)
def test_what_can_not_be_none_stays_as_it_is(text: str) -> None:
    assert with_ordering(text) == text


def test_only_what_stands_left_is_changed() -> None:
    text = "n = None\nif 0 < n < 9 and n == 1 and len(a) > 2: pass"
    assert with_ordering(text) == "n = None\nif py2_ordered(0) < py2_ordered(n) < 9 and n == 1 and len(a) > 2: pass"

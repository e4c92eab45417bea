"""Variables of lists in brackets: bound around the brackets where they are read behind them, else left alone."""

from __future__ import annotations

from typing import Any

import pytest

from starcluster import python2
from starcluster.plugincode import porting
from starcluster.plugincode.convert import Neighbours, convert
from starcluster.plugincode.importing import compile_converted
from starcluster.plugincode.outliving import with_outliving


def run(text: str) -> Any:
    names: dict[str, Any] = {"__builtins__": {**vars(__import__("builtins")), **python2.BUILTINS}}
    exec(compile_converted(convert(text, "plugin.py"), "plugin.py"), names)
    return names["x"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("l = [n for n in 'ab']\nx = n", "b"),
        ("def f():\n    s = sum([n * 2 for n in (1, 2)]); return s, n\nx = f()", (6, 2)),
        ("x = [n for n in (1, 2, 3) if n < 2], n", ([1], 3)),
        ("x = [k + v for (k, v) in [('a', 'b')]], k, v", (["ab"], "a", "b")),
        ("x = [k for k, v in [('a', 'b')]], v", (["a"], "b")),
        ("x = [a + b for a in 'xy' if a > 'w' for b in 'pq'], a, b", (["xp", "xq", "yp", "yq"], "y", "q")),
        ("x = [n for n in (['ab']) for n in n], n", (["a", "b"], "b")),
        ("x = [[m for m in n] for n in ('ab', 'c')], m, n", ([["a", "b"], ["c"]], "c", "c")),
        ("x = [n for n in 1, 2], n", ([1, 2], 2)),
        ("x = [n\n  for n in (  # why\n    'ab'\n  )  # so\n  if n\n], n", (["a", "b"], "b")),
        ("x = [u'é' + n for n in u'é'], n", (["éé"], "é")),
        ("def f(n):\n    [n for n in 'ab']\n    return n\nx = f(7)", "b"),
        ("def f():\n    [n for n in 'ab']\n    def g(): return n\n    return g()\nx = f()", "b"),
        ("def f():\n    global n\n    [n for n in 'ab']\nf()\nx = globals()['n']", "b"),
        ("def f():\n    [n for n in (4, 5)]\n    n += 1\n    return n\nx = f()", 6),
        ("seen = []\nn = 0\nfor i in range(2):\n    seen.append(n)\n    [n for n in (8, 9)]\nx = seen", [0, 9]),
        ("x = []\nfor n in 'ab':\n    [n for n in 'yz']\n    x.append(n)", ["z", "z"]),
        ("n = i = 0\nwhile n < 2 and i < 9:\n    i += 1\n    [n for n in range(3)]\nx = i", 1),
        ("x = (lambda: ([n for n in 'ab'], n))()", (["a", "b"], "b")),
        ("[divisor for divisor in (2, 4)]\nx = [9 / divisor for divisor in (2, 4)], divisor", ([4, 2], 4)),
        ("if 1:\n    [n for n in 'ab']\nelse:\n    n = 1\nx = n", "b"),
        ("def f():\n    return (i + n for i in 'a')\n[n for n in 'bc']\nx = list(f())", ["ac"]),
        ("fs = [lambda: n for n in 'ab']\nx = fs[0](), n", ("b", "b")),
    ],
)
def test_the_variable_is_there_behind_the_brackets(text: str, value: Any) -> None:
    assert run(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "x = [n for n in 'ab']",
        "n = [n for n in 'ab']\nprint(n)",
        "def f(nodes):\n    names = [n.alias for n in nodes]\n    for n in nodes:\n        n.run(names)",
        "for n in [n for n in 'ab']:\n    print(n)",
        "a = [n for n in 'ab'] + [n for n in 'cd']",
        "a = [n for n in 'ab' if n]\nb = [n for n in 'cd' if n]",
        "a = [n for n in 'ab']\nb = [n + m for n in 'cd' for m in n if n]",
        "[n for n in 'ab']\nb = list(n for n in 'cd')",
        "[n for n in 'ab']\ndef f(n): return n\ndef g():\n    n = 1\n    return n",
        "def f():\n    [n for n in 'ab']\ndef g():\n    return n",
        "for i in 'ab':\n    n = 1\n    print(n)\n    [n for n in 'cd']",
        "for n in 'ab':\n    print(n)\n    [n for n in 'cd']",
        "[n for n in 'ab']\nwith open('f') as n:\n    n.read()",
        "print(n)\n[n for n in 'ab']",
        "class A:\n    a = [n for n in 'ab']\n    b = n",
        "a = [m for m in [n for n in 'ab']], n",
        "a = list([n for n in b] for b in 'ab'), n",
        "[n.x for n.x in 'ab'], n",
        "a = [",
    ],
)
def test_what_need_not_or_can_not_be_bound_around_stays_as_it_is(text: str) -> None:
    assert with_outliving(text) == text


def test_no_line_moves() -> None:
    text = "a = [(k,\n  n)\n for k, n in [\n   (1, 2)]\n]\nprint a, n\n"
    converted = convert(text, "plugin.py")
    assert converted.text.split("\n")[3] == "   (1, 2)]"
    assert converted.text.split("\n")[4] == "if [n := py2_each_n]]"
    assert converted.lines[:6] == (1, 2, 3, 4, 5, 6)


def test_a_ported_file_has_it_too() -> None:
    text = b"[n for n in 'ab']\nprint n\n"
    new = porting.ported(text.decode(), text, "plugin.py", Neighbours())
    assert new.split("\n")[1:] == ["[n for py2_each_n in 'ab' if [n := py2_each_n]]", "print(n)", ""]

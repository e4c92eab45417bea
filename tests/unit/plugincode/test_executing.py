"""Variables that `exec` makes in a function. Values are those of Python 2.7.18."""

from __future__ import annotations

from typing import Any

import pytest

from starcluster import python2
from starcluster.plugincode import porting
from starcluster.plugincode.convert import Neighbours, convert
from starcluster.plugincode.executing import with_declarations
from starcluster.plugincode.importing import compile_converted


def run(text: str) -> Any:
    names: dict[str, Any] = {"__builtins__": {**vars(__import__("builtins")), **python2.BUILTINS}}
    exec(compile_converted(convert(text, "plugin.py"), "plugin.py"), names)
    return names["x"]


SNIPPETS: list[tuple[str, Any]] = [
    ("def f():\n  exec 'y = 1'\n  return y\nx = f()", 1),
    ("def f():\n  y = 0\n  exec 'y = 1'\n  return y\nx = f()", 1),
    ("def f(a):\n  exec 'a = a + 1'\n  exec 'b = a * 2'\n  return a, b, eval('a + b')\nx = f(1)", (2, 4, 6)),
    ("def f(n):\n  if n:\n    exec 'import os.path as %s' % n\n  return base.basename('a/b')\nx = f('base')", "b"),
    ("def f():\n  for n in ('a', 'b'):\n    exec '%s = %d' % (n, len(n))\n  return a + b\nx = f()", 2),
    ("z = 5\ndef f():\n  exec 'q = z + 1'\n  return q, z, len('ab')\nx = f()", (6, 5, 2)),
    ("class K:\n  def m(self, code):\n    exec code\n    return made\nx = K().m('made = 7 / 2')", 3),
    ("def f():\n  exec 'def g(n): return n / 2'\n  return [g(5) for n in (1, 2)]\nx = f()", [2, 2]),
    ("def f():\n  if 1: exec 'y = 3'; z = 1\n  return y, __name__ and z\nx = f()", (3, 1)),
    ("def f(n):\n  exec 'for i in range(n): n += i'\n  return n, i\nx = f(4)", (10, 3)),
    ("exec 'y = 4'\ndef f():\n  exec 'q = 5'\n  return y\nx = f()", 4),
    ("class A:\n  exec 'y = 4'\n  z = y\nx = A.z, A.y", (4, 4)),
    ("def f():\n  exec 'y = 1' in {}\n  try: return y\n  except NameError: return 'none'\nx = f()", "none"),
    ("def f():\n  exec 'pass'\n  try: return y\n  except NameError: return 'none'\nx = f()", "none"),
    ("def f():\n  global y\n  exec 'pass'\n  y = 2\nf()\nx = y", 2),
]


@pytest.mark.parametrize(("text", "value"), SNIPPETS)
def test_it_does_what_python_2_did(text: str, value: Any) -> None:
    assert run(text) == value


@pytest.mark.parametrize(("text", "value"), SNIPPETS[:3])
def test_so_does_a_ported_file(text: str, value: Any) -> None:
    names: dict[str, Any] = {}
    exec(compile(porting.ported(text, text.encode(), "plugin.py", Neighbours()), "plugin.py", "exec"), names)
    assert names["x"] == value


@pytest.mark.parametrize(
    "text",
    [
        "def f():\n  exec('', {})\n  return y",
        "from here import *\ndef f():\n  exec('')\n  return y",
        "globals()['y'] = 1\ndef f():\n  exec('')\n  return y",
        "def f():\n  exec('')\n  return lambda: y",
    ],
)
def test_where_it_is_not_for_certain_nothing_is_declared(text: str) -> None:
    assert with_declarations(text) == text

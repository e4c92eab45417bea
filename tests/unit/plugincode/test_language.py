"""Which Python a text is in: the order of the rules, and that a rule above decides whatever lies below."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from starcluster.plugincode.language import STAMP, Language, decide

TWO, THREE = Language.PYTHON2, Language.PYTHON3
OLD_IMPORT = "from starcluster.clustersetup import ClusterSetup\n"
NEW_IMPORT = "from starcluster.nodeplugin import NodePlugin\n"

# one piece of evidence for each rule, strongest first
RULES = [
    ("# python3", THREE),
    (STAMP + " (sha256 of the original: 0)", THREE),
    (NEW_IMPORT, THREE),
    ("x = f'{1}'", THREE),
    ("print 'x'", TWO),
    (OLD_IMPORT, TWO),
    ("import ConfigParser", TWO),
]


@given(st.sets(st.integers(0, len(RULES) - 1)), st.sampled_from([None, TWO, THREE]), st.booleans())
def test_the_strongest_evidence_decides(chosen: set[int], importer: Language | None, upper: bool) -> None:
    lines = [RULES[index][0] for index in sorted(chosen)]
    if upper and 0 in chosen:
        lines[0] = lines[0].upper()
    expected = RULES[min(chosen)][1] if chosen else (TWO if importer is TWO else THREE)
    verdict = decide("\n".join(lines), importer=importer)
    assert verdict.language is expected, verdict.reason


@given(st.sampled_from(["2", "3"]), st.text(max_size=200))
def test_the_first_line_decides_whatever_follows(which: str, rest: str) -> None:
    text = f"# python{which}\n" + rest
    assert decide(text).language is (TWO if which == "2" else THREE)


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=300))
def test_every_text_is_decided_with_a_reason(text: str) -> None:
    verdict = decide(text)
    assert verdict.reason
    assert verdict == decide(text)


@pytest.mark.parametrize(
    "line",
    [
        "x = f'{1}'",
        "x: int = 1",
        "def f(a: int): pass",
        "def f() -> None: pass",
        "def f(*, a): pass",
        "def f(a, /): pass",
        "def f():\n    x = 1\n    def g():\n        nonlocal x",
        "async def f(): pass",
        "if (n := 1): pass",
        "def f():\n    yield from []",
        "raise ValueError from None",
        "a, *b = [1]",
        "x = {**{}}",
        "class A(object, metaclass=type): pass",
        "x = 1_000",
        "a @ b",
        "class A(B):\n    def __init__(self):\n        super().__init__()",
        "print('x', file=None)",
        "def f(): ...",
        "größe = 1",
    ],
)
def test_what_only_python_3_has(line: str) -> None:
    """Also where an old import would say 2."""
    assert decide(OLD_IMPORT + line).language is THREE


@pytest.mark.parametrize(
    "line",
    [
        "x = f'{1}'",
        "def f(a: int, b=1): pass",
        "def f(a) -> None: pass",
        "def f(*, a): pass",
        "def g():\n    nonlocal x",
        "async def f(): pass",
        "(n := 1)",
    ],
)
def test_what_only_python_3_has_in_a_file_that_does_not_compile(line: str) -> None:
    assert decide(f"{line}\nx = (\n").language is THREE


@pytest.mark.parametrize(
    "text",
    [
        "from starcluster.clustersetup import ClusterSetup as Base",
        "from starcluster.clustersetup import DefaultClusterSetup",
        "from starcluster.clustersetup import *",
        "from starcluster import clustersetup",
        "import starcluster.clustersetup",
        "import os, starcluster.clustersetup as cs",
        "try:\n    from starcluster.clustersetup import ClusterSetup\nexcept ImportError:\n    pass",
    ],
)
def test_the_old_class_is_python_2(text: str) -> None:
    assert decide(text).language is TWO


@pytest.mark.parametrize(
    "text",
    [
        "print 'x'",
        "x = 0755",
        "raise ValueError, 'x'",
        "try: pass\nexcept ValueError, e: pass",
        "x = `1`",
        "if 1 <> 2: pass",
        "x = ur'x'",
        "x = 10L",
        "exec 'x = 1' in {}",
        "if 1:\n\tx = 1\n        y = 1",
        "x = lambda (a, b): a",
        "d = {}\nfor k in d.iteritems(): print k",
        "print \"x := f'{1}'\"  # async def",
        "x = {'a': lambda: 0}\nprint x",
        "def f(a=lambda: 0): print a",
        "if 1: print 1\nelse: x = 2",
        "def f(x={1: 2}): print x",
    ],
)
def test_what_python_3_can_not_compile_is_python_2(text: str) -> None:
    assert decide(text).language is TWO


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x = filter(None, [1])",
        "try:\n    import ConfigParser\nexcept ImportError:\n    import configparser",
        "from functools import reduce\nreduce(max, [1])",
        "unicode = str\nunicode(1)",
        "# import ConfigParser",
    ],
)
def test_nothing_that_speaks_for_python_2(text: str) -> None:
    assert decide(text).language is THREE
    assert decide(text, importer=TWO).language is TWO

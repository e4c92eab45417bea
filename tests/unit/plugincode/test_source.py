"""Strange files: read, or refused with their line and a sentence."""

from __future__ import annotations

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from starcluster import exception
from starcluster.plugincode.source import bare, expand_indents, read


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", ""),
        (b"x = 1\r\ny = 2\r\n", "x = 1\ny = 2\n"),
        (b"x = 1\ry = 2", "x = 1\ny = 2"),
        (codecs.BOM_UTF8 + b"x = 1\n", "x = 1\n"),
        ("# -*- coding: latin-1 -*-\nx = 'é'\n".encode("latin-1"), "# -*- coding: latin-1 -*-\nx = 'é'\n"),
        ("#!/usr/bin/python\n# vim: set fileencoding=cp1252 :\nx = '€'\n".encode("cp1252"), None),
        ("x = 'é'\n".encode(), "x = 'é'\n"),
        (b"x = 1\n\n# coding: no-such\n", "x = 1\n\n# coding: no-such\n"),
    ],
)
def test_what_can_be_read(data: bytes, text: str | None) -> None:
    found = read(data, "f.py")
    assert found == text if text is not None else "€" in found


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"x = 1\ny = '\xe9'\n", r"f\.py line 2 holds a byte that is not utf-8"),
        (b"# coding: klingon\n", r"f\.py line 1: nobody knows the encoding klingon"),
        (b"\n\nx\0", r"f\.py line 3 holds a zero byte"),
    ],
)
def test_what_can_not(data: bytes, told: str) -> None:
    with pytest.raises(exception.PluginSyntaxError, match=told):
        read(data, "f.py")


@given(st.text(alphabet="abf'\"#\\\n \t=("))
def test_blanking_keeps_every_place(text: str) -> None:
    blanked = bare(text)
    assert len(blanked) == len(text)
    assert [at for at, letter in enumerate(blanked) if letter == "\n"] == [
        at for at, letter in enumerate(text) if letter == "\n"
    ]
    assert all(new in (old, " ") for old, new in zip(text, blanked, strict=True))


def test_tabs_indent_to_every_eighth_column_and_stay_in_strings() -> None:
    text = 'if 1:\n\tx = """\n\ttab\n"""\n    \ty = "\\\n\tz"\t# \t\n'
    assert expand_indents(text) == 'if 1:\n        x = """\n\ttab\n"""\n        y = "\\\n\tz"\t# \t\n'

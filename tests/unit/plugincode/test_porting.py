"""`plugin port`: the ported file does the same without the loader's help, and the original is never lost."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from starcluster import exception
from starcluster.plugincode import porting
from starcluster.plugincode.language import Language, decide

OLD = '''\
#!/usr/bin/env python
# -*- coding: latin-1 -*-
"""A plugin of old."""
from __future__ import with_statement
import string
def half(n):
    return n / 2
def names(file):
    return filter(None, map(string.upper, file)), u"\xe9"
if __name__ == "__main__":
    print half(7), names(["a", ""]), isinstance(u"", basestring)
'''


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "old.py"
    path.write_bytes(OLD.encode("latin-1"))
    path.chmod(0o755)
    return path


def test_the_ported_file_does_the_same_by_itself(old: Path) -> None:
    kept = porting.write(porting.look(old))
    assert kept == old.with_suffix(".py2")
    assert kept.read_bytes() == OLD.encode("latin-1")
    done = subprocess.run([sys.executable, str(old)], capture_output=True, text=True, check=True)
    assert done.stdout == "3 (['A'], 'é') True\n"
    assert old.stat().st_mode & 0o777 == 0o755
    assert old.read_text().startswith(f"#!/usr/bin/env python\n{porting.STAMP}")


def test_it_is_python_3_from_then_on_and_ported_once(old: Path) -> None:
    porting.write(porting.look(old))
    text = old.read_text()
    assert decide(text).language is Language.PYTHON3
    assert porting.look(old).text == ""
    assert "coding" not in text
    assert "from starcluster.python2 import basestring, filter, map, py2_divisor\n" in text


def test_a_python_3_file_is_not_ported(tmp_path: Path) -> None:
    path = tmp_path / "new.py"
    path.write_text("x = f'{1}'\n")
    assert porting.look(path).text == ""


def test_what_says_nothing_is_left_alone_and_told(tmp_path: Path) -> None:
    """A sibling may be Python 2 only because Python 2 imports it: once that is Python 3, nobody says so any more."""
    (tmp_path / "main.py").write_text("import silent, says_so\nfrom os import path\nprint 1\n")
    (tmp_path / "silent.py").write_text("def half(n): return n / 2\n")
    (tmp_path / "says_so.py").write_text("# python2\ndef half(n): return n / 2\n")
    found = porting.look(tmp_path / "main.py")
    assert found.undecided == (tmp_path / "silent.py",)
    assert porting.look(tmp_path / "silent.py").text == ""
    assert "py2_divisor" in porting.look(tmp_path / "says_so.py").text


def test_what_says_nothing_is_found_through_packages_and_what_they_import(tmp_path: Path) -> None:
    texts = {
        "pkg/__init__.py": "",
        "pkg/plugins/__init__.py": "top = 7 / 2\n",
        "pkg/plugins/main.py": "from pkg.tools.node import half\nfrom ..tools import far\nprint 1\n",
        "pkg/tools/__init__.py": "",
        "pkg/tools/node.py": "from pkg.tools.deep import third\ndef half(n): return n / 2\n",
        "pkg/tools/deep.py": "import os.path\ndef third(n): return n / 3\n",
        "pkg/tools/far.py": "far = 1 / 2\n",
        "pkg/tools/decided.py": "import urllib2\n",
        "pkg/tools/nobody.py": "x = 1 / 2\n",
    }
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    found = porting.look(tmp_path / "pkg/plugins/main.py").undecided
    assert [str(one.relative_to(tmp_path)) for one in found] == [
        "pkg/tools/deep.py",
        "pkg/tools/far.py",
        "pkg/tools/node.py",
    ]


def test_another_kept_file_is_not_written_over(old: Path) -> None:
    kept = old.with_suffix(".py2")
    kept.write_text("precious")
    with pytest.raises(exception.PluginError, match="is there already"):
        porting.write(porting.look(old))
    assert (kept.read_text(), old.read_bytes()) == ("precious", OLD.encode("latin-1"))


def test_an_interrupted_port_goes_on(old: Path) -> None:
    old.with_suffix(".py2").write_bytes(old.read_bytes())
    porting.write(porting.look(old))
    assert decide(old.read_text()).language is Language.PYTHON3


def test_a_port_that_can_not_write_all_of_the_old_file_leaves_nothing_of_it(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is kept of half of it would be something else to the next try."""
    found = porting.look(old)

    def full(*words: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.replace", full)
        with pytest.raises(OSError, match="No space"):
            porting.write(found)
    assert [one.name for one in old.parent.iterdir()] == [old.name]
    porting.write(found)
    assert old.with_suffix(".py2").read_bytes() == found.original


def test_what_can_not_be_converted_stays(tmp_path: Path) -> None:
    path = tmp_path / "bad.py"
    path.write_text("print 'a' 'b' c\n")
    with pytest.raises(exception.PluginSyntaxError, match=r"bad\.py line 1"):
        porting.look(path)
    assert [one.name for one in tmp_path.iterdir()] == ["bad.py"]


def test_a_link_is_followed(old: Path, tmp_path: Path) -> None:
    (tmp_path / "link.py").symlink_to(old)
    assert porting.write(porting.look(tmp_path / "link.py")) == old.with_suffix(".py2")
    assert (tmp_path / "link.py").is_symlink()


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("x = filter(None, [])", ["filter"]),
        ("def filter(a): return a\nfilter(1)", []),
        ("def f(map): return map(1)", []),
        ("class A:\n    open = 1\n    def f(self): return open", ["open"]),
        ("from os import open\nopen(1)", []),
        ("def f():\n    def g(): return [range(i) for i in xrange(2)]", ["range", "xrange"]),
        ("print(str(1))", []),
    ],
)
def test_which_names_a_file_needs(text: str, names: list[str]) -> None:
    assert porting.needed_names(text) == names

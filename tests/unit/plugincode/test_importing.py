"""Files of the user's folder as they are imported: converted or left alone, told once, kept, and never an old conversion."""

# ruff: noqa: E501

from __future__ import annotations

import importlib
import os
import sys
import sysconfig
import traceback
from pathlib import Path

import pytest

from starcluster import exception, pluginloader
from starcluster.plugincode import cache, importing

PLUGIN = """\
import old_sibling, oldpkg
from starcluster.clustersetup import ClusterSetup

class Old(ClusterSetup):
\tdef __init__(self, size="7"):
\t\tself.half = old_sibling.half(int(size))
\t\tself.inner = oldpkg.inner

        def fail(self):
\t\tprint "failing"
\t\traise KeyError, "k"
"""


@pytest.fixture
def plugin(folder: Path) -> Path:
    (folder / "old_plugin.py").write_text(PLUGIN)
    (folder / "old_sibling.py").write_text("def half(n):\n    return filter(None, [n / 2])\n")
    (folder / "oldpkg").mkdir()
    (folder / "oldpkg" / "__init__.py").write_text("import inner\ninner = inner.VALUE\n")
    (folder / "oldpkg" / "inner.py").write_text("import Queue, json\nVALUE = Queue.NAME, `1`\n")
    (folder / "oldpkg" / "Queue.py").write_text("NAME = 'own'\n")
    return folder


def test_a_plugin_and_all_it_imports_of_its_folder(plugin: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        made = pluginloader.load("old", "old_plugin.Old", {"size": "9"})
    assert made.half == [4]  # type: ignore[attr-defined]
    assert made.inner == ("own", "1")  # type: ignore[attr-defined]
    told = capsys.readouterr().out
    path = plugin / "old_plugin.py"
    assert told.count(f">>> {path} is Python 2 and was converted; `starcluster plugin port` keeps the result\n") == 1
    assert importing.converted_files() == sorted(str(path) for path in plugin.rglob("*.py"))


def test_a_traceback_shows_the_users_own_line(plugin: Path) -> None:
    made = pluginloader.load("old", "old_plugin.Old", {})
    with pytest.raises(KeyError) as caught:
        made.fail()  # type: ignore[attr-defined]
    frame = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert (frame.filename, frame.lineno, frame.line) == (str(plugin / "old_plugin.py"), 11, 'raise KeyError, "k"')


def test_the_folder_keeps_its_files_and_gets_none(plugin: Path) -> None:
    before = {path: path.read_bytes() for path in plugin.rglob("*.py")}
    pluginloader.load("old", "old_plugin.Old", {})
    assert {path: path.read_bytes() for path in plugin.rglob("*.py")} == before
    assert not [path for path in plugin.rglob("*.pyc") if "old_plugin" in path.name]


def test_a_python_3_file_is_as_it_is(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "new_plugin.py").write_text(
        "# python3\nfrom starcluster.clustersetup import ClusterSetup\n"
        "class New(ClusterSetup):\n    half = 7 / 2, map\n"
    )
    made = pluginloader.load("new", "new_plugin.New", {})
    assert made.half == (3.5, map)  # type: ignore[attr-defined]
    assert "converted" not in capsys.readouterr().out


def test_what_a_python_3_file_imports_is_not_for_python_2_by_that(folder: Path) -> None:
    (folder / "first.py").write_text("import second\nprint 1\n")
    (folder / "second.py").write_text("# python3\nimport third\n")
    (folder / "third.py").write_text("VALUE = 7 / 2\n")
    importlib.import_module("first")
    assert sys.modules["third"].VALUE == 3.5


def test_installed_packages_are_never_converted(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = tmp_path / "site"
    elsewhere.mkdir()
    (elsewhere / "installed_old.py").write_text("import ConfigParser\n")
    monkeypatch.syspath_prepend(str(elsewhere))
    with pytest.raises(exception.PluginLoadError, match="No module named 'ConfigParser'"):
        pluginloader.load("old", "installed_old.X", {})


def test_folders_of_pythonpath_are_the_users_own(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = tmp_path / "mine"
    elsewhere.mkdir()
    (elsewhere / "pythonpath_old.py").write_text("print 'x'\n")
    monkeypatch.syspath_prepend(str(elsewhere))
    monkeypatch.setenv("PYTHONPATH", f"{elsewhere}{os.pathsep}{Path(importing.__file__).parents[2]}")
    assert importing.own_folders() == [str(folder), str(elsewhere)]
    assert importlib.import_module("pythonpath_old")


@pytest.mark.parametrize("written", ["mine", "mine/", "{}/mine/", "./mine/../mine"])
def test_pythonpath_may_be_written_in_any_way(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "pythonpath_old.py").write_text("print 'x'\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path / "mine"))  # as Python itself writes it there
    monkeypatch.setenv("PYTHONPATH", written.format(tmp_path))
    assert importlib.import_module("pythonpath_old")


def test_an_empty_word_of_pythonpath_is_where_we_are(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pythonpath_old.py").write_text("print 'x'\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", f"{os.pathsep}/nonexistent")
    assert importlib.import_module("pythonpath_old")


def test_an_installation_in_the_users_folder_is_none_of_his(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "venv" / "site-packages" / "installed_there"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "part.py").write_text("import urllib2\n")
    monkeypatch.syspath_prepend(str(package.parent))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(importing, "_installations", lambda: frozenset({package.parent.resolve()}))
    with pytest.raises(ModuleNotFoundError, match="urllib2"):
        importlib.import_module("installed_there.part")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            b"x = 1\nprint 'a' 'b' c\n",
            r"plugin 'bad': .*bad_file\.py line 2 is not valid Python 2: 'c' is not expected",
        ),
        (
            b"def f():\n    print 1\nx\n    print 2\n",
            r"plugin 'bad': .*bad_file\.py line 4 is not valid Python 2: it is indented, .*: print 2$",
        ),
        (b"# python3\nprint 'x'\n", r"plugin 'bad' is not valid Python: .*bad_file\.py line 2"),
        (b"x = 1\ny = '\xff'\n", r"bad_file\.py line 2 holds a byte that is not utf-8"),
        (b"import nowhere_to_be_found\nprint 1\n", r"No module named 'nowhere_to_be_found' \(.*bad_file\.py line 1\)"),
        (b"print 1\n\n1 / 0\n", r"ZeroDivisionError: .* \(.*bad_file\.py line 3\)"),
        (b"", "bad_file has no class X"),
        (b"class X: pass\nprint 1\n", "is not a kind of"),
        (
            b"from starcluster.clustersetup import ClusterSetup as S\nclass X(S):\n  def __init__(self, aa, bb, c=1): pass\n",
            "'bad' needs aa, bb",
        ),
        (
            b"from starcluster.clustersetup import ClusterSetup as S\nclass X(S):\n  def __init__(self):\n    {}['k']\n",
            r"refuses its settings: KeyError: 'k' \(.*bad_file\.py line 4\)",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_place(folder: Path, text: bytes, told: str) -> None:
    (folder / "bad_file.py").write_bytes(text)
    with pytest.raises(exception.PluginError, match=told):
        pluginloader.load("bad", "bad_file.X", {})


# --- what is kept


def kept() -> list[Path]:
    return sorted(cache.folder().glob("*.json"))


def load_text(folder: Path, text: str) -> object:
    sys.modules.pop("kept_plugin", None)
    (folder / "kept_plugin.py").write_text(text)
    importing.prepare()
    return importlib.import_module("kept_plugin").x


def test_a_conversion_is_kept_and_used_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_text(folder, "print 1\nx = 7 / 2\n") == 3
    assert len(kept()) == 1
    assert kept()[0].stat().st_mode & 0o077 == 0

    def never(*_: object) -> None:
        raise AssertionError("converted again")

    monkeypatch.setattr(importing, "convert", never)
    assert load_text(folder, "print 1\nx = 7 / 2\n") == 3


def test_a_conversion_is_told_once_for_each_version(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for text, told in (("print 1\nx = 1\n", 1), ("print 1\nx = 1\n", 0), ("print 1\nx = 2\n", 1)):
        load_text(folder, text)
        assert capsys.readouterr().out.count("was converted") == told


def test_an_empty_file_is_no_line_worth(plugin: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (plugin / "old_sibling.py").rename(plugin / "oldpkg" / "sibling.py")
    (plugin / "oldpkg" / "__init__.py").write_text("\n")
    (plugin / "kept_plugin.py").write_text("from oldpkg import sibling\nprint 1\n")
    importing.prepare()
    importlib.import_module("kept_plugin")
    told = capsys.readouterr().out
    assert (told.count("was converted"), "__init__" in told) == (2, False)


def test_one_more_plugin_in_the_folder_is_no_other_version(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    load_text(folder, "import urllib2\nprint 1\nx = urllib2.__name__\n")
    (folder / "another_plugin.py").write_text("")
    importlib.invalidate_caches()
    assert load_text(folder, "import urllib2\nprint 1\nx = urllib2.__name__\n") == "starcluster.python2.urllib2"
    assert capsys.readouterr().out.count("was converted") == 1
    (folder / "urllib2.py").write_text("")
    assert load_text(folder, "import urllib2\nprint 1\nx = urllib2.__name__\n") == "urllib2"
    sys.modules.pop("urllib2")


def test_another_text_is_another_conversion(folder: Path) -> None:
    assert load_text(folder, "print 1\nx = 1\n") == 1
    assert load_text(folder, "print 1\nx = 2\n") == 2
    assert len(kept()) == 2


@pytest.mark.parametrize(
    "damage", ["torn", "changed", "empty", "writable", "link", "folder", "foreign", "foreign folder"]
)
def test_a_kept_file_that_may_be_anything_is_not_run(folder: Path, damage: str, tmp_path: Path) -> None:
    text = "print 1\nx = 'right'\n"
    assert load_text(folder, text) == "right"
    path = kept()[0]
    data = path.read_bytes()
    evil = data.replace(b"right", b"wrong")
    if damage in ("torn", "changed", "empty"):
        path.write_bytes({"torn": data[:-9], "changed": evil, "empty": b""}[damage])
    else:
        rest = evil.partition(b"\n")[2]
        import hashlib

        whole = hashlib.sha256(rest).hexdigest().encode() + b"\n" + rest
        path.write_bytes(whole)
        if damage == "writable":
            path.chmod(0o622)
        elif damage == "link":
            (tmp_path / "evil.json").write_bytes(whole)
            path.unlink()
            path.symlink_to(tmp_path / "evil.json")
        elif damage == "folder":
            cache.folder().chmod(0o777)
        elif damage == "foreign":
            os.chown(path, 12345, 12345)
        else:
            os.chown(cache.folder(), 12345, 12345)
    assert load_text(folder, text) == "right"


def test_where_nothing_can_be_kept_it_works_all_the_same(folder: Path) -> None:
    (folder.parent / "cache").write_text("a file where a folder is wanted")
    assert load_text(folder, "print 1\nx = 1\n") == 1


def test_a_package_that_imports_its_own_modules_as_python_2_did(folder: Path) -> None:
    """Nobody imports it: its modules are asked for from outside."""
    package = folder / "plainpkg"
    package.mkdir()
    (package / "__init__.py").write_text("import settings_of_it\nHALF = settings_of_it.SIZE / 2\n")
    (package / "settings_of_it.py").write_text("SIZE = 7\n")
    (package / "part.py").write_text("from plainpkg import HALF\n")
    assert importing.language_of(str(package / "__init__.py")).reason == (
        "only Python 2 has import settings_of_it for a module of its own package"
    )
    assert importlib.import_module("plainpkg.part").HALF == 3


def test_a_bare_import_of_what_lies_elsewhere_says_nothing(folder: Path) -> None:
    package = folder / "newpkg"
    package.mkdir()
    for name in ("json", "beside"):
        (package / f"{name}.py").write_text("")
    (folder / "beside.py").write_text("")
    (package / "__init__.py").write_text("import json, beside\nfrom . import beside\nHALF = 7 / 2\n")
    assert importlib.import_module("newpkg").HALF == 3.5


def test_python_is_asked_for_its_folders_before_imports_go_through_here(monkeypatch: pytest.MonkeyPatch) -> None:
    paths = sysconfig.get_paths()

    def get_paths() -> dict[str, str]:
        """Python 3.13 imports a module in it, and can not be asked again meanwhile."""
        assert not any(isinstance(finder, importing.Finder) for finder in sys.meta_path)
        return paths

    monkeypatch.setattr(sys, "meta_path", [one for one in sys.meta_path if not isinstance(one, importing.Finder)])
    monkeypatch.setattr(sysconfig, "get_paths", get_paths)
    importing._installations.cache_clear()
    importing.prepare()
    assert importing.own_folders()

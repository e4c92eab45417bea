"""`starcluster plugin`: list, show, new, port, test, by their words."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from starcluster import pluginloader
from starcluster.plugincode import importing
from tests.fakes.ec2 import FakeEc2
from tests.unit.commands.conftest import Run

OLD = """\
\"\"\"Old and good.\"\"\"
from starcluster.clustersetup import ClusterSetup
class Old(ClusterSetup):
    def __init__(self, packages, retries=3, note=None):
        self.packages = packages
    def run(self, nodes, master, user, shell, volumes):
        for node in nodes:
            print "on", node.alias
            node.ssh.execute("install %s %d" % (self.packages, 7 / 2))
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("STARCLUSTER_HOME", str(tmp_path))
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.setenv("STARCLUSTER_CONFIG", str(tmp_path / "config"))
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / "old.py").write_text(OLD)
    path, modules, more = list(sys.path), {*sys.modules}, list(importing._more)
    yield folder
    sys.path[:], importing._more[:] = path, more
    for name in {*sys.modules} - modules:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


def test_list(run: Run, folder: Path, ec2: FakeEc2) -> None:
    (folder / "broken.py").write_text("# python3\nprint 'x'\n")
    (folder / "no_plugin.py").write_text("X = 1\n")
    (folder / "many").mkdir()
    (folder / "many" / "__init__.py").write_text("")
    (folder / "many" / "part.py").write_text(
        "from starcluster.nodeplugin import NodePlugin as Base\nclass _B(Base): pass\nclass P(_B): pass\n"
    )
    result = run("plugin", "list", "--json")
    told = {one["setup_class"]: one for one in json.loads(result.out)}
    assert result.code == 0
    assert {name: (told[name]["source"], told[name]["language"]) for name in ("old.Old", "many.part.P")} == {
        "old.Old": ("own", "Python 2"),
        "many.part.P": ("own", "Python 3"),
    }
    assert told["old.Old"]["summary"] == "Old and good."
    assert told["broken"]["problem"].startswith(f"{folder / 'broken.py'} line 2: ")
    assert told["starcluster.plugins.s3sync.S3Sync"]["source"] == "bundled"
    assert {one["language"] for one in told.values() if one["source"] == "bundled"} == {"Python 3"}
    assert not any("no_plugin" in name for name in told)
    assert "old" not in sys.modules, "a list runs nothing of anybody's"
    assert ec2.calls == []
    plain = run("plugin", "list").out
    assert "plugin: old.Old\nfrom: own\n" in plain
    assert plain.endswith(f"Total: {len(told)}\n")
    assert "N/A" not in plain
    assert told["starcluster.plugins.sge.SGEPlugin"]["summary"].startswith("Not there: use ")


def test_list_tells_of_the_config(run: Run, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "config").write_text("[global]\nCLOUD = local\n[plugin mine]\nSETUP_CLASS = old.Old\nPACKAGES = x\n")
    told = json.loads(run("plugin", "list", "--json").out)
    assert [(one["section"], one["language"]) for one in told if one["source"] == "config"] == [("mine", "Python 2")]
    assert run("plugin", "show", "mine").out.count("mine: old.Old\n") == 1
    (folder / "broken.py").write_text("# python3\nprint 'x'\n")
    (tmp_path / "config").write_text("[global]\nCLOUD = local\n[plugin mine]\nSETUP_CLASS = broken.Plugin\n")
    [of_config] = [one for one in json.loads(run("plugin", "list", "--json").out) if one["source"] == "config"]
    assert (of_config["setup_class"], of_config["file"]) == ("broken.Plugin", str(folder / "broken.py"))
    assert of_config["problem"].startswith(f"{folder / 'broken.py'} line 2: ")


def test_show_of_a_plugin_with_the_default_constructor_has_its_settings(run: Run, folder: Path) -> None:
    text = "from starcluster.clustersetup import DefaultClusterSetup\nclass Plain(DefaultClusterSetup):\n  pass\n"
    (folder / "plain.py").write_text(text)
    told = json.loads(run("plugin", "show", "plain", "--json").out)
    assert [one["name"] for one in told["settings"]] == ["DISABLE_THREADS", "NUM_THREADS"]


def test_show_tells_what_the_config_sets_and_no_secret(run: Run, folder: Path, tmp_path: Path) -> None:
    (folder / "set.py").write_text(OLD.replace("retries=3, note=None", "retries=3, note=None, password='', more=1"))
    section = "[plugin mine]\nSETUP_CLASS = set.Old\nPACKAGES = x\nRetries = 4\nPASSWORD = sesame\n"
    (tmp_path / "config").touch(mode=0o600)
    (tmp_path / "config").write_text(f"[global]\nCLOUD = local\n{section}")
    told = run("plugin", "show", "mine").out
    settings = "  PACKAGES = x  (required)\n  RETRIES = 4  (default: 3)\n  NOTE =\n"
    settings += "  PASSWORD = (hidden)  (default: N/A)\n"
    assert f"settings:\n{settings}  MORE = 1\n" in told
    assert "RETRIES = 3\n" in run("plugin", "show", "set.Old").out


@pytest.mark.parametrize("name", ["old", "Old", "old.Old"])
def test_show(run: Run, folder: Path, name: str) -> None:
    result = run("plugin", "show", name)
    told = result.out.replace(f">>> {folder / 'old.py'} is Python 2 and was converted; "
                              "`starcluster plugin port` keeps the result\n", "")  # fmt: skip
    assert (result.code, told) == (
        0,
        f"old.Old: old.Old\nfile: {folder / 'old.py'}\nlanguage: Python 2 (Python 3 can not compile it)\nhooks: run\n"
        "settings:\n  PACKAGES (required)\n  RETRIES = 3\n  NOTE =\n\nOld and good.\n",
    )
    shown = json.loads(run("plugin", "show", name, "--json").out)
    assert shown["settings"][1] == {"name": "RETRIES", "required": False, "default": "3", "value": None}


def test_show_of_what_is_not_there_or_is_broken(run: Run, folder: Path) -> None:
    result = run("plugin", "show", "nothing")
    assert (result.code, "there is no plugin 'nothing'" in result.err) == (1, True)
    (folder / "broken.py").write_text("x = (\n")
    result = run("plugin", "show", "broken")
    assert (result.code, f"{folder / 'broken.py'} line 1" in result.err) == (1, True)


def test_entry_points(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = SimpleNamespace(
        name="tools", module="old", attr="Old", value="old:Old", dist=SimpleNamespace(name="tools-pkg")
    )
    found = {"starcluster.plugins": [entry]}
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: found.get(group, []))
    told = {one["setup_class"]: one for one in json.loads(run("plugin", "list", "--json").out)}
    assert (told["tools"]["source"], told["tools"]["summary"]) == ("entry point", "old:Old of tools-pkg")
    assert pluginloader.load("x", "tools", {"packages": "a"}).packages == "a"  # type: ignore[attr-defined]


def test_new_is_a_plugin_whose_tests_pass(run: Run, folder: Path) -> None:
    result = run("plugin", "new", "my_tools")
    assert (result.code, result.out.split("\n")[:2]) == (
        0, [str(folder / "my_tools.py"), str(folder / "my_tools.json")])  # fmt: skip
    assert run("plugin", "test", "my_tools").code == 0
    again = run("plugin", "new", "my_tools")
    assert (again.code, "is there already" in again.err) == (1, True)
    assert run("plugin", "new", "My-Tools").code == 1


def test_new_in_another_folder_and_its_test_by_file(run: Run, folder: Path, tmp_path: Path) -> None:
    assert run("plugin", "new", "elsewhere_tools", "--folder", str(tmp_path / "deep" / "down")).code == 0
    file = tmp_path / "deep" / "down" / "elsewhere_tools.py"
    assert run("plugin", "test", str(file)).code == 0
    case = json.loads(file.with_suffix(".json").read_text())[0]
    case["commands"]["node001"].append("one more")
    (tmp_path / "wrong.json").write_text(json.dumps(case))
    result = run("plugin", "test", str(file), str(file.with_suffix(".json")), str(tmp_path / "wrong.json"))
    assert (result.code, "DIFFERS: wrong.json, case 1" in result.out) == (1, True)
    assert '-      "one more"' in result.out
    assert ">>> 2 of 3 cases came out as wanted\n" in result.out


def test_a_plugin_without_a_test_is_told_where_one_is_shown(run: Run, folder: Path) -> None:
    result = run("plugin", "test", "old")
    assert (result.code, f"there is no test of old yet: {folder / 'old.json'} is not there" in result.err) == (1, True)
    assert "docs/plugins.md shows one" in result.err


def test_an_old_plugin_is_tested_as_well(run: Run, folder: Path) -> None:
    commands = {"master": ["install x 3"], "n1": ["install x 3"]}
    case = {"settings": {"packages": "x"}, "nodes": {"n1": {}}, "commands": commands}
    (folder / "old.json").write_text(json.dumps(case))
    assert run("plugin", "test", "old").code == 0


def test_port(run: Run, folder: Path, tmp_path: Path) -> None:
    file = folder / "old.py"
    printed = run("plugin", "port", "-o", "-", str(file))
    assert file.read_text() == OLD
    assert printed.out.startswith("# ported to Python 3 by starcluster plugin port")
    assert run("plugin", "port", "-o", str(tmp_path / "out.py"), str(file)).code == 0
    assert (tmp_path / "out.py").read_text() == printed.out
    assert run("plugin", "port", "-o", str(tmp_path / "out.py"), str(file)).code == 1
    result = run("plugin", "port", str(file))
    assert result.out == f">>> {file} is Python 3 now; the old file is kept as {file}2\n"
    assert (file.read_text(), (folder / "old.py2").read_text()) == (printed.out, OLD)
    assert "nothing is to be done" in run("plugin", "port", str(file)).out
    (folder / "old.json").write_text(
        json.dumps({"settings": {"packages": "x"}, "commands": {"master": ["install x 3"]}})
    )
    assert run("plugin", "test", "old").code == 0


def test_port_names_the_siblings_that_say_nothing(run: Run, folder: Path) -> None:
    (folder / "main.py").write_text("import silent\nprint 1\n")
    (folder / "silent.py").write_text("def half(n): return n / 2\n")
    told = f"*** WARNING - {folder / 'silent.py'}, which it imports, was Python 2 only through it"
    assert told in run("plugin", "port", str(folder / "main.py")).out
    left = run("plugin", "port", str(folder / "silent.py"))
    assert (left.code, "write `# python2` into its first line" in left.out) == (0, True)
    assert (folder / "silent.py").read_text() == "def half(n): return n / 2\n"


def test_port_of_a_file_that_is_not_there(run: Run, folder: Path) -> None:
    result = run("plugin", "port", str(folder / "none.py"))
    assert (result.code, "can not be read" in result.err) == (1, True)


def test_runplugin_with_its_words_swapped(run: Run, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "config").write_text("[global]\nCLOUD = local\n[plugin mine]\nSETUP_CLASS = old.Old\n")
    result = run("runplugin", "bio", "mine")
    assert result.code == 2
    assert result.err.endswith("!!! ERROR - did you mean: starcluster runplugin mine bio?\n")
    assert "plugins in this config: mine" in run("runplugin", "bio", "other").err


NOISY = """\
import sys
print("loud when imported")
from starcluster.clustersetup import ClusterSetup
class Noisy(ClusterSetup):
    def __init__(self, tone="low"):
        sys.stdout.write("loud when made")
"""


@pytest.mark.parametrize("words", [("plugin", "show", "noisy"), ("config", "check")])
def test_what_a_plugin_prints_stays_out_of_json(run: Run, folder: Path, tmp_path: Path, words: tuple[str, ...]) -> None:
    (folder / "noisy.py").write_text(NOISY)
    cluster = "KEYNAME=k\nCLUSTER_SIZE=1\nNODE_IMAGE_ID=ubuntu-24.04\nNODE_INSTANCE_TYPE=t3.micro\nPLUGINS=noisy\n"
    plugin = "[plugin noisy]\nSETUP_CLASS = noisy.Noisy\n"
    (tmp_path / "config").write_text(f"{plugin}[key k]\nKEY_LOCATION=/k\n[cluster c]\n{cluster}")
    result = run(*words, "--json")
    json.loads(result.out)
    assert "loud when imported" in result.err

"""mpich2, tmux, xvfb, ipcluster: which node is asked what; and the plugins that are not there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from starcluster import exception, pluginloader
from starcluster.plugins.ipcluster import IPCluster, IPClusterRestartEngines, IPClusterStop, engines_of
from starcluster.plugins.mpich2 import MPICH2Setup
from starcluster.plugins.tmux import TmuxControlCenter
from starcluster.plugins.xvfb import XvfbSetup
from tests.plugins.machines import Machine, call

PYTHON = "/opt/starcluster/python/bin/python"


def test_mpich_is_installed_where_it_is_missing_and_all_nodes_are_listed() -> None:
    master = Machine("master")
    node = Machine("node001", answer=lambda what, text: ["/usr/bin/mpiexec.hydra"] if "look" in what else [])
    call(MPICH2Setup(), "run", master, node)
    assert master.done == [("install", "mpich", "libmpich-dev")]
    assert node.done == []
    what, text = master.scripts[-1]
    assert what == "write /home/mpich2.hosts"
    assert "printf '%s\\n' master:2 node001:2 " in text


@pytest.mark.parametrize(("hook", "listed"), [("on_add_node", True), ("on_remove_node", False)])
def test_the_list_of_hosts_follows_the_nodes(hook: str, listed: bool) -> None:
    master, other, node = Machine("master"), Machine("node001"), Machine("node002")
    call(MPICH2Setup(), hook, master, other, node)
    (_, text) = master.scripts[-1]
    assert ("node002:2" in text) is listed
    assert "gone=node002" in text
    assert other.scripts == []


def test_a_tmux_session_of_the_user_and_of_root() -> None:
    nodes = [Machine("node001"), Machine("master", has=["tmux"])]
    call(TmuxControlCenter("work"), "run", nodes[1], nodes[0])
    assert nodes[1].whats == ["set up the tmux session of alice", "set up the tmux session of root"]
    assert "session=work" in nodes[1].scripts[0][1]
    assert "set -- master node001" in nodes[1].scripts[0][1]
    assert nodes[0].scripts == []


def test_a_session_name_that_tmux_would_not_take() -> None:
    with pytest.raises(exception.ConfigSettingError, match="ENVNAME"):
        TmuxControlCenter("a:b")


def test_xvfb_on_every_node() -> None:
    nodes = [Machine("master", has=["Xvfb"]), Machine("node001")]
    call(XvfbSetup(), "run", *nodes)
    assert [node.done for node in nodes] == [[], [("install", "xvfb")]]
    assert all("-nolisten tcp" in node.scripts[-1][1] for node in nodes)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STARCLUSTER_HOME", str(tmp_path))
    return tmp_path


def engine_room(alias: str, engines: int = 0) -> Machine:
    """A node whose python3 has ipyparallel; `engines`: its controller knows so many."""

    def answer(what: str, text: str) -> list[str]:
        if what == "look for the engines":
            return [str(max(engines, int(text.split()[-2])))]
        if what.startswith("start the engines"):
            return ["began", "began"]
        return ['{"key": "k", "location": "10.0.0.1"}'] if "controller" in what else ["/usr/bin/python3"]

    return Machine(alias, answer=answer)


def test_engines_on_all_nodes_and_a_file_that_leads_to_them(home: Path) -> None:
    master, node = engine_room("master"), engine_room("node001")
    call(IPCluster(packer="pickle"), "run", master, node)
    assert "--Session.packer=pickle" in master.scripts[1][1]
    assert "count=1 " in dict(master.scripts)["start the engines of master"]
    assert "count=2 " in dict(node.scripts)["start the engines of node001"]
    assert " 3 120" in dict(master.scripts)["look for the engines"]
    path = home / "ipcluster" / "mycluster-us-east-1.json"
    assert json.loads(path.read_text()) == {"key": "k", "location": "10.0.0.1", "ssh": "alice@master.example.org"}
    assert path.stat().st_mode & 0o777 == 0o600
    assert master.secret == ["start the IPython controller"]
    call(IPCluster(), "on_shutdown", master, node)
    assert not path.exists()


def test_ipyparallel_is_installed_where_no_python_has_it(home: Path) -> None:
    node = Machine("master", answer=lambda what, text: ["{}"] if "controller" in what else [])
    call(IPCluster(), "run", node)
    assert node.done == [("python", "ipyparallel")]
    assert f"python={PYTHON} " in dict(node.scripts)["start the engines of master"]


def test_a_notebook_only_if_it_is_wanted_and_its_password_never_in_the_open(home: Path) -> None:
    quiet, wanted = engine_room("master"), engine_room("master")
    call(IPCluster(), "run", quiet)
    assert not [what for what in quiet.whats if "notebook" in what]
    for _ in range(2):
        call(IPCluster(enable_notebook="True"), "run", wanted)
    passwords = {
        text.split("password=")[1].split("\n")[0] for what, text in wanted.scripts if what == "start the notebook"
    }
    kept = home / "ipcluster" / "mycluster-us-east-1.notebook-password"
    assert passwords == {kept.read_text().strip()}
    assert kept.stat().st_mode & 0o777 == 0o600
    assert "start the notebook" in wanted.secret


def test_a_node_that_comes_is_waited_for(home: Path) -> None:
    master, node = engine_room("master", engines=5), engine_room("node001")
    call(IPCluster(), "on_add_node", master, node)
    asked = [text.split()[-2] for what, text in master.scripts if what == "look for the engines"]
    assert asked == ["0", "7"]


def test_a_node_that_goes_is_asked_only_while_it_lives(home: Path) -> None:
    master, node = engine_room("master"), engine_room("node001")
    call(IPCluster(), "on_remove_node", master, node)
    assert node.whats == ["stop the engines of node001"]
    node.up = False
    call(IPCluster(), "on_remove_node", master, node)
    assert len(node.scripts) == 1


def test_restart_and_stop(home: Path) -> None:
    master, node = engine_room("master"), engine_room("node001")
    call(IPClusterRestartEngines(), "run", master, node)
    assert "anew=yes" in dict(node.scripts)["start the engines of node001"]
    call(IPClusterStop(), "run", master, node)
    assert master.whats[-1] == "stop the IPython cluster on master"


@pytest.mark.parametrize(("alias", "cpus", "engines"), [("master", 1, 1), ("master", 4, 3), ("node001", 4, 4)])
def test_how_many_engines(alias: str, cpus: int, engines: int) -> None:
    node = Machine(alias)
    node.num_processors = cpus
    assert engines_of(node) == engines  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("setup_class", "settings"),
    [
        ("sge.SGEPlugin", {"master_is_exec_host": "False", "slots_per_host": "2"}),
        ("condor.CondorPlugin", {}),
        ("hadoop.Hadoop", {"hadoop_tmpdir": "/mnt"}),
        ("mysql.MysqlCluster", {"num_replicas": "2", "dump_file": "x"}),
    ],
)
def test_what_is_not_there_says_so_when_it_is_loaded(
    setup_class: str, settings: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(exception.PluginError, match="is not there") as caught:
        pluginloader.load("queue", f"starcluster.plugins.{setup_class}", settings)
    assert "PLUGINS" in caught.value.hint
    assert caplog.text == ""

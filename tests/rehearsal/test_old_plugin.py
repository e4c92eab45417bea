"""A Python 2 plugin with a sibling module, and a plugin of today, on real nodes of a local cloud."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rehearsal.stage import Stage

pytestmark = pytest.mark.long
OLD = """\
# An old plugin: tabs, print, and the division of its day
import posixpath, Queue
import old_helper
from starcluster.clustersetup import ClusterSetup
from starcluster.logger import log

class Old(ClusterSetup):
\tdef __init__(self, folder="/opt/old", size="7"):
\t\tself.folder, self.size = folder, int(size)

\tdef run(self, nodes, master, user, user_shell, volumes):
\t\tlog.info("old plugin on %d nodes" % len(nodes))
\t\tmodes = {2: "second", 1: "first"}
\t\tfor node in nodes:
\t\t\tself._set_up(node, modes)
        def on_add_node(self, new_node, nodes, master, user, shell, volumes):
\t\tself._set_up(new_node, {})

\tdef _set_up(self, node, modes):
\t\tnode.ssh.execute("mkdir -p " + self.folder)
\t\tf = node.ssh.remote_file(posixpath.join(self.folder, "facts"), "w")
\t\tf.write("half %d\\n" % (self.size / 2))
\t\tf.write("%s\\n" % " ".join(old_helper.words(["a", "", "b"])))
\t\tf.write("%s\\n" % modes.values())
\t\tf.chmod(0640)
\t\ttry:
\t\t\traise old_helper.Trouble, "text"
\t\texcept old_helper.Trouble, e:
\t\t\tprint "caught", e, "on", node.alias
"""
HELPER = """\
class Trouble(StandardError): pass

def words(given):
    return filter(None, given)[:] + map(str.upper, ["c"])
"""
CONFIG = """
[plugin old]
SETUP_CLASS = old_plugin.Old
SIZE = 9

[plugin mine]
SETUP_CLASS = my_tools.MyTools
TOOLS = bash, env
"""


def write_old(folder: Path) -> None:
    """As its author left it, also where a test has ported it."""
    for name, text in (("old_plugin", OLD), ("old_helper", HELPER)):
        (folder / f"{name}.py").write_text(text)
        (folder / f"{name}.py2").unlink(missing_ok=True)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    made = Stage(tmp_path_factory.mktemp("stage"))
    folder = made.config.parent / "plugins"
    folder.mkdir()
    write_old(folder)
    made.starcluster("plugin", "new", "my_tools")
    made.config.write_text(made.config.read_text() + CONFIG)
    try:
        made.starcluster("start", "-s", "2", "c")
        yield made
    finally:
        made.close()


def test_a_python_2_plugin_and_its_sibling_work_on_real_nodes(stage: Stage) -> None:
    path = stage.config.parent / "plugins" / "old_plugin.py"
    write_old(path.parent)
    done = stage.starcluster("runplugin", "old", "c")
    assert done.stdout.count(f"{path} is Python 2 and was converted") == 1
    assert ">>> old plugin on 2 nodes\n" in done.stdout
    assert "caught text on node001\n" in done.stdout
    for node in ("master", "node001"):
        shown = stage.starcluster("sshnode", "c", node, "cat /opt/old/facts; stat -c %a /opt/old/facts").stdout
        assert shown == "half 4\na b C\n['first', 'second']\n640\n"


def test_the_same_after_it_was_ported(stage: Stage) -> None:
    folder = stage.config.parent / "plugins"
    write_old(folder)
    for name in ("old_plugin", "old_helper"):
        stage.starcluster("plugin", "port", str(folder / f"{name}.py"))
        assert (folder / f"{name}.py2").read_text() in (OLD, HELPER)
    stage.starcluster("sshnode", "c", "node001", "rm -rf /opt/old")
    done = stage.starcluster("runplugin", "old", "c")
    assert "Python 2" not in done.stdout
    shown = stage.starcluster("sshnode", "c", "node001", "cat /opt/old/facts").stdout
    assert shown == "half 4\na b C\n['first', 'second']\n"


def test_a_new_plugin_asks_each_node_and_does_what_follows(stage: Stage) -> None:
    done = stage.starcluster("runplugin", "mine", "c")
    assert ">>> Running plugin mine\n" in done.stdout
    text = stage.config.read_text().replace("TOOLS = bash, env", "TOOLS = no-such-tool")
    stage.config.write_text(text)
    failed = stage.starcluster("runplugin", "mine", "c", expect=1)
    assert "plugin 'mine' failed in run:" in failed.stderr
    assert all(f"!!! ERROR - {node}: " in failed.stderr for node in ("master", "node001"))

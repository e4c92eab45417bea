"""What StarCluster's users asked for and never got, as they type it. One cluster serves all tests, in any order.

Its image has no cloud-init for us: root is let in by the image's own user.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.rehearsal.stage import Done, Stage

pytestmark = pytest.mark.long
TAG = "mine"
# A sudo for an image without: a program that may become root, and the word before it.
SUDO = """#!/bin/sh
cp "$(command -v setpriv)" /usr/local/bin/as-root
chmod 4755 /usr/local/bin/as-root
printf '#!/bin/sh\\n[ "$1" = -n ] && shift\\n' > /usr/local/bin/sudo
echo 'exec /usr/local/bin/as-root --reuid=0 --regid=0 --clear-groups "$@"' >> /usr/local/bin/sudo
chmod 755 /usr/local/bin/sudo
"""
PLUGIN = """from starcluster.clustersetup import ClusterSetup


class Picky(ClusterSetup):
    def __init__(self, word):
        self.word = word

    def on_add_node(self, node, nodes, master, user, user_shell, volumes):
        node.ssh.execute("echo %s %s > /root/word" % (self.word, " ".join(sorted(one.alias for one in nodes))))
        if node.alias.startswith("bad"):
            node.ssh.execute("echo tried >> /home/tries; false")
"""


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    made = Stage(tmp_path_factory.mktemp("semantics"))
    try:
        script = made.home / "sudo.sh"
        script.write_text(SUDO)
        (made.config.parent / "plugins").mkdir()
        (made.config.parent / "plugins" / "picky.py").write_text(PLUGIN)
        settings = (
            f"DISABLE_CLOUDINIT = True\nUSERDATA_SCRIPTS = {script}\nAVAILABILITY_ZONE = us-east-1a, us-east-1b\n"
        )
        change(made, "CLUSTER_SHELL = bash\n", f"CLUSTER_SHELL = bash\n{settings}")
        started = made.starcluster("start", "-s", "2", TAG)
        assert "root may not log in; ubuntu lets it in" in started.stdout
        yield made
    finally:
        made.close()


def change(stage: Stage, old: str, new: str) -> None:
    text = stage.config.read_text()
    assert old in text
    stage.config.write_text(text.replace(old, new, 1))


def on(stage: Stage, node: str, command: str) -> str:
    return stage.starcluster("sshnode", TAG, node, "--", command).stdout


def nodes(stage: Stage) -> dict[str, str]:
    """Alias -> the rest of its line."""
    shown = stage.starcluster("listclusters", TAG).stdout
    return {words[1]: words[2] for words in re.finditer(r"^ +(\S+) +(running .*|stopped .*)$", shown, re.MULTILINE)}


def traces(stage: Stage, *aliases: str) -> str:
    """Lines about nodes on the master and on another worker."""
    grep = f"grep -Ei '{'|'.join(aliases)}' /etc/hosts /etc/exports /root/.ssh/known_hosts"
    return on(stage, "master", f'{grep}; ssh -o BatchMode=yes node001 "{grep}"; true')


def add(stage: Stage, *words: str, expect: int = 0) -> Done:
    return stage.starcluster("addnode", *words, TAG, expect=expect)


def remove(stage: Stage, *aliases: str) -> None:
    stage.starcluster("removenode", "-c", "-a", ",".join(aliases), TAG)
    assert traces(stage, *aliases) == ""


def test_a_shortage_has_an_end_in_one_way_or_the_other(stage: Stage) -> None:
    stage.starcluster("local", "capacity", "t3.micro", "0")
    try:
        gone = add(stage, "-a", "hasty", "-b", "0", expect=1)
        assert "no spot machine for hasty" in gone.stderr
        assert "nothing is left of them: hasty" in gone.stderr
        late = add(stage, "-a", "patient", "-b", "0", "--spot-max-wait", "1", "--fallback", "on-demand")
        assert "patient: no spot machine in 1 minutes" in late.stdout
        other = add(stage, "-a", "flexible", "-b", "0", "-I", "t3.micro,c5.large")
        assert "c5.large, spot" in other.stdout
        left = nodes(stage)
        assert "hasty" not in left
        assert "spot" not in left["patient"]
        assert "(spot sir-" in left["flexible"]
    finally:
        stage.starcluster("local", "capacity", "t3.micro", "none")
    assert on(stage, "flexible", "ssh -o BatchMode=yes patient hostname") == "patient\n"
    remove(stage, "patient", "flexible")


def test_a_bad_node_goes_and_the_good_ones_stay(stage: Stage) -> None:
    """The plugin comes to the running cluster by `reload`, and goes so."""
    section = "\n[plugin picky]\nSETUP_CLASS = picky.Picky\nWORD = hello\n"
    stage.config.write_text(stage.config.read_text() + section)
    change(stage, "CLUSTER_SHELL = bash\n", "CLUSTER_SHELL = bash\nPLUGINS = picky\n")
    assert "plugin picky: none -> picky.Picky" in stage.starcluster("reload", "--yes", TAG).stdout
    done = add(stage, "-a", "good,bad", expect=1)
    assert "nothing is left of them: bad" in done.stderr
    assert on(stage, "master", "cat /home/tries") == "tried\ntried\n"
    assert {"good", "bad"} & nodes(stage).keys() == {"good"}
    assert traces(stage, "bad") == ""
    assert on(stage, "good", "cat /root/word").split() == ["hello", "good", "master", "node001"]
    kept = add(stage, "-a", "bad2", "--keep-failed", expect=1)
    assert f"addnode -x -a bad2 {TAG}" in kept.stderr
    change(stage, "PLUGINS = picky\n", "")
    stage.starcluster("reload", "--yes", TAG)
    add(stage, "-x", "-a", "bad2")
    assert on(stage, "bad2", "ls /home/tries") == "/home/tries\n"
    remove(stage, "good", "bad2")


def test_a_worker_gets_its_volume_back(stage: Stage) -> None:
    stage.starcluster("createvolume", "--name", "data", "1", "us-east-1a")
    stage.starcluster("attachvolume", "data", TAG, "node001", "--mount", "/data")
    on(stage, "node001", "echo kept > /data/x; sync")
    known = (stage.config.parent / "known_hosts").read_text()
    stage.starcluster("stop", "-c", TAG)
    assert "status: available" in stage.starcluster("listvolumes", "-n", "data").stdout
    stage.starcluster("start", "-x", TAG)
    assert on(stage, "node001", "cat /data/x") == "kept\n"
    assert (stage.config.parent / "known_hosts").read_text() == known, "a node is who it was"
    stage.starcluster("detachvolume", "data")
    stage.starcluster("removevolume", "-c", "data")


def test_a_node_that_died_is_forgotten(stage: Stage) -> None:
    add(stage, "-a", "dead", "-b", "0")
    assert traces(stage, "dead")
    stage.starcluster("local", "interrupt", TAG, "dead", "--notice", "0")
    remove(stage, "dead")


def test_of_two_starts_one_says_that_the_other_is_at_work(stage: Stage) -> None:
    first = stage.start("starcluster", "start", "race")
    second = stage.start("starcluster", "start", "race")
    said = [process.communicate(timeout=120)[0] for process in (first, second)]
    codes = [process.returncode for process in (first, second)]
    loser = said[codes.index(1)]
    assert sorted(codes) == [0, 1], said
    assert "by somebody else" in loser or "exists already" in loser
    assert stage.starcluster("listclusters", "race").stdout.count(" running ") == 1
    stage.starcluster("terminate", "-c", "race")

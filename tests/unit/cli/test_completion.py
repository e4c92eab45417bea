"""TAB in real shells: bash always, zsh and fish where this machine has them; names in the cloud come from the cache."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from starcluster import cli
from starcluster.commands import COMPLETE_VARIABLE, completing

CONFIG = """[global]
CLOUD = local
[key mine]
KEY_LOCATION = /nowhere
[plugin tmux]
SETUP_CLASS = starcluster.plugins.tmux.TmuxControlCenter
[plugin users]
SETUP_CLASS = starcluster.plugins.users.CreateUsers
[cluster small]
KEYNAME = mine
CLUSTER_SIZE = 1
NODE_IMAGE_ID = ubuntu-24.04
NODE_INSTANCE_TYPE = t3.micro
"""
NAMES = {
    "clusters": {"mycluster": ["master", "node001", "node002"], "other": ["master"]},
    "instances": ["i-1"],
    "volumes": ["home", "vol-1"],
    "drives": ["data", "models"],
    "snapshots": ["before", "snap-1", "snap-2"],
    "drive_snapshots": {"data": ["snap-2"]},
    "images": ["mine", "ami-1"],
    "key_pairs": ["mine", "older"],
    "zones": ["us-east-1a", "us-east-1b"],
}
BASH = """eval "$(starcluster completion bash)"
COMP_WORDS=({words}); COMP_CWORD={place}; COMPREPLY=()
_starcluster_completion starcluster; printf '%s\\n' "${{COMPREPLY[@]}}"
"""
FISH = "starcluster completion fish | source; complete -C {line}"
# the function as it is, between stand-ins for what only an interactive zsh has
ZSH = """compdef() {{ : }}
compadd() {{ print -l -- $completions }}
_describe() {{ print -l -- ${{completions_with_descriptions%%:*}} }}
eval "$(starcluster completion zsh)"
words=({words}); CURRENT={place}+1
_starcluster_completion
"""


class Shell:
    def __init__(self, folder: Path) -> None:
        self.home, self.local = folder, folder / "local"
        self.env = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "STARCLUSTER"))}
        self.env |= {
            "HOME": str(folder),
            "STARCLUSTER_HOME": str(folder),
            "STARCLUSTER_LOCAL": str(self.local),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }
        (folder / "config").write_text(CONFIG)

    def remember(self, *, at: float | None = None) -> None:
        """A cache as the process that asks the cloud would leave it."""
        given = {"cloud": None, "config": None, "region": None}
        key = json.dumps([given, [str(self.local), "", ""]], sort_keys=True)
        told = {key: {"at": time.time() if at is None else at, "names": NAMES}}
        (self.home / "completion.json").write_text(json.dumps(told))

    def tab(self, *words: str, shell: str = "bash") -> list[str]:
        """What the shell offers for the last of the words; anything on stderr is a failure."""
        quoted = " ".join(f"'{word}'" for word in ("starcluster", *words))
        line = f"'{' '.join(('starcluster', *words))}'"
        text = {"bash": BASH, "zsh": ZSH, "fish": FISH}[shell].format(words=quoted, place=len(words), line=line)
        bare = {"bash": ["--norc"], "zsh": ["-f"], "fish": ["--no-config"]}[shell]
        done = subprocess.run(
            [shell, *bare, "-c", text], env=self.env, capture_output=True, text=True, cwd=self.home, timeout=60
        )
        assert done.stderr == ""
        return [line.split("\t")[0] for line in done.stdout.split("\n") if line]


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


Offer = Callable[..., list[str]]


@pytest.fixture
def offer(shell: Shell, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Offer:
    """The same without a shell, in this process: what bash would be told."""
    for name in [one for one in os.environ if one.startswith(("AWS_", "STARCLUSTER"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("STARCLUSTER_HOME", str(shell.home))
    monkeypatch.setenv("STARCLUSTER_LOCAL", str(shell.local))
    monkeypatch.chdir(shell.home)

    def ask(*words: str) -> list[str]:
        quoted = " ".join(f"'{word}'" for word in ("starcluster", *words))
        monkeypatch.setenv("COMP_WORDS", quoted)
        monkeypatch.setenv("COMP_CWORD", str(len(words)))
        monkeypatch.setenv(COMPLETE_VARIABLE, "bash_complete")
        cli.main([])
        out, err = capsys.readouterr()
        assert err == ""
        return [line.partition(",")[2] for line in out.splitlines() if line]

    return ask


@pytest.mark.parametrize("name", [one for one in ("bash", "zsh", "fish") if shutil.which(one)])
def test_verbs_options_and_names_in_every_shell_that_is_here(shell: Shell, name: str) -> None:
    shell.remember()
    assert shell.tab("listz", shell=name) == ["listzones"]
    assert sorted(shell.tab("sshnode", "mycluster", "node", shell=name)) == ["node001", "node002"]
    assert shell.tab("listvolumes", "--sh", shell=name) == ["--show-deleted"]
    assert shell.tab("drive", "attach", "d", shell=name) == ["data"]
    assert sorted(shell.tab("removesnapshot", "snap", shell=name)) == ["snap-1", "snap-2"]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("terminate", ""), ["mycluster", "other"]),
        (("lc", "my"), ["mycluster"]),
        (("sn", "other", ""), ["master"]),
        (("removenode", "mycluster", "-a", "node001,n"), ["node001,node001", "node001,node002"]),
        (("put", "-n", "m"), []),
        (("put", "mycluster", "--node", "m"), ["master"]),
        (("removevolume", "h"), ["home"]),
        (("attachvolume", "home", "mycluster", "node"), ["node001", "node002"]),
        (("runplugin", ""), ["tmux", "users"]),
        (("start", "-c", ""), ["small"]),
        (("start", "-k", ""), ["mine"]),
        (("sshinstance", "i"), ["i-1"]),
        (("local", "in"), ["interrupt"]),
        (("local", "interrupt", "other", ""), ["master"]),
        (("help", "listz"), ["listzones"]),
        (("plugin", "show", "tm"), ["tmux"]),
        (("plugin", "show", "s3s"), ["s3sync"]),
        (("plugin", "test", "s3s"), ["s3sync"]),
        (("config", "check", ""), ["small"]),
        (("completion", ""), ["bash", "zsh", "fish"]),
        (("no-such-verb", ""), []),
        (("listvolumes", "-t", ""), []),
        (("drive", "show", ""), ["data", "models"]),
        (("drive", "attach", "data", ""), ["mycluster", "other"]),
        (("drive", "attach", "data", "mycluster", "node"), ["node001", "node002"]),
        (("drive", "restore", "data", ""), ["snap-2"]),
        (("drive", "move", "data", "us-"), ["us-east-1a", "us-east-1b"]),
        (("drive", "create", ""), []),
        (("removesnapshot", "be"), ["before"]),
        (("restorevolume", "snap-1"), ["snap-1"]),
        (("createvolume", "1", "us-east-1b"), ["us-east-1b"]),
        (("createvolume", "--snapshot", "b"), ["before"]),
        (("removeimage", ""), ["ami-1", "mine"]),
        (("addnode", "-i", "ubuntu-26"), ["ubuntu-26.04"]),
        (("removekey", ""), ["mine", "older"]),
        (("reload", "mycluster", "-c", ""), ["small"]),
        (("config", "policy", "-f", "dri"), ["drives"]),
    ],
)
def test_what_may_stand_there(shell: Shell, offer: Offer, words: tuple[str, ...], offered: list[str]) -> None:
    shell.remember()
    assert offer(*words) == offered


def test_who_names_no_cluster_is_not_told_of_those_that_are_gone(shell: Shell) -> None:
    """test_cli.py has who is told which there are; here they are of a cloud that has been ended a moment ago."""
    shell.remember()
    assert shell.tab("stop", "") == ["mycluster", "other"]
    done = subprocess.run(["starcluster", "stop"], env=shell.env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith("!!! ERROR - Missing argument 'TAG...'.\n")


def test_nodes_of_the_train_cfg(shell: Shell, offer: Offer) -> None:
    (shell.home / "train.cfg").write_text("[mynode]\ncommand = a\n  b\n[drive data]\n[other]\n")
    assert offer("train", "") == ["mynode", "other"]


def test_a_cloud_that_is_down_stays_down_and_costs_no_error(shell: Shell) -> None:
    assert shell.tab("terminate", "") == []
    # and so the process that asks the cloud, however long it may take
    given = json.dumps([{"cloud": None, "config": None, "region": None}, []])
    asking = [sys.executable, "-m", "starcluster.commands.completing", given]
    subprocess.run(asking, env=shell.env, check=True, timeout=60)
    assert json.loads((shell.home / "completion.json").read_text())[given]["names"] == {}
    assert not shell.local.exists()
    (shell.home / "config").write_text("[global\nthis is no config")
    assert shell.tab("start", "-c", "") == []


def test_an_old_cache_is_shown_when_the_cloud_does_not_answer_in_time(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = shell.home / "config"
    # nobody routes packets to this net: the question hangs
    config.write_text(CONFIG.replace("CLOUD = local", "CLOUD = aws") + "[aws info]\nAWS_REGION_HOST = 192.0.2.1\n")
    shell.env |= {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y", "AWS_EC2_METADATA_DISABLED": "true"}
    shell.remember(at=0)
    began = time.monotonic()
    assert shell.tab("terminate", "") == ["mycluster", "other"]
    assert time.monotonic() - began < completing.PATIENCE + 6  # that much for two starts of Python on a busy machine

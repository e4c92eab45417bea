"""What a user does wrong gets one error that says what to do, the right exit status, and leaves nothing half-made."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rehearsal.stage import ROOT, Done, Stage

TRAIN = """[mynode]
cluster_name = mycluster
instance_type = c5.large
command = true
"""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One cloud for the mistakes that change nothing."""
    made = Stage(tmp_path_factory.mktemp("mistakes"))
    yield made
    made.close()


def refused(done: Done, *words: str) -> None:
    """One error, free of tracebacks, in which all these words stand."""
    assert "Traceback" not in done.stdout + done.stderr
    assert "!!! ERROR" in done.stderr or "Error" in done.stderr or "Usage" in done.stderr, done.stderr
    for word in words:
        assert word in done.stderr, f"no '{word}' in: {done.stderr}"


def with_config(stage: Stage, tmp_path: Path, change: tuple[str, str]) -> list[str]:
    """Global options that use the example config with one replacement."""
    text = (ROOT / "config.example").read_text()
    assert change[0] in text
    path = tmp_path / "config"
    path.write_text(text.replace(*change))
    return ["-c", str(path)]


def train(stage: Stage, tmp_path: Path, text: str, *words: str, expect: int) -> Done:
    path = tmp_path / "train.cfg"
    path.write_text(text)
    return stage.starcluster("train", *words, str(path), expect=expect)


def test_no_config(stage: Stage) -> None:
    stage.config.unlink()
    refused(stage.starcluster("listclusters", expect=1, input=""), "config")


def test_config_without_a_section(shared: Stage, tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text("CLOUD = local\n")
    refused(shared.starcluster("-c", str(path), "listclusters", expect=1), str(path))


def test_config_names_file_section_and_setting(shared: Stage, tmp_path: Path) -> None:
    options = with_config(shared, tmp_path, ("CLUSTER_SIZE = 1", "CLUSTER_SIZE = many"))
    refused(shared.starcluster(*options, "start", "x", expect=1), "config", "CLUSTER_SIZE", "many")


def test_unknown_verb_and_option(shared: Stage) -> None:
    refused(shared.starcluster("strat", "x", expect=1), "start")
    refused(shared.starcluster("start", "--clustersize", "2", "x", expect=2), "--cluster")


def test_unknown_cluster(shared: Stage) -> None:
    for words in (["sshmaster", "nosuch"], ["terminate", "-c", "nosuch"], ["put", "nosuch", "/etc/hostname", "/tmp"]):
        refused(shared.starcluster(*words, expect=1), "nosuch")


@pytest.mark.parametrize("name", ["my_node", "n" * 32, "master", "node001", "9lives", "tail-"])
def test_names_that_no_node_may_have(shared: Stage, tmp_path: Path, name: str) -> None:
    text = TRAIN.replace("[mynode]", f"[{name}]")
    refused(train(shared, tmp_path, text, name, expect=2), name)


def test_node_that_is_not_in_the_train_cfg(shared: Stage, tmp_path: Path) -> None:
    refused(train(shared, tmp_path, TRAIN, "yournode", expect=2), "yournode", "mynode")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("spot_bid = cheap", ["mynode", "spot_bid", "cheap"]),
        ("node_check_interval = soon", ["mynode", "node_check_interval", "soon"]),
        ("fallback = pray", ["mynode", "fallback", "pray"]),
    ],
)
def test_settings_of_the_train_cfg(shared: Stage, tmp_path: Path, line: str, words: list[str]) -> None:
    refused(train(shared, tmp_path, TRAIN + line + "\n", "mynode", expect=2), "train.cfg", *words)


def test_train_on_a_cluster_that_is_not_there(shared: Stage, tmp_path: Path) -> None:
    refused(train(shared, tmp_path, TRAIN, "mynode", expect=1), "mycluster", "starcluster start")


def test_key_file_that_others_may_read(stage: Stage) -> None:
    stage.starcluster("local", "up")
    os.chmod(stage.cloud / "keys" / "local", 0o644)
    refused(stage.starcluster("start", "x", expect=1), "chmod 600")
    assert "sc-x" not in stage.starcluster("listclusters").stdout


def test_no_credentials_for_aws(stage: Stage) -> None:
    stage.env.update(AWS_EC2_METADATA_DISABLED="true", AWS_CONFIG_FILE="/nonexistent", AWS_SHARED_CREDENTIALS_FILE="/x")
    refused(stage.starcluster("--cloud", "aws", "--region", "us-east-1", "listclusters", expect=1), "credentials")


def test_volume_of_another_zone_or_in_use(stage: Stage) -> None:
    stage.starcluster("createvolume", "--name", "home", "1", "us-east-1a")
    stage.use_volume()
    refused(stage.starcluster("start", "-a", "us-east-1b", "elsewhere", expect=1), "us-east-1a", "us-east-1b")
    stage.starcluster("start", "first")
    refused(stage.starcluster("start", "second", expect=1), "home", "first")
    listed = stage.starcluster("listclusters").stdout
    assert "sc-first" in listed
    assert "sc-second" not in listed
    assert "sc-elsewhere" not in listed


def test_bid_that_is_no_number(shared: Stage) -> None:
    refused(shared.starcluster("start", "-b", "low", "x", expect=2), "low")


def test_daemon_that_died_comes_back_with_its_cluster(stage: Stage) -> None:
    stage.starcluster("start", "mycluster")
    before = stage.starcluster("sshmaster", "mycluster", "cat /proc/sys/kernel/random/boot_id").stdout
    os.kill(stage.status()["pid"], signal.SIGKILL)
    time.sleep(0.5)
    after = stage.starcluster("sshmaster", "mycluster", "cat /proc/sys/kernel/random/boot_id").stdout
    assert before.split()[-1] == after.split()[-1]

"""Machines that never become usable: a disk that is attached without end, an SSH that never opens."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from starcluster.localcloud.scenario.play import Play, RealWorld
from starcluster.localcloud.scenario.script import read
from tests.rehearsal.train.conftest import OWN_DISK, TAG, Scene, started

LIMIT = 200.0
pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    made = Scene(Path(tmp_path_factory.mktemp("scene")), speed=60)
    before, _, after = made.config.read_text().partition("\n#PLUGINS = ")
    assert after
    made.config.write_text(f"{before}\nPLUGINS = owndisk\n{after.partition(chr(10))[2]}{OWN_DISK}")
    made.starcluster("createvolume", "--name", "data", "1", "us-east-1a")
    with started(made):
        yield made


@pytest.fixture(autouse=True)
def _timing_as_usual(scene: Scene) -> Iterator[None]:
    usual = scene.control("timing")["timing"]["attach"]
    yield
    scene.control("timing", attach=usual)


def test_a_disk_that_hangs_while_it_is_attached_is_asked_for_again(scene: Scene) -> None:
    usual = scene.control("timing")["timing"]["attach"]
    scene.control("timing", attach=1_000_000)
    scene.write(holder="findmnt -n -o TARGET /data")
    driver = scene.drive("holder")
    driver.says("is stuck attaching to holder as /dev/sdf: it is taken back", LIMIT)
    scene.control("timing", attach=usual)
    driver.ends(0, LIMIT)
    assert len(scene.instances("holder")) == 1
    assert scene.starcluster("logs", TAG, "holder").stdout == "/data\n"


def test_a_node_whose_ssh_never_opens_is_replaced(scene: Scene) -> None:
    """It hangs from its first second: EC2 says that it runs, and nothing answers on port 22."""
    scene.write(shut="true")
    play = Play(read(f"when {TAG}/shut is running: freeze {TAG}/shut"), RealWorld(scene.cloud))
    thread = threading.Thread(target=lambda: list(play.run()), daemon=True)
    thread.start()
    driver = scene.drive("shut")
    driver.says("never became usable: no SSH to shut", LIMIT)
    driver.ends(0, LIMIT)
    thread.join(10)
    first, second = scene.instances("shut")
    assert first["State"]["Name"] in ("shutting-down", "terminated")
    assert second["LaunchTime"] > first["LaunchTime"]

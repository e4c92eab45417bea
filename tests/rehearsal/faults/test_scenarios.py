"""`starcluster local scenario`, as docs/rehearsing.md tells it."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rehearsal.stage import ROOT
from tests.rehearsal.train.conftest import TAG, Scene, started

PAGE = (ROOT / "docs" / "rehearsing.md").read_text()
COMMAND = "echo $STARCLUSTER_ATTEMPT >> /home/starts; while test ! -e /home/go; do sleep 0.1; done"


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with started(Scene(Path(tmp_path_factory.mktemp("scene")), speed=100)) as made:
        yield made


def play(scene: Scene, text: str, *more: str, expect: int = 0) -> subprocess.CompletedProcess[str]:
    file = scene.folder / "scenario.txt"
    file.write_text(text)
    return scene.starcluster("local", "scenario", str(file), *more, expect=expect)


def test_the_bad_day_of_the_page(scene: Scene) -> None:
    text = re.findall(r"```scenario\n(.*?)```", PAGE, re.DOTALL)[0]
    scene.write(mynode=COMMAND)
    driver = scene.drive("mynode")
    told = play(scene, text, "--limit", "5000").stdout.splitlines()
    assert [int(re.search(r"line (\d+)", line)[1]) for line in told] == [2, 3, 4]  # type: ignore[index]
    assert "FAILED" not in "".join(told)
    driver.says("generation 4")
    scene.on_master("touch /home/go")
    driver.ends(0)
    assert len(scene.instances("mynode")) == 4
    # The second instance died in its set-up. The third was taken as soon as it worked, perhaps before its first word.
    assert scene.on_master("cat /home/starts").split() in (["1", "2", "3"], ["1", "3"])


def test_a_line_that_fails_is_told_and_the_rest_is_done(scene: Scene) -> None:
    done = play(scene, "at 0: interrupt mycluster/nobody\nat 1: kill daemon\nat 2: kill agent\n", "--json", expect=1)
    first, second, third = [json.loads(line) for line in done.stdout.splitlines()]
    assert not first["done"]
    assert "no running node 'nobody'" in first["error"]
    assert second["done"]
    assert third["done"], third
    assert scene.starcluster("sshmaster", TAG, "echo there").stdout == "there\n"


def test_the_driver_dies_when_its_launch_is_not_yet_answered(scene: Scene) -> None:
    scene.write(launched="true")
    driver = scene.drive("launched")
    play(scene, f"after call 1 of RunInstances: run kill -9 {driver.process.pid}\n")
    assert driver.process.wait(10) == -9
    scene.drive("launched").ends(0)
    assert len(scene.instances("launched")) == 1


def test_what_never_comes_is_told_at_the_limit(scene: Scene) -> None:
    done = play(scene, "before call 1 of CreateImage: clear\n", "--limit", "20", expect=1)
    assert "line 1: before call 1 of CreateImage: clear: FAILED: its time has not come" in done.stdout
    assert scene.control("holds")["holds"] == []


def test_a_wrong_file_is_not_begun(scene: Scene) -> None:
    done = play(scene, "at 0: run touch begun\nat 1: explode\n", expect=1)
    assert "scenario.txt: line 2: 'explode' is none of interrupt" in done.stderr
    assert not (scene.folder / "begun").exists()

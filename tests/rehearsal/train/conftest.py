"""A cluster for the driver's rehearsals, started once; every test has node names of its own."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import boto3
import pytest
from botocore.config import Config

from starcluster.localcloud import control
from tests.leftovers import processes_naming
from tests.rehearsal.driver import LIMIT, Driver
from tests.rehearsal.stage import Stage

TAG = "mycluster"
OWN_DISK = """
[plugin owndisk]
SETUP_CLASS = starcluster.plugins.mountvolume.MountVolume
VOLUME = data
NODE = holder
MOUNT_PATH = /data
"""


def until(condition: Callable[[], Any], what: str | Callable[[], str], limit: float = LIMIT) -> Any:
    end = time.monotonic() + limit
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"{what if isinstance(what, str) else what()}: not in {limit} s")


class Scene(Stage):
    """A stage with a cluster on it."""

    def prepare(self) -> None:
        self.starcluster("start", TAG)

    def write(self, file: str = "train.cfg", **nodes: dict[str, str] | str) -> None:
        """A train.cfg with these nodes: the command, or the settings."""
        text = ""
        for name, settings in nodes.items():
            known = {"command": settings} if isinstance(settings, str) else settings
            whole = {"cluster_name": TAG, "instance_type": "c5.large", **known}
            text += f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in whole.items())
        (self.folder / file).write_text(text)

    def drive(self, *words: str) -> Driver:
        return Driver(self.train(*words))

    def on_master(self, command: str) -> str:
        return self.starcluster("sshmaster", TAG, command).stdout

    @property
    def facts(self) -> dict[str, Any]:
        found = control.status(self.cloud)
        assert found is not None
        return found

    def foreign(self, service: str) -> Any:
        """A foreign client: boto3, without any of our code."""
        facts = self.facts
        return boto3.client(
            service,
            endpoint_url=facts["endpoint"],
            region_name=facts["region"],
            aws_access_key_id=facts["access_key"],
            aws_secret_access_key=facts["secret_key"],
            config=Config(proxies={}),
        )

    def ec2(self) -> Any:
        return self.foreign("ec2")

    def instances(self, alias: str) -> list[dict[str, Any]]:
        """All instances of that name, dead ones too, by their launch."""
        pages = self.ec2().get_paginator("describe_instances").paginate()
        found = [one for page in pages for group in page["Reservations"] for one in group["Instances"]]
        mine = [one for one in found if {"Key": "alias", "Value": alias} in one.get("Tags", [])]
        return sorted(mine, key=lambda one: one["LaunchTime"])

    def alive(self, alias: str) -> list[str]:
        states = ("pending", "running")
        return [one["InstanceId"] for one in self.instances(alias) if one["State"]["Name"] in states]

    def journal(self, name: str) -> list[dict[str, Any]]:
        path = self.config.parent / "journal" / TAG / f"{name}.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()]

    def control(self, op: str, **arguments: Any) -> dict[str, Any]:
        return control.call(self.cloud, op, **arguments)

    def interrupt(self, name: str, notice: float = 120) -> None:
        self.starcluster("local", "interrupt", TAG, name, "--notice", str(notice))

    def remove(self, name: str) -> None:
        self.starcluster("removenode", "-c", TAG, name, expect=None)


S = TypeVar("S", bound=Scene)


@contextmanager
def started(made: S) -> Iterator[S]:
    """The scene when it is prepared; afterwards nothing of it is left."""
    try:
        made.prepare()
        yield made
    finally:
        made.close()
    assert processes_naming(made.cloud) == {}


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with started(Scene(Path(tmp_path_factory.mktemp("scene")), speed=60)) as made:
        yield made


@pytest.fixture(autouse=True)
def _market_as_usual(scene: Scene) -> Iterator[None]:
    """Whatever a test ordered is forgotten after it, and no driver goes on."""
    yield
    for process in scene._started:
        process.kill()
        process.wait()
    scene.control("clear")
    scene.control("capacity", type="c5.large", count=None, market="all")

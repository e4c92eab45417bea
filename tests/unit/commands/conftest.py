"""Run a verb as a user does, on EC2 in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace

import pytest

from starcluster import app as app_module
from starcluster import cli
from starcluster.clock import Clock
from starcluster.logger import console
from tests.fakes.ec2 import FakeEc2


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """What stands on stderr."""
        return self.err


Run = Callable[..., Result]


@pytest.fixture
def ec2() -> FakeEc2:
    return FakeEc2()


@pytest.fixture
def run(ec2: FakeEc2, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Words -> Result; every verb finds the fake behind app.ec2."""
    cloud = SimpleNamespace(name="local", dialer=None, clock_scale=1000.0, region=ec2.region)
    made = app_module.App.__init__

    def init(self: app_module.App, options: app_module.Options) -> None:
        made(self, options)
        self.__dict__.update(ec2=ec2, cloud=cloud, clock=Clock(1000))

    monkeypatch.setattr(app_module.App, "__init__", init)

    def call(*words: str) -> Result:
        capsys.readouterr()
        level = console.level
        try:
            code = cli.main(list(words))
        finally:
            console.setLevel(level)
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return call

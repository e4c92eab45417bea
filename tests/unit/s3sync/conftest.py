"""A bucket of the local cloud's S3, in this process, and folders that are synced with it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from starcluster.localcloud.api.faults import Fault, When
from starcluster.s3sync.bucket import Bucket, make_client
from starcluster.s3sync.pushing import Push, Pushed
from starcluster.s3sync.restoring import Restore, Restored
from starcluster.s3sync.sending import PART, Sender
from starcluster.s3sync.settings import Settings
from tests.unit.localcloud.api.conftest import KEYS, REGION, Api, api

__all__ = ["api"]
Tree = dict[str, str]


def tree(folder: Path) -> Tree:
    """The hash of every file, by its path."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".s3sync" not in path.parts
    }


@dataclass(frozen=True, kw_only=True)
class Place:
    """A synced folder on some node."""

    settings: Settings
    clients: dict[int, Any]

    @property
    def bucket(self) -> Bucket:
        tries = self.settings.tries
        if tries not in self.clients:
            self.clients[tries] = make_client(self.settings)
        return Bucket(self.settings, self.clients[tries])

    @property
    def folder(self) -> Path:
        return Path(self.settings.path)

    def push(self, **more: Any) -> Pushed:
        return Push(self.settings, self.bucket, **more).run()

    def restore(self, **more: Any) -> Restored:
        return Restore(self.settings, self.bucket, **more).run()

    def write(self, path: str, content: bytes, *, at: float | None = None) -> Path:
        place = self.folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        if at is not None:
            os.utime(place, (at, at))
        return place

    @property
    def tree(self) -> Tree:
        return tree(self.folder)

    def but(self, **changes: Any) -> Place:
        return replace(self, settings=replace(self.settings, **changes))


@dataclass(frozen=True, kw_only=True)
class Faulty:
    """Orders faults of S3, and counts its calls."""

    api: Api

    def cut(self, *, skip: int = 0, times: int = 10**6, when: When = When.BEFORE, half: bool = False) -> None:
        """All calls but the first ones lose their connection."""
        code = "CutAnswer" if half else "ConnectionReset"
        self.order("s3:*", code, skip=skip, times=times, when=when)

    def order(self, action: str, code: str, *, skip: int = 0, times: int = 10**6, when: When = When.BEFORE) -> None:
        plain: dict[str, Any] = {"status": 500, "message": "ordered", "probability": 1}
        self.api.faults.add(Fault(action=action, code=code, times=times, when=when, skip=skip, **plain))

    def mend(self) -> None:
        self.api.faults.clear()

    def calls(self, act: Callable[[], object]) -> int:
        """How many calls of S3 the act makes."""
        counter = Fault(
            action="s3:*", code="", status=500, message="", times=1, probability=1, skip=10**6
        )  # fmt: skip
        self.api.faults.add(counter)
        act()
        self.mend()
        return 10**6 - counter.skip


@pytest.fixture
def faulty(api: Api) -> Iterator[Faulty]:
    yield Faulty(api=api)
    api.faults.clear()


@pytest.fixture(params=["file by file", "part by part"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How files in parts are uploaded."""
    if request.param == "part by part":
        monkeypatch.setattr(Sender, "big", PART)
    return str(request.param)


@pytest.fixture
def s3(api: Api) -> Any:
    return api.client("s3")


@pytest.fixture(scope="module")
def clients() -> dict[int, Any]:
    """By how often they try."""
    return {}


@pytest.fixture
def place(
    clients: dict[int, Any], api: Api, s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Place]:
    """Makes folders of nodes that use one bucket, made for this test."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", api.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEYS.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEYS.secret_key)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    bucket = "b" + hashlib.sha256(str(tmp_path).encode()).hexdigest()[:20]
    s3.create_bucket(Bucket=bucket)

    def make(name: str = "one", **changes: Any) -> Place:
        (tmp_path / name).mkdir(exist_ok=True)
        plain: dict[str, Any] = {
            "prefix": "work",
            "writer": f"i-{name}",
            "since": float(len(list(tmp_path.iterdir()))),
            "tries": 1,
        }
        return Place(
            clients=clients,
            settings=Settings(name=name, bucket=bucket, path=str(tmp_path / name), region=REGION, **(plain | changes)),
        )

    return make

"""The cloud's state on disk: one pickle, written after every change, refused when it is another version's."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import pickle
import secrets
import sys
import threading
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from starcluster.localcloud.api.cloud import Keys

log = logging.getLogger(__name__)

SCHEMA = 1
GATHER = 0.02
RETRY = 1.0


class StoreError(Exception):
    """The stored state cannot be used; `hint` says what to do about it."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def versions() -> dict[str, str]:
    """What a pickle is tied to: classes of ours, of moto's and Python's own."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    return {"schema": str(SCHEMA), "moto": version("moto"), "python": python}


def _write(path: Path, content: bytes) -> None:
    """Replace a file at once, readable for its owner only."""
    part = path.with_name(path.name + ".part")
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
        stream.write(content)
    part.replace(path)


class Store:
    """Reads the state at the start and writes it behind the calls that change it."""

    def __init__(self, folder: Path, lock: threading.RLock, collect: Callable[[], Any]) -> None:
        self._state = folder / "state.pickle"
        self._versions = folder / "version.json"
        self._lock = lock
        self._collect = collect
        self._wake = threading.Condition()
        self._asked = 0
        self._failed = 0  # up to here was tried in vain: callers do not wait for a disk that is full
        self._saved = 0
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="store", daemon=True)

    def start(self) -> None:
        _write(self._versions, json.dumps(versions(), indent=1).encode())
        self._thread.start()

    def changed(self) -> None:
        """Something has changed: have it written soon."""
        with self._wake:
            self._asked += 1
            self._wake.notify_all()

    def commit(self) -> None:
        """Return when everything up to now is on its way to the disk. Calls at one time share one writing."""
        with self._wake:
            self._asked += 1
            mine = self._asked
            self._wake.notify_all()
            self._wake.wait_for(lambda: max(self._saved, self._failed) >= mine or self._stopped, timeout=10)

    def stop(self) -> None:
        """Write for the last time."""
        with self._wake:
            self._stopped = True
            self._wake.notify_all()
        if self._thread.is_alive():
            self._thread.join()
        try:
            self._save()
        except OSError as error:
            log.error("the state cannot be stored: %s", error)

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._asked > self._saved or self._stopped)
                if self._stopped:
                    return
                goal = self._asked
            try:
                self._save()
            except OSError as error:
                log.error("the state cannot be stored: %s", error)
                with self._wake:
                    self._failed = goal
                    self._wake.notify_all()
                    self._wake.wait_for(lambda: self._stopped, timeout=RETRY)
                continue
            with self._wake:
                self._saved = goal
                self._wake.notify_all()

    def _save(self) -> None:
        with self._lock:
            content = dump(self._collect())
        _write(self._state, content)


def dump(value: Any) -> bytes:
    stream = io.BytesIO()
    pickle.Pickler(stream, protocol=pickle.HIGHEST_PROTOCOL).dump(value)
    return stream.getvalue()


def load(folder: Path) -> Any | None:
    """The stored state, None if there is none yet; raises StoreError for one that cannot be used."""
    state, stamp = folder / "state.pickle", folder / "version.json"
    if not state.exists():
        return None
    try:
        written = json.loads(stamp.read_text())
    except (OSError, json.JSONDecodeError):
        written = {}
    if written != versions():
        raise _other_version(folder, written)
    try:
        with state.open("rb") as stream:
            return pickle.load(stream)
    except (pickle.UnpicklingError, EOFError, AttributeError, ImportError, IndexError, TypeError) as error:
        raise StoreError(
            f"the local cloud's state in {folder} is damaged: {error}", "starcluster local down --delete begins anew"
        ) from error


def _other_version(folder: Path, written: dict[str, str]) -> StoreError:
    told = ", ".join(f"{name} {number}" for name, number in sorted(written.items())) or "unknown versions"
    now = ", ".join(f"{name} {number}" for name, number in sorted(versions().items()))
    return StoreError(
        f"the local cloud's state in {folder} was written by {told}; this is {now}",
        "use those versions again, or let it go with: starcluster local down --delete",
    )


def keys(folder: Path) -> Keys:
    """The cloud's AWS keys, made at random once."""
    path = folder / "credentials.json"
    with contextlib.suppress(FileNotFoundError):
        return Keys(**json.loads(path.read_text()))
    made = Keys(access_key=f"LC{secrets.token_hex(9).upper()}", secret_key=secrets.token_urlsafe(30))
    _write(path, json.dumps({"access_key": made.access_key, "secret_key": made.secret_key}).encode())
    return made

"""What a synced folder knows of itself: kept in the folder, so that it goes where the folder's disk goes."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator
from typing import Any

from starcluster.s3sync.model import Entry, Manifest, entry_of, manifest_of
from starcluster.s3sync.scan import OWN
from starcluster.s3sync.trouble import Trouble

_PAUSE = 0.05
TRUSTED = 12 * 3600.0  # so long after an upload its object is sure to be there; see deciding.unused


class State:
    """The folder `.s3sync` in the synced one."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.folder = os.path.join(root, OWN)
        self._hurry = os.path.join(self.folder, "hurry")

    def make(self) -> None:
        try:
            os.makedirs(self.folder, mode=0o700, exist_ok=True)
        except OSError as error:
            raise Trouble(f"{self.folder} can not be made: {error.strerror}") from error

    # --- one at a time

    @contextlib.contextmanager
    def alone(self, *, hurry: bool, limit: float) -> Iterator[None]:
        """Have the folder to ourselves; `hurry` asks whoever has it to come to an end."""
        self.make()
        lock = os.open(os.path.join(self.folder, "lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._take(lock, hurry=hurry, limit=limit)
            with contextlib.suppress(OSError):
                os.unlink(self._hurry)
            yield
        finally:
            os.close(lock)

    def _take(self, lock: int, *, hurry: bool, limit: float) -> None:
        end, asked = time.monotonic() + limit, False
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() >= end:
                    raise Trouble(f"another s3sync is at work on {self.root}", kind="busy") from None
            if hurry and not asked:
                with contextlib.suppress(OSError), open(self._hurry, "w", encoding="ascii"):
                    asked = True
            time.sleep(_PAUSE)

    def somebody_hurries(self) -> bool:
        return os.path.exists(self._hurry)

    # --- the snapshot that the folder was last as

    def base(self) -> Manifest | None:
        try:
            with open(os.path.join(self.folder, "base.json"), "rb") as file:
                return manifest_of(file.read())
        except (OSError, ValueError):
            return None

    def set_base(self, manifest: Manifest) -> None:
        self._write("base.json", manifest.text())

    # --- what was uploaded and is in no snapshot yet

    def pending(self) -> dict[str, Any]:
        """`entries` by path; `uploads` in parts by path."""
        try:
            with open(os.path.join(self.folder, "pending.json"), "rb") as file:
                plain = json.load(file)
            if time.time() - float(plain["at"]) < TRUSTED:
                return {
                    "entries": {one["path"]: entry_of(one) for one in plain["entries"]},
                    "uploads": plain["uploads"],
                }
        except (OSError, ValueError, KeyError, TypeError):
            pass
        return {"entries": {}, "uploads": {}}

    def set_pending(self, entries: list[Entry], uploads: dict[str, Any]) -> None:
        """Never an error: it is to save work only."""
        plain = {
            "at": self._pending_since() or time.time(),
            "entries": [one.plain() for one in entries],
            "uploads": uploads,
        }
        with contextlib.suppress(OSError):
            self._write("pending.json", json.dumps(plain).encode())

    def _pending_since(self) -> float:
        """When the oldest of what is remembered was uploaded."""
        try:
            with open(os.path.join(self.folder, "pending.json"), "rb") as file:
                since = float(json.load(file)["at"])
        except (OSError, ValueError, KeyError, TypeError):
            return 0.0
        return since if time.time() - since < TRUSTED else 0.0

    def forget_pending(self) -> None:
        with contextlib.suppress(OSError):
            os.unlink(os.path.join(self.folder, "pending.json"))

    # --- a snapshot on its way in

    @property
    def incoming(self) -> str:
        """Where a snapshot is put together before it is moved in."""
        return os.path.join(self.folder, "incoming")

    @property
    def _ready(self) -> str:
        return os.path.join(self.folder, "ready.json")

    def ready(self) -> Manifest | None:
        """A snapshot that lies whole in `incoming`, and whose moving in has begun."""
        try:
            with open(self._ready, "rb") as file:
                return manifest_of(file.read())
        except (OSError, ValueError):
            return None

    def set_ready(self, manifest: Manifest) -> None:
        self._write("ready.json", manifest.text())

    def clear_incoming(self) -> None:
        with contextlib.suppress(OSError):
            os.unlink(self._ready)
        shutil.rmtree(self.incoming, ignore_errors=True)

    def _write(self, name: str, content: bytes) -> None:
        """Old or new, never torn; on the disk when this returns."""
        path = os.path.join(self.folder, name)
        draft = f"{path}.{os.getpid()}.new"
        try:
            with open(draft, "wb") as out:
                out.write(content)
                out.flush()
                os.fsync(out.fileno())
            os.replace(draft, path)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(draft)
            raise

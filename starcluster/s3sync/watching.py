"""The sync that runs on a node: a push every interval, sooner again after one that failed."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from starcluster.s3sync.bucket import Bucket
from starcluster.s3sync.pushing import Push
from starcluster.s3sync.settings import Settings
from starcluster.s3sync.trouble import Trouble

STATUS = "/run/starcluster/s3sync"
_AFTER_TROUBLE = 30.0
_FINAL = ("fenced",)


class Watch:
    """Pushes until told to end, or until another node has taken the bucket over."""

    def __init__(
        self, settings: Settings, *, push: Callable[[], Any] | None = None, ended: threading.Event | None = None
    ) -> None:
        self._settings = settings
        self._bucket: Bucket | None = None
        self._push = push or self._push_once
        self.ended = ended or threading.Event()
        self._said = ""

    def run(self) -> int:
        pause = self._settings.interval
        while not self.ended.wait(pause):
            pause = self._round()
            if pause < 0:
                return 3
        return 0

    def _round(self) -> float:
        """One push; the seconds until the next one, negative when there is to be none."""
        try:
            done = self._push()
        except Trouble as trouble:
            self._say(str(trouble))
            if trouble.kind in _FINAL:
                return -1.0
            return min(_AFTER_TROUBLE, self._settings.interval)
        self._say(f"snapshot {done.number}: {done.note or 'pushed'}" if done.new or done.late else "in step")
        return self._settings.interval

    def _push_once(self) -> Any:
        if self._bucket is None:
            self._bucket = Bucket(self._settings)
        return Push(self._settings, self._bucket).run()

    def _say(self, text: str) -> None:
        """A line in the log for what is news."""
        if text != self._said:
            stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            sys.stderr.write(f"{stamp} {self._settings.name}: {text}\n")
            sys.stderr.flush()
        self._said = text
        write_status(self._settings.name, {"at": time.time(), "said": text})


def write_status(name: str, plain: dict[str, Any], folder: str = STATUS) -> None:
    """For whoever asks how it goes; a disk without room is no reason to end."""
    try:
        os.makedirs(folder, exist_ok=True)
        path = os.path.join(folder, f"{name}.json")
        with open(f"{path}.new", "w", encoding="utf-8") as out:
            json.dump(plain, out)
        os.replace(f"{path}.new", path)
    except OSError:
        return

"""Files on their way into the bucket: read once, hashed while they are read, found out when written to meanwhile."""

from __future__ import annotations

import hashlib
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, BinaryIO

from starcluster.s3sync.bucket import Bucket
from starcluster.s3sync.deciding import PACK
from starcluster.s3sync.history import DATA
from starcluster.s3sync.model import Entry
from starcluster.s3sync.scan import entry_from
from starcluster.s3sync.trouble import Changed, Gone

PART = 8 << 20
_MOST_PARTS = 9000


class Sender:
    """Uploads loads of files: the parts of a file above `big` side by side, and smaller files beside each other.

    `check` raises NoTime when it is time; `is_live` says of which files a beginning will do.
    """

    big = 8 * PART

    def __init__(
        self, bucket: Bucket, root: str, *, threads: int, check: Callable[[], None], uploads: dict[str, Any],
        is_live: Callable[[str], bool],
    ) -> None:  # fmt: skip
        self._bucket, self._root, self._check, self._is_live = bucket, root, check, is_live
        self._threads = threads
        self._pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="s3")
        self._push = f"{DATA}{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{secrets.token_hex(4)}"
        self._count = 0
        self._lock = threading.Lock()
        self._done: dict[str, Entry] = {}
        self.changed: set[str] = set()
        self.uploads = uploads
        self.sent = 0

    def done(self) -> dict[str, Entry]:
        """What lies in the bucket by now, by path."""
        with self._lock:
            return dict(self._done)

    def send(self, loads: Sequence[Sequence[Entry]], left: Callable[[], float | None]) -> None:
        """Upload all of them; raises Trouble, or NoTime with what is done by then in `done()`."""
        running: set[Future[None]] = set()
        try:
            for load in loads:
                self._check()
                if load[0].size > self.big:
                    self._big(load[0], left)
                elif load[0].size > PART:
                    running.add(self._pool.submit(self._middling, load[0]))
                else:
                    running.add(self._pool.submit(self._pack, load))
                if len(running) >= self._threads:
                    running = self._some(running, left)
            while running:
                running = self._some(running, left)
        finally:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def _some(self, running: set[Future[Any]], left: Callable[[], float | None]) -> set[Future[Any]]:
        """Wait for one of them at least; NoTime when the time is over before."""
        ended, going = wait(running, timeout=left(), return_when=FIRST_COMPLETED)
        for one in ended:
            one.result()
        self._check()
        return going

    def _new_name(self) -> str:
        with self._lock:
            self._count += 1
            return f"{self._push}-{self._count}"

    def _pack(self, load: Sequence[Entry]) -> None:
        """Several small files, or one that is not big, as one object."""
        name, content, found = self._new_name(), bytearray(), []
        for one in load:
            try:
                with self._open(one) as file:
                    part = file.read(one.size)
                if len(part) != one.size:
                    raise Changed(one.path)
            except Changed:
                self.changed.add(one.path)
                continue
            digest = hashlib.sha256(part).hexdigest()
            found.append(replace(one, sha256=digest, object=name if part else "", offset=len(content) if part else 0))
            content += part
        if content:
            self._bucket.put(name, bytes(content))
        with self._lock:
            self._done.update((one.path, one) for one in found)
            self.sent += len(content)

    @contextmanager
    def _open(self, wanted: Entry) -> Iterator[BinaryIO]:
        """The file as it was seen; Changed when it is another one before or after."""
        try:
            handle = os.open(os.path.join(self._root, wanted.path), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            raise Changed(wanted.path) from None
        with open(handle, "rb", buffering=0) as file:
            live = self._is_live(wanted.path)
            _compare(wanted, handle, live=live)
            yield file
            _compare(wanted, handle, live=live)

    def _big(self, wanted: Entry, left: Callable[[], float | None]) -> None:
        """A file whose parts are sent side by side."""
        running: set[Future[None]]

        def hand_over(upload: dict[str, Any], number: int, part: bytes) -> None:
            nonlocal running
            running.add(self._pool.submit(self._part, upload, number, part))
            if len(running) >= self._threads:
                running = self._some(running, left)

        def settle() -> None:
            nonlocal running
            while running:
                running = self._some(running, left)

        def send() -> None:
            nonlocal running
            running = set()
            self._alone(wanted, hand_over, settle)

        _anew_if_gone(send)

    def _middling(self, wanted: Entry) -> None:
        """A file of few parts, sent one after the other beside other files."""

        def send_now(upload: dict[str, Any], number: int, part: bytes) -> None:
            self._check()
            self._part(upload, number, part)

        _anew_if_gone(lambda: self._alone(wanted, send_now, lambda: None))

    def _alone(
        self, wanted: Entry, deliver: Callable[[dict[str, Any], int, bytes], None], settle: Callable[[], None]
    ) -> None:
        """A file in parts; one whose upload was broken off goes on where it was."""
        upload = self._upload_of(wanted)
        digest, size = hashlib.sha256(), _part_size(wanted.size)
        try:
            with self._open(wanted) as file:
                for number, part in enumerate(_parts(file, size, wanted.size), start=1):
                    digest.update(part)
                    if str(number) not in upload["parts"]:
                        deliver(upload, number, part)
                settle()
        except Changed:
            self.changed.add(wanted.path)
            self._bucket.abort(upload["object"], upload["id"])
            del self.uploads[wanted.path]
            return
        self._finish(wanted, upload)
        del self.uploads[wanted.path]
        with self._lock:
            self._done[wanted.path] = replace(wanted, sha256=digest.hexdigest(), object=upload["object"])
            self.sent += wanted.size

    def _finish(self, wanted: Entry, upload: dict[str, Any]) -> None:
        """When the answer to the first try was lost, the second finds no upload any more, but the object."""
        parts = {int(number): etag for number, etag in upload["parts"].items()}
        try:
            self._bucket.finish(upload["object"], upload["id"], parts)
        except Gone:
            del self.uploads[wanted.path]
            self._bucket.get(upload["object"], wanted.size - 1, 1)
            self.uploads[wanted.path] = upload

    def _upload_of(self, wanted: Entry) -> dict[str, Any]:
        known = self.uploads.get(wanted.path)
        if known and (known["size"], known["mtime"]) == (wanted.size, wanted.mtime):
            return known  # type: ignore[no-any-return]
        name = self._new_name()
        begun = {
            "object": name, "id": self._bucket.begin(name), "size": wanted.size, "mtime": wanted.mtime, "parts": {}
        }  # fmt: skip
        self.uploads[wanted.path] = begun
        return begun

    def _part(self, upload: dict[str, Any], number: int, content: bytes) -> None:
        try:
            upload["parts"][str(number)] = self._bucket.put_part(upload["object"], upload["id"], number, content)
        except Gone:
            upload["mtime"] = -1  # it was given up meanwhile, and is begun anew
            raise


def _anew_if_gone(send: Callable[[], None]) -> None:
    """An upload that was broken off may be gone by now: by a rule of the bucket, or ended by a thread that outlived
    its push and told nobody."""
    try:
        send()
    except Gone:
        send()


def _compare(wanted: Entry, handle: int, *, live: bool) -> None:
    about = os.fstat(handle)
    if live and about.st_size >= wanted.size:
        return
    if not wanted.is_like(entry_from(wanted.path, about)):
        raise Changed(wanted.path)


def _part_size(size: int) -> int:
    return max(PART, PACK, -(-size // _MOST_PARTS))


def _parts(file: BinaryIO, size: int, whole: int) -> Iterator[bytes]:
    """The first `whole` bytes in parts of one size."""
    for start in range(0, whole, size):
        length = min(size, whole - start)
        part = file.read(length)
        while len(part) < length:
            more = file.read(length - len(part))
            if not more:
                raise Changed("it became shorter")
            part += more
        yield part

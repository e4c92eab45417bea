"""A restore: a snapshot is put together beside the folder's files, compared, and then moved in as a whole."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import hashlib
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from starcluster.s3sync import deciding, history
from starcluster.s3sync.bucket import Bucket
from starcluster.s3sync.deciding import PACK, Verdict
from starcluster.s3sync.model import FILE, FOLDER, LINK, Entry, Manifest, total
from starcluster.s3sync.scan import scan
from starcluster.s3sync.settings import Settings
from starcluster.s3sync.state import State
from starcluster.s3sync.trouble import Trouble

_MANY = 64
_ROOM = 16 << 20  # is left free on the disk
_LOCK_LIMIT = 600.0


@dataclass(frozen=True, kw_only=True)
class Restored:
    """What a restore did; `number` is the snapshot that was looked at."""

    number: int
    done: bool
    files: int
    size: int
    seconds: float
    why: str
    newer: tuple[str, ...] = ()


class Restore:
    """`force`: also over files that are newer here."""

    def __init__(self, settings: Settings, bucket: Bucket, *, force: bool = False) -> None:
        self._settings, self._bucket, self._force = settings, bucket, force
        self._state = State(settings.path)
        self._began = time.monotonic()

    def run(self) -> Restored:
        """Raises Trouble: the folder then is as it was, or is finished by the next restore."""
        try:
            os.makedirs(self._settings.path, exist_ok=True)
            with self._state.alone(hurry=False, limit=_LOCK_LIMIT):
                return self._alone()
        except OSError as error:
            raise self._trouble(error) from error

    def _alone(self) -> Restored:
        half = self._state.ready()
        if half is not None:
            self._move_in(half)
        newest = history.newest(self._bucket)
        found = scan(self._settings.path, self._settings.exclude)
        judged = deciding.judge(found, self._state.base(), newest)
        if newest is None or judged.verdict is Verdict.NOTHING_THERE:
            return self._told(None, [], f"there is no snapshot in {self._bucket} yet")
        if self._force and judged.wanted:
            return self._bring(newest, judged.wanted)
        if judged.verdict is Verdict.RESTORE:
            return self._bring(newest, judged.wanted)
        self._state.set_base(newest)
        return self._told(newest, [], judged.verdict.value, newer=judged.newer)

    def _bring(self, newest: Manifest, wanted: Sequence[Entry]) -> Restored:
        self._state.clear_incoming()
        self._check_room(wanted)
        try:
            self._fetch(wanted)
        except BaseException:
            self._state.clear_incoming()
            raise
        self._settle(wanted)
        self._state.set_ready(newest)
        self._move_in(newest)
        return self._told(newest, wanted, f"restored from {self._bucket}")

    def _check_room(self, wanted: Sequence[Entry]) -> None:
        about = os.statvfs(self._settings.path)
        free, need = about.f_bavail * about.f_frsize, total(wanted) + _ROOM
        if free < need:
            raise self._full(need, free)

    def _full(self, need: int, free: int) -> Trouble:
        return Trouble(
            f"{self._settings.path} has {_mib(free)} free, the snapshot needs {_mib(need)}; nothing was changed there",
            "make room, or give the node a bigger disk",
            kind="full",
        )

    def _trouble(self, error: OSError) -> Trouble:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return Trouble(
                f"the disk of {self._settings.path} is full; the folder's files are as they were",
                "make room, or give the node a bigger disk",
                kind="full",
            )
        return Trouble(f"{self._settings.path} can not be restored: {error}", kind="failed")

    # --- fetching

    def _fetch(self, wanted: Sequence[Entry]) -> None:
        """All files into `incoming`, each compared with its hash."""
        os.makedirs(self._state.incoming, mode=0o700)
        files = [one for one in wanted if one.kind == FILE]
        for one in files:
            os.makedirs(os.path.dirname(self._draft(one)), exist_ok=True)
        big = [one for one in files if one.size > PACK]
        small = deciding.merged(one for one in files if 0 < one.size <= PACK)
        empty = [one for one in files if one.size == 0]
        with ThreadPoolExecutor(max_workers=self._settings.threads) as pool:
            try:
                jobs = [pool.submit(self._some, group) for group in small]
                for one in big:
                    self._one(one, pool)
                for job in jobs:
                    job.result()
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise
        for one in empty:
            _write(self._draft(one), [b""])

    def _settle(self, wanted: Sequence[Entry]) -> None:
        """What is called ready is on the disk; of thousands of files the file system is asked once."""
        files = [self._draft(one) for one in wanted if one.kind == FILE]
        if len(files) > _MANY:
            sync_filesystem(self._state.incoming)
            return
        for path in {*files, *(os.path.dirname(path) for path in files)}:
            handle = os.open(path, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)

    def _draft(self, entry: Entry) -> str:
        return os.path.join(self._state.incoming, entry.path)

    def _some(self, group: Sequence[Entry]) -> None:
        """Files that lie side by side in one object."""
        first, last = group[0], group[-1]
        content = memoryview(self._bucket.get(first.object, first.offset, last.offset + last.size - first.offset))
        for one in group:
            part = content[one.offset - first.offset :][: one.size]
            _compare(one, hashlib.sha256(part).hexdigest())
            _write(self._draft(one), [part])

    def _one(self, entry: Entry, pool: ThreadPoolExecutor) -> None:
        """A big file, in ranges that are fetched side by side and hashed in their order."""
        digest = hashlib.sha256()

        def parts() -> Iterator[bytes]:
            def get(start: int) -> bytes:
                return self._bucket.get(entry.object, start, min(PACK, entry.size - start))

            starts = list(range(0, entry.size, PACK))
            ahead = [pool.submit(get, start) for start in starts[: self._settings.threads]]
            for place in range(len(starts)):
                part = ahead.pop(0).result()
                following = place + self._settings.threads
                if following < len(starts):
                    ahead.append(pool.submit(get, starts[following]))
                digest.update(part)
                yield part

        _write(self._draft(entry), parts())
        _compare(entry, digest.hexdigest())

    # --- moving in

    def _move_in(self, manifest: Manifest) -> None:
        """From here on nothing is fetched any more; a restore that is killed in the middle is finished by the next."""
        root = self._settings.path
        for one in manifest.entries:
            place = os.path.join(root, one.path)
            if one.kind == FOLDER:
                _make_folder(place)
            elif one.kind == LINK:
                _make_link(place, one.target)
            elif os.path.lexists(self._draft(one)):
                _make_folder(os.path.dirname(place))
                _dress(self._draft(one), one)
                os.replace(self._draft(one), place)
        for one in reversed([each for each in manifest.entries if each.kind == FOLDER]):
            _dress(os.path.join(root, one.path), one)
        self._state.set_base(manifest)
        self._state.clear_incoming()

    def _told(
        self, manifest: Manifest | None, brought: Sequence[Entry], why: str, *, newer: Sequence[str] = ()
    ) -> Restored:
        return Restored(
            number=manifest.number if manifest else 0,
            done=bool(brought),
            files=sum(one.kind == FILE for one in brought),
            size=total(brought),
            seconds=round(time.monotonic() - self._began, 2),
            why=why,
            newer=tuple(newer),
        )


def sync_filesystem(folder: str) -> None:
    """Flush the file system of a folder, and no other."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        ctypes.CDLL(None, use_errno=True).syncfs(handle)
    finally:
        os.close(handle)


def _compare(entry: Entry, found: str) -> None:
    if found != entry.sha256:
        raise Trouble(f"{entry.path} came with another hash than its snapshot says; nothing was changed", kind="hash")


def _write(path: str, parts: Iterator[bytes] | Sequence[bytes | memoryview]) -> None:
    """A new file."""
    with open(path, "xb") as out:
        for part in parts:
            out.write(part)


def _make_folder(path: str) -> None:
    if os.path.islink(path) or (os.path.lexists(path) and not os.path.isdir(path)):
        os.unlink(path)
    os.makedirs(path, exist_ok=True)


def _make_link(path: str, target: str) -> None:
    if os.path.islink(path) and os.readlink(path) == target:
        return
    _make_folder(os.path.dirname(path))
    draft = f"{path}.{os.getpid()}.s3sync"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(draft)
    os.symlink(target, draft)
    os.replace(draft, path)


def _dress(path: str, entry: Entry) -> None:
    """Mode, owner and time; a node without root keeps its own owner."""
    with contextlib.suppress(PermissionError):
        os.chown(path, entry.uid, entry.gid)
    os.chmod(path, entry.mode)
    if entry.kind == FILE:
        os.utime(path, ns=(entry.mtime, entry.mtime))


def _mib(size: int) -> str:
    return f"{size / (1 << 20):,.0f} MiB"

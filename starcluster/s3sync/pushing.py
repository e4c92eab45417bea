"""A push: what has changed goes into the bucket, then a manifest says that there is a new snapshot."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass

from starcluster.s3sync import deciding, history
from starcluster.s3sync.bucket import Bucket
from starcluster.s3sync.model import FILE, Entry, Manifest
from starcluster.s3sync.scan import matches, scan
from starcluster.s3sync.sending import Sender
from starcluster.s3sync.settings import Settings
from starcluster.s3sync.state import State
from starcluster.s3sync.trouble import Exists, NoTime, Trouble

ROUNDS = 3  # as often a file that is being written is looked at again
_SETTLE = 0.5
_FOR_THE_MANIFEST = 0.15  # of the time
_LEAST_FOR_THE_MANIFEST = 1.0


@dataclass(frozen=True, kw_only=True)
class Pushed:
    """What a push did; `sent` in bytes, `late`: what is not in the snapshot as it is now."""

    number: int
    new: bool
    files: int
    size: int
    sent: int
    seconds: float
    late: tuple[str, ...] = ()
    note: str = ""


class Push:
    """`within`: seconds that it may take."""

    def __init__(self, settings: Settings, bucket: Bucket, *, within: float | None = None) -> None:
        self._settings, self._bucket = settings, bucket
        self._state = State(settings.path)
        self._began = time.monotonic()
        self._end = None if within is None else self._began + within
        self._uploads_end = None if within is None else self._end_of_uploads(within)

    def _end_of_uploads(self, within: float) -> float:
        return self._began + max(0.0, within - max(_LEAST_FOR_THE_MANIFEST, within * _FOR_THE_MANIFEST))

    def run(self) -> Pushed:
        """Raises Trouble; what was uploaded by then is used by the next push."""
        if not os.path.isdir(self._settings.path):
            raise Trouble(f"there is no folder {self._settings.path}", kind="no-folder")
        limit = 3600.0 if self._end is None else max(0.0, self._end - time.monotonic())
        with self._state.alone(hurry=self._end is not None, limit=limit):
            return self._alone()

    def _alone(self) -> Pushed:
        newest = self._newest()
        if self._state.ready() is not None:
            raise Trouble(f"a restore into {self._settings.path} was broken off", "restore again first", kind="torn")
        before = newest.by_path if newest else {}
        found = scan(self._settings.path, self._settings.exclude)
        if before and not any(one.kind == FILE for one in found):
            return self._nothing(newest, "the folder is empty: the last snapshot is kept as it is")
        entries, late, sent = self._bring(found, before)
        if newest is not None and deciding.same(entries, newest.entries):
            self._state.set_base(newest)
            return self._nothing(
                newest, "nothing new" if not late else "nothing whole that is new", late=late, sent=sent
            )
        manifest = self._write(newest, entries, late)
        self._prune()
        return self._told(manifest, new=True, sent=sent, late=late)

    def _newest(self) -> Manifest | None:
        """The last snapshot, unless it is of a node that was set up after this one."""
        numbers = history.numbers(self._bucket)
        if not numbers:
            return None
        newest = history.fetch(self._bucket, numbers[-1])
        if newest.writer != self._settings.writer and newest.since > self._settings.since:
            raise Trouble(
                f"{newest.writer or 'another node'} has taken {self._bucket} over; this node pushes no more",
                "`starcluster sync down` takes what is there; set the plugin up anew to push from here",
                kind="fenced",
            )
        return newest

    def _bring(self, found: list[Entry], before: dict[str, Entry]) -> tuple[list[Entry], list[str], int]:
        """Upload what is new; the entries of the snapshot, the units that are late, the bytes sent."""
        pending = self._state.pending()
        have: dict[str, Entry] = {}
        known = {**before, **pending["entries"]}
        sent = 0
        for again in range(ROUNDS):
            have, wanted = deciding.stored(found, known)
            sender = self._sender(pending["uploads"])
            try:
                sender.send(self._loads(wanted), self._left)
            except (NoTime, Trouble) as error:
                known.update(sender.done())
                self._remember(known, before, sender)
                if isinstance(error, Trouble):
                    raise
                have = deciding.stored(found, known, repack=False)[0]
                return (*deciding.snapshot(found, have, before, whole=self._settings.whole), sent + sender.sent)
            known.update(sender.done())
            have, sent = {**have, **sender.done()}, sent + sender.sent
            fresh = scan(self._settings.path, self._settings.exclude)
            moved = self._moved(found, fresh, sender.changed)
            if not moved or again == ROUNDS - 1:
                have = {path: one for path, one in have.items() if self._unit(path) not in moved}
                break
            found = fresh
            time.sleep(_SETTLE)
        self._remember(known, before, sender)
        return (*deciding.snapshot(found, have, before, whole=self._settings.whole), sent)

    def _sender(self, uploads: dict[str, object]) -> Sender:
        root, threads = self._settings.path, self._settings.threads
        return Sender(self._bucket, root, threads=threads, check=self._check, uploads=uploads, is_live=self._is_live)

    def _is_live(self, path: str) -> bool:
        return matches(path, self._settings.live)

    def _loads(self, wanted: list[Entry]) -> list[list[Entry]]:
        return deciding.loads(deciding.newest_first(wanted, whole=self._settings.whole))

    def _unit(self, path: str) -> str:
        return deciding.unit_of(path, whole=self._settings.whole)

    def _moved(self, found: Sequence[Entry], fresh: Sequence[Entry], changed: set[str]) -> set[str]:
        """Units that were not at rest: a file was written to while it was read, or the unit's files are others now.

        One file was read at one moment, so that what happened to it afterwards does not count.
        """
        moved = {self._unit(path) for path in changed}
        now = {one.path: one for one in fresh}
        for one in [*found, *fresh]:
            alone = one.kind == FILE and self._unit(one.path) == one.path
            if not alone and not self._is_live(one.path) and not one.is_like(now.get(one.path)):
                moved.add(self._unit(one.path))
        old = {one.path for one in found}
        return moved | {
            self._unit(one.path) for one in fresh if one.path not in old and self._unit(one.path) != one.path
        }

    def _remember(self, known: dict[str, Entry], before: dict[str, Entry], sender: Sender) -> None:
        fresh = [one for path, one in known.items() if one is not before.get(path)]
        if fresh or sender.uploads:
            self._state.set_pending(fresh, sender.uploads)

    def _left(self) -> float | None:
        """Seconds for uploads; looks up now and then whether somebody is in a hurry."""
        if self._uploads_end is None:
            return None
        return max(0.0, self._uploads_end - time.monotonic())

    def _check(self) -> None:
        if self._uploads_end is not None and time.monotonic() >= self._uploads_end:
            raise NoTime
        if self._end is None and self._state.somebody_hurries():
            raise Trouble("a push that is in a hurry goes first", kind="yielded")

    def _write(self, newest: Manifest | None, entries: list[Entry], late: list[str]) -> Manifest:
        """The manifest, the last of all; if another node was quicker with the number, the push is to begin anew."""
        manifest = Manifest(
            number=newest.number + 1 if newest else 1,
            made=time.time(),
            writer=self._settings.writer,
            since=self._settings.since,
            entries=tuple(entries),
            late=tuple(late),
        )
        try:
            self._bucket.put(history.name_of(manifest.number), manifest.text(), only_new=True)
        except Exists:
            self._check_own(manifest)
        self._state.set_base(manifest)
        if not late:
            self._state.forget_pending()
        return manifest

    def _check_own(self, manifest: Manifest) -> None:
        """A manifest that is there may be ours: it was written, and the answer lost on its way."""
        there = history.fetch(self._bucket, manifest.number)
        if there != manifest:
            raise Trouble(f"{there.writer} pushed at the same time", "push again", kind="raced")

    def _prune(self) -> None:
        """Old snapshots may stay for another while: no reason to call a push failed. None in a hurry."""
        if self._end is not None:
            return
        try:
            history.prune(self._bucket, keep=self._settings.keep)
        except Trouble as error:
            self._note = str(error)

    _note = ""

    def _nothing(self, newest: Manifest | None, why: str, *, late: Sequence[str] = (), sent: int = 0) -> Pushed:
        return self._told(newest, new=False, sent=sent, late=late, note=why)

    def _told(
        self, manifest: Manifest | None, *, new: bool, sent: int = 0, late: Sequence[str] = (), note: str = ""
    ) -> Pushed:
        return Pushed(
            number=manifest.number if manifest else 0,
            new=new,
            files=len(manifest.files) if manifest else 0,
            size=manifest.size if manifest else 0,
            sent=sent,
            seconds=round(time.monotonic() - self._began, 2),
            late=tuple(late),
            note=note or self._note,
        )

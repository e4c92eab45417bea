"""The end where the files go: it says what it lacks, and puts each file in place when it is whole.

A folder that was not there gets its name when all that belongs to it has come; until then it waits beside it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Sequence
from typing import Any

from starcluster.copyends import wire as w
from starcluster.copyends.incoming import FULL, Incoming, Kept, kept, same_time
from starcluster.copyends.places import Places
from starcluster.copyends.wire import Entry, Meter, Refused, Wire


class Receiver:
    """`trusted`: the other end may have files written through links that are here; a node may not have that here."""

    def __init__(
        self,
        wire: Wire,
        target: bytes,
        *,
        where: str = "",
        trusted: bool = False,
        checksum: bool = False,
        asked: Sequence[bytes] = (),
        meter: Meter | None = None,
    ) -> None:
        """`asked`: what the sender was asked for; a node that sends other things is not believed."""
        self.wire, self.where, self.trusted, self.checksum = wire, where, trusted, checksum
        self.meter = meter or Meter()
        self.places = Places(target, where=where, asked=asked)
        self.failures: list[str] = []
        self.counts = {"files": 0, "bytes": 0, "resumed": 0, "kept": 0}
        self._entries: list[Entry] = []
        self._have: dict[int, Kept] = {}

    def run(self) -> dict[str, Any]:
        """Take all that comes; what is to be said of it."""
        try:
            return self._run()
        except Refused as refusal:
            with contextlib.suppress(w.Lost):  # it may be the other end that refused
                self.wire.tell(w.REFUSED, str(refusal))
                self.wire.flush()
            raise

    def _run(self) -> dict[str, Any]:
        self.places.check()
        self._entries = [w.entry(plain) for plain in self.wire.all(w.LIST)]
        self.places.settle(self._entries)
        wants = self._wanted()
        self._room()
        self._folders()
        for batch in w.batches(wants):
            self.wire.tell(w.WANT, batch)
        self.wire.tell(w.END)
        self.wire.flush()
        self.meter.expect(sum(self._entries[index].size - have.size for index, have in self._have.items()))
        said = self._contents()
        self._links()
        self._folder_facts()
        self._publish()
        failures = [*said["failures"], *self.failures]
        result = {"failures": failures, "warnings": said["warnings"], **self.counts}
        self.wire.tell(w.RESULT, result)
        self.wire.flush()
        return result

    # --- what is here already

    def _wanted(self) -> list[Any]:
        wants = []
        for index, one in enumerate(self._entries):
            if one.kind != w.PLAIN:
                continue
            place = self.places.of(one.path)
            fresh = self.places.is_new(os.path.dirname(place))
            have = kept(place, one.size, one.mtime, checksum=self.checksum, fresh=fresh)
            if have is None:
                self._keep(place, one)
                continue
            self._have[index] = have
            wants.append([index, have.size, have.hasher.hexdigest() if have.hasher else "", int(have.whole)])
        return wants

    def _keep(self, place: bytes, one: Entry, *, timed: bool = True) -> None:
        """The file is here; its mode and time may differ."""
        self.counts["kept"] += 1
        try:
            found = os.lstat(place)
            if stat.S_IMODE(found.st_mode) != self._mode(one.mode):
                os.chmod(place, self._mode(one.mode))
            if not (timed or same_time(found.st_mtime_ns, one.mtime)):
                os.utime(place, ns=(one.mtime, one.mtime))
        except OSError as error:
            self._failed(place, error)

    def _mode(self, mode: int) -> int:
        return mode & (0o7777 if self.trusted else 0o1777)

    def _room(self) -> None:
        """Refused when what is to come does not fit: better now than in the middle."""
        wanted = [(self._entries[at], have.size) for at, have in self._have.items()]
        need = sum(max(min(one.size, one.held) - size, 0) for one, size in wanted)
        found = os.statvfs(self.places.base)
        free = (found.f_bavail if os.geteuid() else found.f_bfree) * found.f_frsize
        disk = f"the disk of {w.shown(self.places.base)}{self.where}"
        if need > free:
            raise Refused(f"{disk} is too full: {amount(need)} are to come, and it has room for {amount(free)}")
        spare = found.f_favail if os.geteuid() else found.f_ffree
        if found.f_files and len(self._entries) > spare and (more := self._new_names()) > spare:
            raise Refused(f"{disk} can not hold so many files: {more} are to come, and it takes {spare} more (df -i)")

    def _new_names(self) -> int:
        """How many files, folders and links there will be that are not here in any form."""
        begun = {index for index, have in self._have.items() if have.size}
        places = [self.places.of(one.path) for index, one in enumerate(self._entries) if index not in begun]
        return sum(self.places.is_new(os.path.dirname(place)) or not os.path.lexists(place) for place in places)

    # --- folders and links

    def _folders(self) -> None:
        for one in self._entries:
            if one.kind == w.FOLDER:
                place = self.places.of(one.path)
                try:
                    self._folder(place)
                except OSError as error:
                    self._stop_if_full(error, place)
                    self._failed(place, error)

    def _folder(self, place: bytes) -> None:
        try:
            os.mkdir(place, 0o700)
        except FileExistsError:
            if not os.path.isdir(place):
                raise NotADirectoryError(errno.ENOTDIR, "it is a file, and a folder was to be put there") from None
            if os.path.islink(place) and not self.trusted:
                raise NotADirectoryError(errno.ELOOP, "it is a link, and a folder was to be put there") from None

    def _links(self) -> None:
        """Last of all: nothing that came may be written through a link that came."""
        for one in self._entries:
            if one.kind == w.LINK:
                place = self.places.of(one.path)
                try:
                    self._link(place, one)
                except OSError as error:
                    self._stop_if_full(error, place)
                    self._failed(place, error)

    def _link(self, place: bytes, one: Entry) -> None:
        self._own_folder(place)
        if os.path.islink(place) and os.readlink(place) == one.link:
            return
        part = w.part_of(place)
        if os.path.lexists(part):
            os.unlink(part)
        os.symlink(one.link, part)
        os.utime(part, ns=(one.mtime, one.mtime), follow_symlinks=False)
        try:
            os.rename(part, place)
        except OSError:
            os.unlink(part)
            raise

    def _own_folder(self, place: bytes) -> None:
        """OSError where what a node sends would be written through a link that is here."""
        if not self.trusted and self.places.through_link(place):
            raise NotADirectoryError(errno.ELOOP, "a folder above it is a link here")

    def _folder_facts(self) -> None:
        """Modes and times, the innermost first: what is written into a folder changes its time."""
        for one in reversed(self._entries):
            if one.kind != w.FOLDER:
                continue
            place = self.places.of(one.path)
            try:
                if os.path.isdir(place) and (self.trusted or not os.path.islink(place)):
                    os.chmod(place, self._mode(one.mode))
                    os.utime(place, ns=(one.mtime, one.mtime))
            except OSError as error:
                self._failed(place, error)

    def _publish(self) -> None:
        known = {self.places.of(one.path) for one in self._entries}
        for stage, final in self.places.staged:
            try:
                _prune(stage, known)
                os.rename(stage, final)
            except OSError as error:
                self._failed(final, error)

    # --- what comes

    def _contents(self) -> Any:
        """Take the files; what the sender has to say at the end."""
        while True:
            kind, length = self.wire.next()
            if kind == w.SMALL:
                self._little(self.wire.body(length))
                continue
            value = w.known(kind, self.wire.body(length), w.FILE, w.END)
            if kind == w.END:
                return value
            self._file(*value)

    def _little(self, body: bytes) -> None:
        """A whole file in one frame; a failure of ours costs this file only, but for a full disk."""
        index, mtime, mode, crc = w.SMALL_HEAD.unpack_from(body)
        content = memoryview(body)[w.SMALL_HEAD.size :]
        incoming = self._incoming(index, start=0, size=len(content), mtime=mtime, mode=mode)
        self._counted(len(content))
        try:
            self._own_folder(incoming.place)
            incoming.open()
            incoming.write(content)
            self._end(incoming, crc, "")
        except OSError as error:
            self._not_taken(incoming, error)
        except BaseException:
            incoming.close()
            raise
        self._have[index] = Kept(0, None, False)

    def _incoming(self, index: int, *, start: int, size: int, mtime: int, mode: int) -> Incoming:
        have = self._have.get(index)
        if have is None or start not in (0, have.size):
            raise w.Lost("what came is not what was asked for")
        path = self._entries[index].path
        place, alone = self.places.of(path), size <= w.LITTLE and self.places.nobody_looks(path)
        return Incoming(place, start=start, size=size, mtime=mtime, mode=self._mode(mode), alone=alone)

    def _file(self, index: int, start: int, size: int, mtime: int, mode: int, same: bool) -> None:
        incoming = self._incoming(index, start=start, size=size, mtime=mtime, mode=mode)
        if same:
            self.wire.hear(w.DONE)
            self._keep(incoming.place, self._entries[index]._replace(mode=mode, mtime=mtime), timed=False)
            return
        try:
            self._take(incoming)
        except BaseException:
            incoming.close()
            raise
        self._have[index] = Kept(0, None, False)

    def _take(self, incoming: Incoming) -> None:
        """The bytes of one file, up to its DONE; a failure of ours costs this file only, but for a full disk."""
        failure: OSError | None = None
        try:
            self._own_folder(incoming.place)
            incoming.open()
        except OSError as error:
            failure = error
        while failure is None:
            try:
                ended = self._piece(incoming)
                if ended:
                    self._end(incoming, *ended)
                    return
            except OSError as error:
                failure = error
        self._not_taken(incoming, failure)
        self._pass_over()

    def _not_taken(self, incoming: Incoming, error: OSError) -> None:
        self._stop_if_full(error, incoming.place, incoming)
        self._failed(incoming.place, error)
        if not isinstance(error, BlockingIOError):
            incoming.drop()

    def _piece(self, incoming: Incoming) -> Any:
        """One frame of a file; (sum, trouble) when it was the last."""
        kind, length = self.wire.next()
        if kind == w.DATA:
            pieces = self.wire.pieces(length)
            try:
                for view in pieces:
                    self._counted(len(view))
                    incoming.write(view)
            except OSError:
                for view in pieces:  # the next frame begins behind them
                    self._counted(len(view))
                raise
        elif kind == w.HOLE:
            length = int.from_bytes(self.wire.body(8), "big")
            incoming.skip(length)
            self._counted(length)
        else:
            return w.known(kind, self.wire.body(length), w.DONE)
        return None

    def _counted(self, length: int) -> None:
        self.meter.add(length)
        self.counts["bytes"] += length

    def _end(self, incoming: Incoming, crc: int, trouble: str) -> None:
        if not trouble and crc != incoming.crc:
            trouble = f"{w.shown(incoming.place)}{self.where} is not what was sent: the check of its bytes failed"
        if trouble:
            self.failures.append(trouble)
            incoming.drop()
            return
        try:
            incoming.settle()
        except OSError as error:
            self._not_taken(incoming, error)
            return
        self.counts["files"] += 1
        self.counts["resumed"] += bool(incoming.start)

    def _pass_over(self) -> None:
        """Read the rest of a file that we can not take."""
        while True:
            kind, length = self.wire.next()
            body = self.wire.body(length)
            if kind in (w.DATA, w.HOLE):
                self.meter.add(length if kind == w.DATA else int.from_bytes(body, "big"))
                continue
            w.known(kind, body, w.DONE)
            return

    # --- what went wrong

    def _failed(self, place: bytes, error: OSError) -> None:
        name = w.shown(self.places.final(place)) + self.where
        if isinstance(error, BlockingIOError):
            said = f"another copy is writing {name}"
        elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            said = f"{w.me()} may not write {name}: {os.strerror(error.errno)}"
        else:
            said = f"{name} can not be written: {error.strerror}"
        self.failures.append(said)

    def _stop_if_full(self, error: OSError, place: bytes, incoming: Incoming | None = None) -> None:
        """A full disk ends the copy, and nothing half of it stays there."""
        if error.errno not in FULL:
            return
        if incoming:
            incoming.drop()
        for stage, _ in self.places.staged:
            shutil.rmtree(stage, ignore_errors=True)
        name = w.shown(self.places.final(place))
        raise Refused(f"the disk is full{self.where}: {name} did not fit, and is not there")


def _prune(stage: bytes, known: set[bytes]) -> None:
    """An earlier copy that broke off may have brought what is no more where it came from."""
    for folder, names, files in os.walk(stage, topdown=False):
        for path in (os.path.join(folder, name) for name in names + files):
            if path not in known:
                if os.path.isdir(path) and not os.path.islink(path):
                    os.rmdir(path)
                else:
                    os.unlink(path)


def amount(count: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"

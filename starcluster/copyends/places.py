"""Where what comes is to go: into a folder that is there, else under the name given, as with scp."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Sequence

from starcluster.copyends import wire as w
from starcluster.copyends.wire import Entry, Lost, Refused

_NAMELESS = (b"", b".", b"..", b"~")  # paths whose own name only the other end knows


class Places:
    def __init__(self, target: bytes, *, where: str, asked: Sequence[bytes] = ()) -> None:
        self.given, self.where = target, where
        self._asked = [os.path.basename(one.rstrip(b"/")) for one in asked]
        path = os.path.expanduser(target) if target.startswith(b"~/") else target
        self.path = os.path.realpath(path or b".")  # a link that was named stands for what it leads to
        self.into = os.path.isdir(self.path)
        self.base = self.path if self.into else os.path.dirname(self.path)
        self.staged: list[tuple[bytes, bytes]] = []  # (where a new folder is made, what it will be called)
        self._tops: dict[bytes, bytes] = {}
        self._hidden: set[bytes] = set()
        self._new: dict[bytes, bool] = {}
        self._links: dict[bytes, bool] = {}

    def check(self) -> None:
        """Refused when nothing could go there, whatever comes."""
        if self.into:
            return
        if not os.path.isdir(self.base):
            named = os.path.dirname(self.given.rstrip(b"/")) or self.base
            raise Refused(f"there is no folder {w.shown(named)}{self.where}, or {w.me()} may not see it")
        if os.path.exists(self.path) and not os.path.isfile(self.path):
            raise Refused(f"{w.shown(self.given)}{self.where} is neither a file nor a folder")

    def settle(self, entries: list[Entry]) -> None:
        """Decide where each of the sources goes."""
        tops: dict[bytes, str] = {}
        seen: set[bytes] = set()
        for one in entries:
            parts = one.path.split(b"/")
            if b"\0" in one.path or any(part in (b"", b".", b"..") for part in parts) or one.path in seen:
                raise Lost(f"a path came that is none: {w.shown(one.path)}")
            seen.add(one.path)
            tops.setdefault(parts[0], one.kind)
        for top, kind in tops.items():
            if kind == w.LINK or not self._was_asked_for(top):
                raise Lost(f"something came that was not asked for: {w.shown(top)}")
        if not self.into:
            self._one_name(tops)
        for top, kind in tops.items():
            self._settle_top(top, kind)

    def _was_asked_for(self, top: bytes) -> bool:
        if not self._asked or top in self._asked:
            return True
        if any(name in _NAMELESS for name in self._asked) and not top.startswith(b"."):
            return True
        return any(fnmatch.fnmatchcase(top, name) for name in self._asked)

    def _one_name(self, tops: dict[bytes, str]) -> None:
        if len(tops) > 1:
            given = w.shown(self.given)
            raise Refused(f"{len(tops)} files need a folder to go to, and {given} is not a folder{self.where}")
        if self.given.endswith(b"/") and w.FOLDER not in tops.values():
            raise Refused(f"{w.shown(self.given)} is not a folder{self.where}")
        if w.FOLDER in tops.values() and os.path.exists(self.path):
            raise Refused(f"{w.shown(self.given)} is a file{self.where}, and a folder was to be put there")

    def _settle_top(self, top: bytes, kind: str) -> None:
        final = os.path.join(self.path, top) if self.into else self.path
        merged = kind == w.FOLDER and os.path.isdir(final)
        if not merged and not os.access(self.base, os.W_OK | os.X_OK):
            named = self.given if self.into else self.base
            raise Refused(f"{w.me()} may not write to {w.shown(named)}{self.where}")
        if kind != w.FOLDER or os.path.lexists(final):
            self._tops[top] = final
        else:
            stage = w.part_of(final)
            self._tops[top] = stage
            self._hidden.add(top)
            self.staged.append((stage, final))

    def of(self, path: bytes) -> bytes:
        """Where an entry is written."""
        top, slash, rest = path.partition(b"/")
        return self._tops[top] + slash + rest

    def final(self, place: bytes) -> bytes:
        """What a place will be called in the end."""
        for stage, final in self.staged:
            if place == stage or place.startswith(stage + b"/"):
                return final + place[len(stage) :]
        return place

    def is_new(self, folder: bytes) -> bool:
        """It was not there before this copy; asked before folders are made."""
        if folder not in self._new:
            self._new[folder] = not os.path.isdir(folder)
        return self._new[folder]

    def nobody_looks(self, path: bytes) -> bool:
        """Whether an entry is written into a folder that is new and has not got its name yet."""
        if path.partition(b"/")[0] not in self._hidden:
            return False
        return self.is_new(os.path.dirname(self.of(path)))

    def through_link(self, place: bytes) -> bool:
        """Whether one of the folders between the target and this place is a link."""
        folder = os.path.dirname(place)
        if len(folder) <= len(self.base):
            return False
        if folder not in self._links:
            self._links[folder] = os.path.islink(folder) or self.through_link(folder)
        return self._links[folder]

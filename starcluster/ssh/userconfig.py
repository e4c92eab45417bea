"""The user's ~/.ssh: our file config.d/starcluster, made of one block for each cluster, and the line that includes it.

The file is ours alone and is written as a whole; of the user's own config nothing changes but that one line.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

from starcluster import wholefile

_HEAD = "# Written by `starcluster sshconfig`, and anew whenever a node is seen to have changed: do not edit.\n"
_BLOCK = re.compile(r"^# begin (.+?): (\S+)\n(.*?)^# end\n", re.MULTILINE | re.DOTALL)
Blocks = dict[tuple[str, str], str]  # (which cloud, cluster) -> its entries


def _home() -> Path:
    return Path(os.environ.get("HOME") or "~").expanduser()


@dataclass(frozen=True, kw_only=True)
class UserConfig:
    folder: Path = field(default_factory=lambda: _home() / ".ssh")

    @property
    def path(self) -> Path:
        return self.folder / "config.d" / "starcluster"

    @property
    def main(self) -> Path:
        """The user's own config."""
        return self.folder / "config"

    # --- our file

    def blocks(self) -> Blocks:
        try:
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return {}
        return {(one[1], one[2]): one[3] for one in _BLOCK.finditer(text)}

    def change(self, change: Callable[[Blocks], Mapping[tuple[str, str], str]]) -> bool:
        """Write what `change` makes of the blocks; whether that differs from what there was."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)  # `parents` would make it for all to read
        self.path.parent.mkdir(exist_ok=True, mode=0o700)
        with _locked(self.path.with_name(".starcluster.lock")):
            before = self.blocks()
            after = dict(change(dict(before)))
            if after == before and self.path.exists():
                return False
            wholefile.replace(self.path, as_text(after), mode=0o600)
            return True

    # --- the line in the user's config

    @property
    def include_line(self) -> str:
        """ssh takes ~ for the home of the password file, whatever HOME says."""
        try:
            same = Path(pwd.getpwuid(os.getuid()).pw_dir) / ".ssh" == self.folder
        except KeyError:
            same = False
        return "Include ~/.ssh/config.d/starcluster" if same else f'Include "{self.path}"'

    def is_included(self) -> bool:
        """Whether a line of the user's config, outside of any Host, brings our file in."""
        for line in self._lines():
            key, _, rest = line.strip().partition(" ")
            if key.lower() in ("host", "match"):
                return False
            if key.lower() == "include" and any(self._means_ours(one) for one in rest.split()):
                return True
        return False

    def _means_ours(self, word: str) -> bool:
        pattern = word.strip('"')
        pattern = str(self.folder / pattern[7:]) if pattern.startswith("~/.ssh/") else pattern
        return fnmatch(str(self.path), pattern if pattern.startswith("/") else str(self.folder / pattern))

    def include(self) -> None:
        """Put the line first: after a Host line it would be that host's only."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._write_main([self.include_line + "\n", *self._lines()])

    def remove(self) -> bool:
        """Take away our file and our line; whether there was anything."""
        lines = self._lines()
        kept = [line for line in lines if line.strip() != self.include_line]
        if kept != lines:
            self._write_main(kept)
        if lines and not kept and not self.main.is_symlink():
            self.main.unlink()  # there was nothing but our line in it
        existed = self.path.exists()
        self.path.unlink(missing_ok=True)
        self.path.with_name(".starcluster.lock").unlink(missing_ok=True)
        return existed or kept != lines

    def _lines(self) -> list[str]:
        try:
            return self.main.read_text(encoding="utf-8", errors="surrogateescape").splitlines(keepends=True)
        except FileNotFoundError:
            return []

    def _write_main(self, lines: list[str]) -> None:
        target = self.main.resolve()  # it may be a link to where the user keeps his files
        mode = target.stat().st_mode & 0o777 if target.exists() else 0o600
        wholefile.replace(target, "".join(lines), mode=mode)


def as_text(blocks: Mapping[tuple[str, str], str]) -> str:
    parts = [f"\n# begin {cloud}: {tag}\n{text}# end\n" for (cloud, tag), text in sorted(blocks.items())]
    return _HEAD + "".join(parts)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with open(path, "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield

"""Follows a text for people: what its shell blocks say is typed, what it promises must be seen.

    ```sh                    typed in one shell, block after block: cd and export last, and so does $!
    ```sh driver             typed in a terminal of its own, where it goes on
    ```text                  lines that the block above has printed, in this order
    ```text driver           lines that come in the driver's terminal; they are waited for
    ```text driver ends      the same, and then it ends with exit status 0

`...` in a promised line stands for anything. Other blocks are for the eye.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.rehearsal.driver import Driver
from tests.rehearsal.stage import Stage

LIMIT = 150.0
_BLOCK = re.compile(r"^```((?:sh|text)\b[ a-z]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_DONE = "--- that was the block ---"
_VENV = ".venv/bin/activate"


@dataclass(frozen=True, kw_only=True)
class Block:
    """`kind`: what stands behind the three backticks."""

    kind: str
    text: str

    @property
    def lines(self) -> list[str]:
        return [line for line in self.text.splitlines() if line.strip()]


def blocks_of(markdown: str) -> list[Block]:
    return [Block(kind=kind.strip(), text=text) for kind, text in _BLOCK.findall(markdown)]


def is_as_promised(promised: str, line: str) -> bool:
    """Whether that is the line, where `...` stands for anything."""
    pattern = ".*".join(re.escape(part) for part in promised.strip().split("..."))
    return re.fullmatch(pattern, line.strip()) is not None


def not_seen(promised: Iterable[str], printed: Iterable[str]) -> list[str]:
    """What was promised and is not there, in this order."""
    rest = iter(printed)
    return [one for one in promised if not any(is_as_promised(one, line) for line in rest)]


class Typist:
    """One person at one machine, in one folder."""

    def __init__(self, stage: Stage, folder: Path) -> None:
        self._stage, self._folder = stage, folder
        self._shell = Driver(self._start("bash", "-e", stdin=subprocess.PIPE))
        self._driver: Driver | None = None
        self._printed: list[str] = []

    def _start(self, *words: str, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[str]:
        return self._stage.start(*words, cwd=self._folder, stdin=stdin)

    def follow(self, blocks: Iterable[Block]) -> None:
        """To the end of the text, where the person goes away."""
        keys = self._shell.process.stdin
        assert keys
        with keys:
            for block in blocks:
                self._acts[block.kind](self, block)
        self._shell.ends(0)
        assert self._driver is None, "the text forgets the driver"

    def _type(self, block: Block) -> None:
        # The environment's place is the test's own. What is typed must not read what is typed next.
        text = "\n".join(line for line in block.text.splitlines() if _VENV not in line)
        before = len(self._shell.lines)
        assert self._shell.process.stdin
        self._shell.process.stdin.write(f"eval {shlex.quote(text)} </dev/null\necho '{_DONE} {before}'\n")
        self._shell.process.stdin.flush()
        self._shell.says(f"{_DONE} {before}", LIMIT)
        self._printed = self._shell.lines[before:]

    def _type_driver(self, block: Block) -> None:
        assert self._driver is None, "there is a driver's terminal already"
        self._driver = Driver(self._start("bash", "-ec", block.text))

    def _look(self, block: Block) -> None:
        missing = not_seen(block.lines, self._printed)
        assert not missing, f"promised and not seen: {missing}\n{''.join(self._printed)}"

    def _look_at_driver(self, block: Block) -> Driver:
        assert self._driver, "no driver's terminal yet"
        for promised in block.lines:
            self._driver.shows(lambda line, one=promised: is_as_promised(one, line), promised, LIMIT)
        return self._driver

    def _see_driver_end(self, block: Block) -> None:
        self._look_at_driver(block).ends(0, LIMIT)
        self._driver = None

    _acts: dict[str, Callable[[Typist, Block], object]] = {
        "sh": _type,
        "sh driver": _type_driver,
        "text": _look,
        "text driver": _look_at_driver,
        "text driver ends": _see_driver_end,
    }

"""What takes and gives bytes today, with text in their place."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable, Iterator
from typing import Any

from starcluster.python2 import to_bytes, to_text


def of_text(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with text for all bytes that go in or come out."""

    @functools.wraps(function)
    def text(*words: Any, **named: Any) -> Any:
        result = function(*map(to_bytes, words), **{name: to_bytes(value) for name, value in named.items()})
        return to_text(result) if isinstance(result, bytes) else result

    return text


def text_file(file: Any) -> io.TextIOWrapper:
    """Text of an open binary file: what is read can be written again as it was."""
    return io.TextIOWrapper(file, encoding="utf-8", errors="surrogateescape", newline="")


class Answer:
    """A server's answer, whose body is text."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer
        self.headers = self.msg = getattr(answer, "headers", None)

    def read(self, *size: int) -> str:
        return to_text(self._answer.read(*size))

    def readline(self, *size: int) -> str:
        return to_text(self._answer.readline(*size))

    def readlines(self) -> list[str]:
        return list(self)

    def __iter__(self) -> Iterator[str]:
        return map(to_text, self._answer)

    def __enter__(self) -> Answer:
        return self

    def __exit__(self, *_: object) -> None:
        self._answer.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._answer, name)

"""One call for all threads that ask the same at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Together(Generic[T]):
    """Each who asks gets an answer to a question that was put after he came: those who come while one is under way
    share the next one. So n who ask at once make two calls at most, and nobody gets old news.
    """

    def __init__(self, ask: Callable[[], T]) -> None:
        self._ask = ask
        self._asking = threading.Lock()
        self._counting = threading.Lock()
        self._begun = 0
        self._done: tuple[int, T] | None = None

    def __call__(self) -> T:
        with self._counting:
            wanted = self._begun + 1
        with self._asking:
            if self._done is not None and self._done[0] >= wanted:
                return self._done[1]
            with self._counting:
                self._begun += 1
                number = self._begun
            answer = self._ask()
            self._done = (number, answer)
            return answer

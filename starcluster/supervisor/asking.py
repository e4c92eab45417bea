"""Nodes are asked directly, each in a thread of its own: one that hangs keeps no look and no other node waiting."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from typing import Generic, TypeVar

Q = TypeVar("Q")
A = TypeVar("A")


class Asking(Generic[Q, A]):
    """`key` names whom a question goes to: nobody is asked again before the last question to him has ended.

    What is not answered within `patience` wall seconds is answered by `not_yet`; the late answer counts at the next
    time of asking, which does not wait for it. `in_threads` False: one after the other, in the caller.
    """

    def __init__(
        self,
        ask: Callable[[Q], A],
        *,
        key: Callable[[Q], str],
        not_yet: Callable[[Q], A],
        patience: float,
        in_threads: bool,
    ) -> None:
        self._ask, self._key, self._not_yet = ask, key, not_yet
        self._patience, self._in_threads = patience, in_threads
        self._under_way: dict[str, Future[A]] = {}

    def answers(self, questions: Sequence[Q]) -> list[A]:
        """In the order of the questions."""
        if not self._in_threads:
            return [self._ask(one) for one in questions]
        wait([self._begin(one) for one in questions if self._key(one) not in self._under_way], timeout=self._patience)
        return [self._end(one) for one in questions]

    def _begin(self, question: Q) -> Future[A]:
        future: Future[A] = Future()
        self._under_way[self._key(question)] = future
        threading.Thread(target=self._work, args=(future, question), name="asking", daemon=True).start()
        return future

    def _work(self, future: Future[A], question: Q) -> None:
        try:
            future.set_result(self._ask(question))
        except Exception as error:  # noqa: BLE001  the edge of a thread: it is raised again in the one that asked
            future.set_exception(error)

    def _end(self, question: Q) -> A:
        future = self._under_way[self._key(question)]
        if not future.done():
            return self._not_yet(question)
        del self._under_way[self._key(question)]
        return future.result()

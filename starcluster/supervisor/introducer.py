"""Lets the nodes of a cluster know of new ones: all that came up meanwhile in one go to each node.

With every set-up going to every other node, n names that come up together would cost n times n connections.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

from starcluster import exception
from starcluster.logger import log
from starcluster.threadpool import get_thread_pool

_HANDS = 8


class Known(Protocol):
    """The part of cluster.node.Node that is used here."""

    @property
    def alias(self) -> str: ...
    @property
    def id(self) -> str: ...


N = TypeVar("N", bound=Known)


class Introducer(Generic[N]):
    """`others()`: who is to be told, raises AWSError; `tell(node, news)`: tells one, raises SSHError."""

    def __init__(
        self,
        others: Callable[[], Sequence[N]],
        tell: Callable[[N, Sequence[N]], None],
        spawn: Callable[[Callable[[], None]], None],
    ) -> None:
        self._others, self._tell, self._spawn = others, tell, spawn
        self._lock = threading.Lock()
        self._news: list[N] = []
        self._runs = False

    def add(self, node: N) -> None:
        """It is told soon, in a thread of its own; who can not be told is left: a node asks when it is set up."""
        with self._lock:
            self._news.append(node)
            if self._runs:
                return
            self._runs = True
        self._spawn(self._work)

    def _take(self) -> list[N]:
        with self._lock:
            news, self._news = self._news, []
            self._runs = bool(news)
            return news

    def _work(self) -> None:
        while news := self._take():
            try:
                self._tell_all(news)
            except exception.BaseException as error:
                log.debug("%s: %s", ", ".join(one.alias for one in news), error)

    def _tell_all(self, news: Sequence[N]) -> None:
        with get_thread_pool(_HANDS) as pool:
            for other in self._others():
                strange = [one for one in news if one.id != other.id]
                if strange:
                    pool.simple_job(self._tell, (other, strange), jobid=other.alias)
            try:
                pool.wait(return_results=False)
            except exception.ThreadPoolException as error:
                log.debug("not every node has learned of %s: %s", ", ".join(one.alias for one in news), error.explain())

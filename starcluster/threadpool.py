"""Jobs on several nodes at once, with StarCluster's interface: `get_thread_pool(20).simple_job(...)`, `wait()`.

Every job runs to its end; what went wrong is gathered into one ThreadPoolException. The threads are daemons,
so Ctrl-C does not have to wait for a node that does not answer.
"""

from __future__ import annotations

import queue
import threading
import traceback
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from typing import Any

from starcluster import exception
from starcluster.progressbar import ProgressBar

_Job = tuple["Future[Any]", Callable[..., Any], Sequence[Any], dict[str, Any]]


class ThreadPool:
    def __init__(self, size: int = 10, disable_threads: bool = False) -> None:
        self.size = max(size, 1)
        self.disable_threads = disable_threads
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._pending: list[tuple[str, Future[Any]]] = []
        self._results: list[Any] = []
        self._threads: list[threading.Thread] = []
        self._bar: ProgressBar | None = None

    @property
    def progress_bar(self) -> ProgressBar:
        """A bar that shows, from when it is first asked for, how many jobs have ended while wait() waits."""
        if self._bar is None:
            self._bar = ProgressBar()
        return self._bar

    def simple_job(
        self,
        method: Callable[..., Any],
        args: Any = (),
        kwargs: Any = None,
        jobid: str | None = None,
        results_queue: queue.Queue[Any] | None = None,
    ) -> None:
        """Ask for method(*args, **kwargs); an `args` that is no list or tuple is the only argument.

        `kwargs` that are no dict count for nothing, as in StarCluster.
        """
        words = args if isinstance(args, list | tuple) else (args,)
        future: Future[Any] = Future()
        if results_queue is not None:
            future.add_done_callback(lambda done: _tell(done, results_queue))
        self._pending.append((str(jobid) if jobid else _name_of(method, words), future))
        job = (future, method, words, kwargs if isinstance(kwargs, dict) else {})
        if self.disable_threads:
            _work(job)
            return
        self._jobs.put(job)
        if len(self._threads) < min(self.size, len(self._pending)):
            thread = threading.Thread(target=self._serve, daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self) -> None:
        while (job := self._jobs.get()) is not None:
            _work(job)

    def wait(self, numtasks: int | None = None, return_results: bool = True) -> list[Any]:
        """Wait for the jobs asked for so far; their results in that order.

        Raises ThreadPoolException with all failures once everything has ended. `numtasks` is accepted as
        StarCluster's plugins give it; all jobs are waited for in any case.
        """
        pending, self._pending = self._pending, []
        failures: list[tuple[Exception, str, str]] = []
        if self._bar is not None:
            self._bar.start(len(pending))
        for ended, (jobid, future) in enumerate(pending, 1):
            error = future.exception()
            if self._bar is not None:
                self._bar.update(ended)
            if error is None:
                self._results.append(future.result())
            elif isinstance(error, Exception):
                failures.append((error, "".join(traceback.format_exception(error)), jobid))
            else:
                raise error
        if failures:
            self._results = []
            raise exception.ThreadPoolException(_summary(failures), failures)
        return self.get_results() if return_results else []

    def join(self) -> None:
        """Wait for the jobs asked for so far, whatever becomes of them: the next wait() tells."""
        for _, future in self._pending:
            future.exception()

    def map(
        self, fn: Callable[..., Any], *seqs: Iterable[Any], jobid_fn: Callable[..., str] | None = None
    ) -> list[Any]:
        """fn over the sequences side by side; results in their order."""
        for words in zip(*seqs, strict=False):
            self.simple_job(fn, words, jobid=jobid_fn(*words) if jobid_fn else str(words[0]))
        return self.wait()

    def get_results(self) -> list[Any]:
        """The results gathered since the last call."""
        results, self._results = self._results, []
        return results

    def shutdown(self) -> None:
        """Let the threads end after their present jobs."""
        for _ in self._threads:
            self._jobs.put(None)
        self._threads = []

    def __enter__(self) -> ThreadPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()


def _work(job: _Job) -> None:
    future, method, words, kwargs = job
    try:
        future.set_result(method(*words, **kwargs))
    except BaseException as error:  # noqa: BLE001  whatever a job raises is raised by wait()
        future.set_exception(error)


def _name_of(method: Callable[..., Any], words: Sequence[Any]) -> str:
    """What a job without an id is called in messages: the node that it is for, else its function."""
    alias = getattr(words[0], "alias", "") if words else ""
    return alias or str(getattr(method, "__name__", "job"))


def _tell(done: Future[Any], results: queue.Queue[Any]) -> None:
    if done.exception() is None:
        results.put(done.result())


def _summary(failures: Sequence[tuple[Exception, str, str]]) -> str:
    return "1 job went wrong" if len(failures) == 1 else f"{len(failures)} jobs went wrong"


def get_thread_pool(size: int = 10, worker_factory: object = None, disable_threads: bool = False) -> ThreadPool:
    """A pool of `size` threads; with `disable_threads` the jobs run one after another in the caller."""
    return ThreadPool(size=size, disable_threads=disable_threads)

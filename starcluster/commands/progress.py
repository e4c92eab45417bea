"""A progress bar on stderr for copies, when somebody watches."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from starcluster.copyends.receiver import amount
from starcluster.copyends.wire import Meter
from starcluster.logger import log

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from starcluster.cluster.transfer import Copied


class _Bar(Meter):
    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress, self._task = progress, task

    def expect(self, total: int) -> None:
        # after a break only what is still missing is to come
        done = self._progress.tasks[0].completed
        self._progress.update(self._task, total=done + total)

    def add(self, count: int) -> None:
        self._progress.update(self._task, advance=count)


def tell(copied: Copied | None) -> None:
    """One line about a copy that is done."""
    if copied is None:
        return
    parts = [f"{copied.files} {'file' if copied.files == 1 else 'files'} ({amount(copied.bytes)}) copied and compared"]
    parts += [f"{copied.resumed} went on where they had broken off"] if copied.resumed else []
    parts += [f"{copied.kept} were there already"] if copied.kept else []
    log.info("%s", "; ".join(parts))


@contextlib.contextmanager
def bar(what: str) -> Iterator[Meter | None]:
    """Something to tell of bytes to come and bytes that went through; None where stderr is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True)) as progress:
        yield _Bar(progress, progress.add_task(what, total=None))

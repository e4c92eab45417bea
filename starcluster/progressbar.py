"""StarCluster's name for a line on a terminal that tells how much of something is done."""

from __future__ import annotations

import sys

_WIDTH = 40


class ProgressBar:
    """Nothing is printed where standard error is no terminal."""

    def __init__(self, maxval: int = 100) -> None:
        self.maxval, self.currval = maxval, 0

    @property
    def finished(self) -> bool:
        return self.currval >= self.maxval

    def percentage(self) -> float:
        return 100.0 * self.currval / self.maxval if self.maxval else 100.0

    def start(self, maxval: int | None = None) -> ProgressBar:
        """Begin anew."""
        self.maxval = self.maxval if maxval is None else maxval
        return self.update(0)

    def update(self, value: int) -> ProgressBar:
        """So much of `maxval` is done."""
        self.currval = min(value, self.maxval)
        if sys.stderr.isatty():
            done = int(self.percentage() / 100 * _WIDTH)
            end = "\n" if self.finished else ""
            sys.stderr.write(f"\r{self.currval}/{self.maxval} |{'#' * done:<{_WIDTH}}| {self.percentage():.0f}%{end}")
            sys.stderr.flush()
        return self

    def finish(self) -> None:
        if not self.finished:
            self.update(self.maxval)

    def reset(self) -> ProgressBar:
        """Back to the start, without printing."""
        self.currval = 0
        return self

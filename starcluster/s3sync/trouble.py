"""What goes wrong, in the words that the user gets: what happened, and what to do."""

from __future__ import annotations


class Trouble(Exception):
    """Nothing was lost by it: what was in the bucket and in the folder before is there."""

    def __init__(self, message: str, hint: str = "", *, kind: str = "failed") -> None:
        super().__init__(message)
        self.message, self.hint, self.kind = message, hint, kind

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}" if self.hint else self.message


class Exists(Trouble):
    """Somebody else has written that very object before us."""


class Gone(Trouble):
    """There is no such object."""


class Changed(Exception):
    """A file was written to while it was read."""


class NoTime(Exception):
    """The deadline has come, or somebody in a hurry wants to have the folder."""

"""Python 2's pipes: quote()."""

from shlex import quote

__all__ = ["quote"]

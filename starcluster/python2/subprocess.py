"""Python 2's subprocess: what programs read and write is text."""

from __future__ import annotations

import subprocess as _today
from subprocess import *  # noqa: F403
from typing import Any


class Popen(_today.Popen):  # type: ignore[type-arg]
    """Text in and out, of whatever bytes; `bufsize` counts for nothing."""

    def __init__(self, args: Any, bufsize: int = 0, *words: Any, **named: Any) -> None:
        super().__init__(args, -1, *words, **_as_text(named))


def _as_text(named: dict[str, Any]) -> dict[str, Any]:
    named.pop("universal_newlines", None)
    return {"encoding": "utf-8", "errors": "surrogateescape", **named}


def call(*words: Any, **named: Any) -> int:
    return Popen(*words, **named).wait()


def check_call(*words: Any, **named: Any) -> int:
    status = call(*words, **named)
    if status:
        raise _today.CalledProcessError(status, named.get("args") or words[0])
    return 0


def check_output(*words: Any, **named: Any) -> str:
    process = Popen(*words, stdout=_today.PIPE, **named)
    output, _ = process.communicate()
    if process.returncode:
        raise _today.CalledProcessError(process.returncode, named.get("args") or words[0], output=output)
    return str(output)

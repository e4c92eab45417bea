"""Python 2's commands: a shell's output as text, with the status that os.wait gives."""

from __future__ import annotations

import subprocess


def getstatusoutput(cmd: str) -> tuple[int, str]:
    """(256 * exit status, or the signal's number; output and errors together, without the last newline)."""
    done = subprocess.run(  # noqa: S602  what the function is for
        cmd,
        shell=True,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="surrogateescape",
    )
    status = -done.returncode if done.returncode < 0 else done.returncode << 8
    return status, done.stdout.removesuffix("\n")


def getoutput(cmd: str) -> str:
    return getstatusoutput(cmd)[1]


def mkarg(x: str) -> str:
    """A word for a shell, after a blank."""
    import shlex

    return " " + shlex.quote(x)

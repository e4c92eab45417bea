"""What is written when the program itself is at fault."""

from __future__ import annotations

import os
import platform
import shlex
import traceback

from starcluster import __version__
from starcluster.logger import logs_folder


def write_report(error: Exception, words: list[str]) -> str:
    """Write the crash report; returns the sentence that says where it is."""
    path = logs_folder() / f"crash-report-{os.getpid()}.txt"
    text = "\n".join(
        [
            f"starcluster-spot {__version__}, Python {platform.python_version()}, {platform.platform()}",
            f"command: starcluster {shlex.join(words)}",
            f"log: {logs_folder() / 'debug.log'}",
            "",
            "".join(traceback.format_exception(error)),
        ]
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)
    except OSError as problem:
        return f"no report could be written ({problem}):\n{text}"
    return f"its report is {path}"

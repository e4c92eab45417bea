"""StarCluster's log: `from starcluster.logger import log`.

Info and warning lines go to stdout, errors to stderr, everything with date and place to
`~/.starcluster/logs/debug.log` (1 MB, two kept).
"""

from __future__ import annotations

import contextlib
import logging
import logging.handlers
import os
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from starcluster.ownfolder import home

INFO = logging.INFO
DEBUG = logging.DEBUG
_PREFIX = {logging.DEBUG: "DEBUG - ", logging.INFO: ">>> ", logging.WARNING: "*** WARNING - "}
_ERROR_PREFIX = "!!! ERROR - "
_WIDTH = 60

log = logging.getLogger("starcluster")
log.setLevel(logging.DEBUG)
log.propagate = False


class ConsoleHandler(logging.Handler):
    """Prints as StarCluster did; extra keys as in StarCluster (`__raw__`, `__nonewline__` ...).

    With the key `__stderr__` a warning keeps out of the output of what the user runs on a node.
    """

    timed = False  # whether each line begins with the time of day
    machines: TextIO | None = None  # stdout, while it is for machines alone

    def emit(self, record: logging.LogRecord) -> None:
        aside = record.levelno >= logging.ERROR or record.__dict__.get("__stderr__")
        stream = sys.stderr if aside else sys.stdout
        stamp = time.strftime("%H:%M:%S ", time.localtime(record.created)) if self.timed else ""
        try:
            write_what_fits(stream, render(record, stamp))
            stream.flush()
        except (OSError, ValueError):
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:
        """A reader, or a terminal, that went away is not worth a traceback."""


def write_what_fits(stream: TextIO, text: str) -> None:
    """Bytes that are no text, such as a file's name, and what a terminal of ASCII has not are written as \\xff."""
    try:
        stream.write(text)
    except UnicodeEncodeError:
        code = stream.encoding or "ascii"
        stream.write(text.encode(code, "backslashreplace").decode(code))


def render(record: logging.LogRecord, stamp: str = "") -> str:
    """The text of one record, each of its lines with the stamp and its prefix; raw text as it is.

    Lines after the first of what is no fault have none, as in StarCluster: there is text to be copied among them.
    """
    text = record.getMessage()
    extra = record.__dict__
    if record.exc_info and record.levelno >= logging.ERROR:  # a plugin's log.exception
        text = "\n".join([text, logging.Formatter().formatException(record.exc_info)])
    end = "" if extra.get("__nonewline__") else "\n"
    if extra.get("__raw__"):
        return text + end
    prefix = _ERROR_PREFIX if record.levelno >= logging.ERROR else _PREFIX.get(record.levelno, "")
    lines = [text] if extra.get("__nosplitlines__") else text.splitlines() or [""]
    if extra.get("__textwrap__"):
        lines = [part for line in lines for part in textwrap.wrap(line, _WIDTH) or [""]]
    elif record.levelno < logging.WARNING and not stamp:
        lines = ["\n".join(lines)]
    return "\n".join(stamp + prefix + line for line in lines) + end


console = ConsoleHandler()
console.setLevel(INFO)
log.addHandler(console)


@contextlib.contextmanager
def timed_lines() -> Iterator[None]:
    """Within it each line on the console begins with the time of day, as `HH:MM:SS >>> ...`."""
    console.timed = True
    try:
        yield
    finally:
        console.timed = False


@contextlib.contextmanager
def only_stderr() -> Iterator[None]:
    """Within it standard output is for what `machines()` is given.

    Sentences, and what plugins and programs that they start print, go to stderr.
    """
    with contextlib.ExitStack() as stack:
        before = console.machines
        console.machines = before or stack.enter_context(_kept_stdout(sys.stdout))
        stack.enter_context(contextlib.redirect_stdout(sys.stderr))
        try:
            yield
        finally:
            console.machines = before


@contextlib.contextmanager
def _kept_stdout(stdout: TextIO) -> Iterator[TextIO]:
    """Standard output under another number; its own is stderr meanwhile, for programs that are started."""
    try:
        number, aside = stdout.fileno(), sys.stderr.fileno()
    except (AttributeError, OSError, ValueError):
        yield stdout  # no file of the system's: no program writes to it
        return
    stdout.flush()
    kept = os.dup(number)
    os.dup2(aside, number)
    try:
        with open(kept, "w", encoding=stdout.encoding, errors=stdout.errors, buffering=1, closefd=False) as out:
            yield out
    finally:
        os.dup2(kept, number)
        os.close(kept)


def machines() -> TextIO:
    """Where JSON goes: standard output, whatever else is kept out of it."""
    return console.machines or sys.stdout


def get_starcluster_logger() -> logging.Logger:
    """Under the name by which programs ask for it."""
    return log


def configure_sc_logging(use_syslog: bool = False) -> None:
    """Plugins that bring programs of their own call it; the log is ready as soon as it is imported."""


def log_level() -> int:
    """What the console shows at least: INFO, or DEBUG with --debug."""
    return console.level


def only_errors() -> None:
    """Standard output is for machines from here on; sentences go to the debug log only."""
    console.setLevel(logging.ERROR)


def logs_folder() -> Path:
    return home() / "logs"


def open_debug_log(*, debug: bool = False) -> None:
    """Called once by the command line; a folder it can not write costs the debug log only."""
    console.setLevel(DEBUG if debug else INFO)
    try:
        logs_folder().mkdir(parents=True, exist_ok=True, mode=0o700)
        handler = logging.handlers.RotatingFileHandler(
            logs_folder() / "debug.log", maxBytes=1_000_000, backupCount=2, delay=True, errors="backslashreplace"
        )
    except OSError as error:
        log.debug("no debug log: %s", error)
        return
    form = "%(asctime)s PID: %(process)d %(filename)s:%(lineno)d - %(levelname)s - %(message)s"
    handler.setFormatter(logging.Formatter(form))
    handler.setLevel(DEBUG)
    log.addHandler(handler)

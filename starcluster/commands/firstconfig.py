"""StarCluster's menu for those who have no config yet; only where somebody answers."""

from __future__ import annotations

import os
import select
import stat
import sys
from pathlib import Path

import click

from starcluster.config import files, ini
from starcluster.logger import log

_PATIENCE = 0.5  # seconds
_MENU = """
Options:
--------
[1] Show the config template
[2] Write config template to {path}
[q] Quit
"""


def offer_config() -> None:
    """Show or write the example config, when somebody answers on stdin and the config is a file of ours."""
    path = files.config_path()
    if ini.is_url(path) or Path(path).exists() or not _is_answered():
        return
    click.echo(_MENU.format(path=path))
    click.echo("Please enter your selection: ", nl=False)
    answer = sys.stdin.readline().strip()
    if answer == "1":
        click.echo(files.example().read_text())
    elif answer == "2":
        write_example(Path(path))


def _is_answered() -> bool:
    """Somebody sits there, or a script has piped an answer; a pipe in which nothing lies is not waited for."""
    try:
        if sys.stdin.isatty():
            return True
        piped = stat.S_ISFIFO(os.fstat(sys.stdin.fileno()).st_mode)
        return piped and bool(select.select([sys.stdin], [], [], _PATIENCE)[0])
    except (OSError, ValueError, AttributeError):  # there is no stdin, or none of the system's
        return False


def write_example(path: Path) -> None:
    """Write the example config where none is; mode 0600, for secrets may come into it."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.touch(mode=0o600, exist_ok=False)
    path.write_text(files.example().read_text())
    log.info("Config template written to %s", path)

"""StarCluster's menu for those who have no config yet; only where somebody can answer."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from starcluster.config import files, ini
from starcluster.logger import log

_MENU = """
Options:
--------
[1] Show the config template
[2] Write config template to {path}
[q] Quit
"""


def offer_config() -> None:
    """Show or write the example config, when stdin is a terminal and the config is a file of ours."""
    path = files.config_path()
    if not sys.stdin.isatty() or ini.is_url(path) or Path(path).exists():
        return
    click.echo(_MENU.format(path=path))
    click.echo("Please enter your selection: ", nl=False)
    answer = sys.stdin.readline().strip()
    if answer == "1":
        click.echo(files.example().read_text())
    elif answer == "2":
        write_example(Path(path))


def write_example(path: Path) -> None:
    """Write the example config where none is; mode 0600, for secrets may come into it."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.touch(mode=0o600, exist_ok=False)
    path.write_text(files.example().read_text())
    log.info("Config template written to %s", path)

"""docs/volumes.md and drives.md: their commands are understood by the program; no verb and no kind is left out."""

from __future__ import annotations

import importlib
import re
import shlex
from pathlib import Path

import click
import pytest

from starcluster.aws import shapes
from starcluster.commands import VERBS, drive

DOCS = Path(__file__).parents[3] / "docs"
TEXT = (DOCS / "volumes.md").read_text()
DRIVES = (DOCS / "drives.md").read_text()
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", TEXT + DRIVES, re.MULTILINE | re.DOTALL)
LINES = [line for block in BLOCKS for line in block.splitlines()]


@pytest.mark.parametrize("line", LINES)
def test_a_command_is_understood(line: str) -> None:
    program, verb, *words = shlex.split(line)
    assert program == "starcluster"
    command: click.Command = importlib.import_module(f"starcluster.commands.{verb}").command
    if isinstance(command, click.Group):
        command, words = command.commands[words[0]], words[1:]
    assert command.make_context(verb, words).params


def test_every_verb_about_volumes_is_told() -> None:
    about = [name for name in VERBS if name.endswith(("volume", "volumes", "snapshot", "snapshots"))]
    assert len(about) == 11
    silent = [name for name in about if f"`{name}" not in TEXT and f"starcluster {name}" not in TEXT]
    assert silent == []


def test_every_verb_about_drives_is_told() -> None:
    silent = [name for name in drive.command.commands if f"drive {name}" not in DRIVES]
    assert silent == []


@pytest.mark.parametrize("name", shapes.KINDS)
def test_every_kind_is_in_the_table_with_its_limits(name: str) -> None:
    kind = shapes.KINDS[name]
    [row] = [line for line in TEXT.splitlines() if re.match(rf"\|[^|]*\b{name}\b[^|]*\| \d", line)]
    assert f"| {kind.sizes[0]} to {kind.sizes[1]} |" in row
    if kind.iops:
        assert f"{kind.iops[0]} to {kind.iops[1]}, up to {kind.iops_per_gib} for each GB" in row
    if kind.throughput:
        assert f"{kind.throughput[0]} to {kind.throughput[1]} MiB/s" in row

"""docs/watching.md names every event, every fact of `nodes --json` and every column, and no other ones."""

from __future__ import annotations

import re
from pathlib import Path

from starcluster.agent import daemon, drain
from starcluster.commands import liveview, nodefacts, train
from starcluster.supervisor import accounting, execute, loop, setups, succession, telling
from tests.unit.commands.test_nodes import RUNNING, facts

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs" / "watching.md").read_text()
SET_UP = {"ssh-up", "mounted", "set-up", "prepared", "drives-mounted"}  # made from what the set-up says of its progress


def first_column(heading: str) -> set[str]:
    part = TEXT.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = [line.split("|")[1] for line in part.splitlines() if line.startswith("| `")]
    return {word for row in rows for word in re.findall(r"`([a-z_-]+)`", row)}


def written() -> set[str]:
    """The events that the program may write, as its text has them."""
    found = set(SET_UP) | set(telling._EVENTS.values()) | set(telling._STAMPS)
    for module in (accounting, execute, loop, setups, succession, telling, daemon, drain):
        text = Path(module.__file__ or "").read_text()
        found |= set(re.findall(r'journal\.add(?:_once)?\(\s*(?:wish\.)?name,\s*(?:\([^)]*\),\s*)?"([a-z-]+)"', text))
        found |= set(re.findall(r'(?:\.stamp|_once)\((?:view, )?"([a-z-]+)"', text))
    return found


def test_every_event_is_documented_and_no_other() -> None:
    documented = first_column("Lines of JSON")
    assert written() - documented == set()
    # made in words that the pattern above does not see: `stamp("synced" if ... else ...)`
    assert documented - written() <= {"synced", "unmounted", "command-ended", "command-killed", "drained", "notice"}


def test_every_fact_of_nodes_is_documented_and_no_other() -> None:
    assert first_column("Looking from elsewhere") == set(facts(RUNNING).as_json())


def test_the_columns_of_the_picture_are_the_programs() -> None:
    heads = next(line for line in TEXT.splitlines() if "NAME" in line and "DOING" in line).split()
    assert set(heads) <= {one.head for one in liveview.COLUMNS}
    help_text = train.command.help or ""
    assert all(f"  {status} " in help_text for status in (0, 1, 2, 3, 130))
    assert {"TAKEN", "COST", "SAVED"} <= {one.head for one in nodefacts.COLUMNS}

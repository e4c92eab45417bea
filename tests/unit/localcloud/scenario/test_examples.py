"""The scenarios in docs/rehearsing.md can be read, and every act is described there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from starcluster.localcloud.scenario import script

PAGE = (Path(__file__).parents[4] / "docs" / "rehearsing.md").read_text()
EXAMPLES = re.findall(r"```scenario\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("text", EXAMPLES)
def test_an_example_can_be_read(text: str) -> None:
    assert script.read(text)


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 4


@pytest.mark.parametrize("verb", script.GRAMMAR)
def test_every_act_is_in_the_table_as_the_error_tells_it(verb: str) -> None:
    rows = [line.replace("\\|", "|") for line in PAGE.splitlines() if line.startswith(f"| `{verb}")]
    assert len(rows) == 1
    assert f"| `{script.GRAMMAR[verb].usage}` |" in rows[0]

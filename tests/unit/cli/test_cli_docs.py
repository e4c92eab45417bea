"""The pages made from the verbs are what the verbs say; no verb, alias or option of StarCluster's is missing."""

from __future__ import annotations

import runpy
from pathlib import Path
from types import SimpleNamespace

import click
import pytest

from starcluster.cli import cli
from starcluster.commands import VERBS
from starcluster.commands.words import whole_options

ROOT = Path(__file__).parents[3]
DOCS = SimpleNamespace(**runpy.run_path(str(ROOT / "scripts" / "cli_docs.py")))
BEFORE = DOCS.before.VERBS


@pytest.mark.parametrize("name", ["cli.md", "starcluster-verbs.md"])
def test_the_page_is_as_the_verbs_are(name: str) -> None:
    made = DOCS.pages()[name]
    assert made == (ROOT / "docs" / name).read_text(), f"docs/{name} is old: scripts/cli_docs.py writes it anew"


def test_no_page_tells_a_paths_of_this_machine() -> None:
    assert all(str(Path.home()) not in page for page in DOCS.pages().values())


@pytest.mark.parametrize("verb", BEFORE)
def test_what_starcluster_had_is_here(verb: str) -> None:
    was = BEFORE[verb]
    assert set(was.aliases.split()) <= set(VERBS[verb].aliases)
    command = cli.get_command(click.Context(cli), verb)
    assert command is not None
    here = [param for param in command.params if isinstance(param, click.Option)]
    for names in was.options.split():
        long, _, short = names.partition("/")
        [option] = [one for one in here if long in (*one.opts, *one.secondary_opts)]
        assert not short or short in (*option.opts, *option.secondary_opts), f"{verb}: {long} is not {short}"


def test_what_was_unique_in_starcluster_goes_on_meaning_the_same() -> None:
    root = click.Context(cli, info_name="starcluster")
    was = {name: (cli.get_command(root, name), one.options) for name, one in DOCS.before.VERBS.items()}
    was[""] = (cli, "--debug/-d --config/-c --region/-r --version")
    for name, (command, options) in was.items():
        before = [*(word.split("/")[0] for word in options.split()), "--help"]
        for option in before:
            prefixes = [option[:end] for end in range(3, len(option))]
            for prefix in [one for one in prefixes if [o for o in before if o.startswith(one)] == [option]]:
                assert whole_options(command, [prefix]) == [option], f"{name} {prefix}"

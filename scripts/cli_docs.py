#!/usr/bin/env python3
"""Writes docs/cli.md and docs/starcluster-verbs.md from the verbs themselves; to be run after any change of a verb.

A test compares the pages with what this makes.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).parent))
import starcluster_0_95_6 as before

from starcluster.cli import cli
from starcluster.commands import PROGRAM, VERBS

DOCS = Path(__file__).parent.parent / "docs"
HEAD = """# Command line

Made by `scripts/cli_docs.py` from the verbs themselves; do not edit. What differs from StarCluster 0.95.6:
[starcluster-verbs.md](starcluster-verbs.md).

    starcluster [global options] VERB [options] [arguments]

Long options may be shortened as long as they are unambiguous, and as long as they were in StarCluster; `VERB help`,
`VERB --help` and `help VERB` show a verb's help. Info and warning lines, lists and prompts go to stdout, errors and
progress bars to stderr. Exit status: 0 done, also after a "no" at a question; 1 an error; 2 wrong usage; `sshmaster`,
`sshnode` and `sshinstance` with a command: the remote one. Every list takes `--json`: stable names (EC2's in snake
case), times in UTC, null for what there is not, and nothing else on stdout; a list that could not be read whole is an
error, never a short list. On a terminal lists are tables, elsewhere and with `--plain` the lines that StarCluster
printed. `starcluster completion` lets your shell complete all of it.

"""


TABLE_HEAD = f"""# StarCluster's verbs, and ours

Made by `scripts/cli_docs.py`; do not edit. Every option that StarCluster 0.95.6 had is here under its name; what it
does is in [cli.md](cli.md). Everywhere:

{before.EVERYWHERE}
"""


def pages() -> dict[str, str]:
    """Both pages, by their file names."""
    return {"cli.md": manual(), "starcluster-verbs.md": table()}


def table() -> str:
    """StarCluster's verbs beside ours, then those that it did not have."""
    root = click.Context(cli, info_name=PROGRAM)
    lines = ["| verb | StarCluster's options | new options here | different here |", "| --- | --- | --- | --- |"]
    for name, was in before.VERBS.items():
        title = f"{name} [{', '.join(was.aliases.split())}]" if was.aliases else name
        new = sorted(_long(cli.get_command(root, name)) - {word.split("/")[0] for word in was.options.split()})
        lines.append(f"| {title} | {_code(was.options.split())} | {_code(new)} | {was.different} |")
    lines += ["", "## Verbs that StarCluster did not have", ""]
    lines += [f"* `{name}`: {entry.summary}" for name, entry in VERBS.items() if name not in before.VERBS]
    return TABLE_HEAD + "\n".join(lines) + "\n"


def _long(command: click.Command | None) -> set[str]:
    """The options by their long names."""
    options = [param for param in command.params if isinstance(param, click.Option)] if command else []
    return {name for one in options for name in (*one.opts, *one.secondary_opts) if name.startswith("--")}


def _code(words: Iterable[str]) -> str:
    return " ".join(f"`{word}`" for word in words)


def manual() -> str:
    """Every verb with its help and its options."""
    root = click.Context(cli, info_name=PROGRAM)
    parts = [HEAD, "## Global options\n\n", *_options(cli, root)]
    for topic in dict.fromkeys(entry.topic for entry in VERBS.values()):
        parts.append(f"\n## {topic}\n")
        for name, entry in VERBS.items():
            if entry.topic == topic:
                parts += _verb(name, entry.aliases, root)
    return "".join(parts).rstrip() + "\n"


def _verb(name: str, aliases: tuple[str, ...], root: click.Context) -> Iterator[str]:
    command = cli.get_command(root, name)
    assert command is not None
    also = f" ({', '.join(aliases)})" if aliases else ""
    yield f"\n### {name}{also}\n\n"
    yield from _about(command, click.Context(command, info_name=name, parent=root))


def _about(command: click.Command, ctx: click.Context) -> Iterator[str]:
    yield f"    {_usage(command, ctx)}\n\n"
    yield f"{_text(command)}\n"
    options = list(_options(command, ctx))
    if options:
        yield "\n"
        yield from options
    if isinstance(command, click.Group):
        for name, child in command.commands.items():
            inner = click.Context(child, info_name=name, parent=ctx)
            yield f"\n#### {inner.command_path.removeprefix(PROGRAM).strip()}\n\n"
            yield from _about(child, inner)


def _usage(command: click.Command, ctx: click.Context) -> str:
    return " ".join([ctx.command_path, *command.collect_usage_pieces(ctx)])


def _text(command: click.Command) -> str:
    """The help in paragraphs; what click is told not to wrap becomes a block of code."""
    found = []
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        if not paragraph.startswith("\b\n"):
            found.append(" ".join(paragraph.split()))
            continue
        title, *lines = paragraph.removeprefix("\b\n").splitlines()
        found.append("\n".join([title, "", *("    " + line.strip() for line in lines)]))
    return "\n\n".join(found)


def _options(command: click.Command, ctx: click.Context) -> Iterator[str]:
    for param in command.params:
        told = param.get_help_record(ctx) if isinstance(param, click.Option) else None
        if told is not None:
            yield f"* `{told[0]}`: {re.sub(' +', ' ', told[1])}\n"


def main() -> int:
    for name, text in pages().items():
        (DOCS / name).write_text(text)
        print(f"docs/{name} is written")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""starcluster config check|policy"""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from starcluster.commands.listing import show_json
from starcluster.commands.words import Words
from starcluster.logger import only_stderr

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starcluster.app import App
    from starcluster.commands.configfacts import Meaning, Part, Report, Setting
    from starcluster.permissions import Need


@click.group(cls=Words)
def command() -> None:
    """The config: what it means, and what is wrong with it.

    \b
    Example:
      starcluster config check
    """


@command.command()
@click.argument("template", required=False)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_obj
def check(app: App, /, *, template: str | None, as_json: bool) -> int:
    """Show what a cluster TEMPLATE means (all of them without one) after EXTENDS, and find every mistake.

    First comes what is wrong; the exit status is 1 when something is. Then each setting with its value and the file
    and section where it stands, of a named TEMPLATE the defaults too, and on AWS the permissions that such clusters
    need. No cloud is asked or started.

    \b
    Examples:
      starcluster config check
      starcluster config check smallcluster --json
    """
    from starcluster.commands import configfacts

    with only_stderr() if as_json else nullcontext():  # plugins are made, and may print
        found = configfacts.report(app.options.config, app.options.cloud, template)
    if as_json:
        show_json(_as_words(found))
    else:
        _show(found, defaults=template is not None)
    return 1 if found.problems else 0


@command.command()
@click.option("-f", "--feature", "features", multiple=True, metavar="NAME", help="Only what this needs; repeatable.")
@click.option("--features", "listed", is_flag=True, help="Show the features and what each is for.")
@click.option("--partition", type=click.Choice(["aws", "aws-cn", "aws-us-gov"]), default="aws", show_default=True)
def policy(*, features: tuple[str, ...], listed: bool, partition: str) -> None:
    """Print the IAM policy for whoever runs this program: what its verbs ask of AWS, and nothing else.

    \b
    Examples:
      starcluster config policy > iam-policy.json
      starcluster config policy --feature look --feature ssh
      starcluster config policy --features
    """
    from starcluster.permissions import FEATURES
    from starcluster.policy import document

    for name in features:
        if name not in FEATURES:
            raise click.UsageError(f"there is no feature '{name}'; --features shows them")
    if listed:
        width = max(len(name) for name in FEATURES)
        for one in FEATURES.values():
            click.echo(f"{one.name.ljust(width)}  {one.what}")
        return
    click.echo(json.dumps(document(features, partition=partition), indent=2))


def _as_words(found: Report) -> dict[str, Any]:
    words = asdict(found)
    words["ok"] = not found.problems
    return words


def _show(found: Report, *, defaults: bool) -> None:
    """What templates share is shown once."""
    click.echo(f"config: {found.path}\ncloud: {found.cloud}\n")
    _show_problems(found)
    for part in found.general:
        _show_part(part, found.path)
    for meaning in found.templates:
        _show_template(meaning, found.path, defaults=defaults)
    for part in dict.fromkeys(part for one in found.templates for part in one.uses):
        _show_part(part, found.path)
    _show_needs("AWS permissions of who starts and ends them:", [one.needs for one in found.templates])
    _show_needs("AWS permissions of their nodes (by IAM_PROFILE):", [one.nodes_need for one in found.templates])
    if found.templates and not defaults:
        click.echo("The defaults of a template too: starcluster config check TEMPLATE")
    click.echo(f"Problems: {len(found.problems)}")


def _show_problems(found: Report) -> None:
    for number, problem in enumerate(found.problems, 1):
        click.echo(f"problem {number}: {problem.message}")
        for line in problem.hint.splitlines():
            click.echo(f"    {line}")
    for note in found.notes:
        click.echo(f"note: {note}")
    if found.problems or found.notes:
        click.echo()


def _show_part(part: Part, path: str) -> None:
    click.echo(f"[{part.title}]")
    _table(_written(part.settings), path)


def _show_template(meaning: Meaning, path: str, *, defaults: bool) -> None:
    line = "".join(f" < [{title}]" for title in meaning.extends)
    click.echo(f"[cluster {meaning.name}]{line}")
    _table(meaning.settings if defaults else _written(meaning.settings), path)


def _written(settings: Sequence[Setting]) -> list[Setting]:
    """Of the rest it is enough to know that there is a default."""
    return [one for one in settings if one.section]


def _table(settings: Sequence[Setting], path: str) -> None:
    rows = [(one.name, one.value.replace("\n", "\\n"), _where(one, path)) for one in settings]
    name_width = max((len(name) for name, _, _ in rows), default=0)
    value_width = min(max((len(value) for _, value, _ in rows), default=0), 48)
    for name, value, where in rows:
        click.echo(f"  {name.ljust(name_width)} = {value.ljust(value_width)}  {where}".rstrip())
    click.echo()


def _where(one: Setting, path: str) -> str:
    if not one.section:
        return "default"
    return f"[{one.section}]" if one.file == path else f"{one.file} [{one.section}]"


def _show_needs(title: str, of_each: Sequence[Sequence[Need]]) -> None:
    needs = list(dict.fromkeys(need for some in of_each for need in some))
    if not needs:
        return
    click.echo(title)
    width = max(len(need.action) for need in needs)
    for need in needs:
        click.echo(f"  {need.action.ljust(width)}  {', '.join(_on(need))}")
    click.echo()


def _on(need: Need) -> list[str]:
    return [f"{' '.join(one.kinds)}{f' if {one.only}' if one.only else ''}" for one in need.on]

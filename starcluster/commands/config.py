"""starcluster config check|policy"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from starcluster.commands.words import Words

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

    Each setting is shown with its value and the file and section where it stands. Then come the AWS permissions that
    such a cluster needs, and what is wrong; the exit status is 1 when something is. No cloud is asked or started.

    \b
    Examples:
      starcluster config check
      starcluster config check smallcluster --json
    """
    from starcluster.commands import configfacts

    found = configfacts.report(app.options.config, app.options.cloud, template)
    if as_json:
        click.echo(json.dumps(_as_words(found), indent=2))
    else:
        _show(found)
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


def _show(found: Report) -> None:
    click.echo(f"config: {found.path}\ncloud: {found.cloud}\n")
    for part in found.general:
        _show_part(part, found.path)
    for meaning in found.templates:
        _show_template(meaning, found.path)
    for number, problem in enumerate(found.problems, 1):
        click.echo(f"problem {number}: {problem.message}")
        for line in problem.hint.splitlines():
            click.echo(f"    {line}")
    for note in found.notes:
        click.echo(f"note: {note}")
    click.echo(f"Problems: {len(found.problems)}")


def _show_part(part: Part, path: str, indent: str = "") -> None:
    """What is written; of the rest it is enough to know that there is a default."""
    written = [one for one in part.settings if one.section]
    click.echo(f"{indent}[{part.title}]")
    _table(written, path, indent)


def _show_template(meaning: Meaning, path: str) -> None:
    line = "".join(f" < [{title}]" for title in meaning.extends)
    click.echo(f"[cluster {meaning.name}]{line}")
    _table(meaning.settings, path)
    for part in meaning.uses:
        _show_part(part, path)
    if meaning.needs:
        click.echo("AWS permissions of who starts and ends it:")
        _show_needs(meaning.needs)
    if meaning.nodes_need:
        click.echo("AWS permissions of its nodes (the role of IAM_PROFILE):")
        _show_needs(meaning.nodes_need)


def _table(settings: Sequence[Setting], path: str, indent: str = "") -> None:
    rows = [(one.name, one.value.replace("\n", "\\n"), _where(one, path)) for one in settings]
    name_width = max((len(name) for name, _, _ in rows), default=0)
    value_width = min(max((len(value) for _, value, _ in rows), default=0), 48)
    for name, value, where in rows:
        click.echo(f"{indent}  {name.ljust(name_width)} = {value.ljust(value_width)}  {where}".rstrip())
    click.echo()


def _where(one: Setting, path: str) -> str:
    if not one.section:
        return "default"
    return f"[{one.section}]" if one.file == path else f"{one.file} [{one.section}]"


def _show_needs(needs: Sequence[Need]) -> None:
    width = max(len(need.action) for need in needs)
    for need in needs:
        click.echo(f"  {need.action.ljust(width)}  {', '.join(_on(need))}")
    click.echo()


def _on(need: Need) -> list[str]:
    return [f"{' '.join(one.kinds)}{f' if {one.only}' if one.only else ''}" for one in need.on]

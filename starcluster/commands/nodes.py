"""starcluster nodes TAG"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from starcluster import names

if TYPE_CHECKING:
    from starcluster.app import App
    from starcluster.cluster.namerecord import NameRecord
    from starcluster.model import Instance

_HEADS = ("NAME", "STATE", "INSTANCE", "TYPE", "ZONE", "MARKET", "MACHINES", "ATTEMPT", "PROGRESS", "WHAT")


@click.command()
@click.argument("tag")
@click.pass_obj
def command(app: App, tag: str) -> None:
    """Show the named nodes of a cluster: where they are, how far, what became of them.

    MACHINES counts the instances that had the name so far, ATTEMPT the starts of its command.

    \b
    Example:
      starcluster nodes mycluster
    """
    from starcluster.cluster.namerecord import NameRecords

    cluster = app.clusters.get(tag)
    records = NameRecords(app.ec2.templates, tag).find()
    instances = app.ec2.instances.find(cluster=tag)
    reports = _reports(cluster, [record.name for record in records.values()])
    rows = [
        _row(record, _current(record, instances), reports.get(record.name)) for _, record in sorted(records.items())
    ]
    if not rows:
        click.echo(f"{tag} has no named nodes: starcluster train NODE makes one")
        return
    _show([_HEADS, *rows])


def _reports(cluster: Any, wanted: list[str]) -> dict[str, dict[str, Any]]:
    """What the nodes said last; {} when the master can not be asked: the rest is worth showing without."""
    from starcluster import exception
    from starcluster.supervisor import agentlink

    if not wanted:
        return {}
    try:
        answer = agentlink.call(cluster.running_master().ssh, "look", names=wanted)
    except exception.BaseException:
        return {}
    return {name: one["report"] for name, one in answer["reports"].items() if one["report"]}


def _current(record: NameRecord, instances: Sequence[Instance]) -> Instance | None:
    mine = [one for one in instances if names.fold(one.alias) == names.fold(record.name)]
    return next((one for one in mine if one.id == record.born and not one.state.is_gone), None)


def _row(record: NameRecord, instance: Instance | None, report: Mapping[str, Any] | None) -> tuple[str, ...]:
    run = (report or {}).get("run") or {}
    here = instance is not None and (report or {}).get("instance_id") == instance.id
    progress = f"{run['step']}/{run['total']}" if run.get("total") else "-"
    return (
        record.name,
        str(instance.state) if instance else "none",
        instance.id if instance else "-",
        instance.instance_type if instance else "-",
        instance.zone if instance else "-",
        str(instance.market) if instance else "-",
        str(record.generation),
        str(record.attempt.number or "-"),
        progress,
        _what(record, report if here else None, instance),
    )


def _what(record: NameRecord, report: Mapping[str, Any] | None, instance: Instance | None) -> str:
    """One phrase: the outcome; or what the node does; or, without a node, what is done about it."""
    if record.outcome:
        status = "" if record.outcome.exit in (0, None) else f", exit status {record.outcome.exit}"
        return f"{record.outcome.state} {record.outcome.at:%Y-%m-%d %H:%M:%S} UTC{status}"
    if report:
        return str(report["phase"])
    if instance is not None:
        return "being set up" if instance.state.is_alive else str(instance.state)
    if record.lease is None:
        return "has no machine, and nobody watches it: starcluster train " + record.name
    since = f" since {record.asking_since:%H:%M:%S} UTC" if record.asking_since else ""
    return "being requested" + since if record.intent and not record.born else "waits for a machine" + since


def _show(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        click.echo("  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip())

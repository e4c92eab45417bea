"""starcluster nodes TAG"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from starcluster.commands.listing import Form, forms, show_json, show_rows

if TYPE_CHECKING:
    from starcluster.app import App
    from starcluster.cluster.namerecord import NameRecord
    from starcluster.commands.nodefacts import NodeFacts


@click.command()
@click.argument("tag")
@click.option("--active", is_flag=True, help="Only names that have a machine, or that a driver is watching.")
@forms
@click.pass_obj
def command(app: App, /, *, tag: str, active: bool, form: Form) -> None:
    """Show the named nodes of a cluster: where they are, how far, what they cost, what became of them.

    USD/H is the price of the machine at this moment. TAKEN counts how often EC2 took the machine, ATTEMPT the
    starts of the command. COST and SAVED (against on-demand) are estimated in US dollars over all the machines that
    the name has had: from their times and EC2's spot price history; without volumes, traffic and the master. "?" is
    what is not known. docs/watching.md tells what --json says.

    \b
    Examples:
      starcluster nodes mycluster
      starcluster nodes --active --json mycluster
    """
    from starcluster.cluster.costs import Meter, of_name
    from starcluster.cluster.namerecord import NameRecords
    from starcluster.commands.nodefacts import facts_of

    cluster = app.clusters.get(tag)
    records = sorted(NameRecords(app.ec2.templates, tag).find().items())
    instances = app.ec2.instances.find(cluster=tag)
    reports = _reports(cluster, [record.name for _, record in records])
    meter = Meter(app.ec2, app.clock)
    facts = [
        facts_of(record, of_name(instances, record.name), reports.get(record.name), meter.ask, meter.now())
        for _, record in records
    ]
    shown = [one for one in facts if not active or one.is_active]
    _show(shown, tag, [record for _, record in records], form)


def _reports(cluster: Any, wanted: list[str]) -> dict[str, dict[str, Any]]:
    """What the nodes said last; {} when the master can not be asked: the rest is worth showing without."""
    from starcluster import exception
    from starcluster.logger import log
    from starcluster.supervisor import agentlink

    if not wanted:
        return {}
    try:
        answer = agentlink.call(cluster.running_master().ssh, "look", names=wanted)
    except exception.BaseException as error:
        log.warning(
            "what the nodes do is not known: the master can not be asked: %s", error, extra={"__stderr__": True}
        )
        return {}
    return {name: one["report"] for name, one in answer["reports"].items() if one["report"]}


def _show(facts: Sequence[NodeFacts], tag: str, records: Sequence[NameRecord], form: Form) -> None:
    if form is Form.JSON:
        show_json([one.as_json() for one in facts])
    elif not facts:
        every = f"; without --active {len(records)} more" if records else ": starcluster train NODE makes one"
        click.echo(f"{tag} has no {'active' if records else 'named'} nodes{every}")
    elif form is Form.TABLE:
        from starcluster.commands.nodefacts import COLUMNS

        show_rows(COLUMNS, [one.words() for one in facts])
    else:
        _show_lines(facts)


def _show_lines(facts: Sequence[NodeFacts]) -> None:
    """Words in columns, the same ones whatever the width: for other programs to read, too."""
    from starcluster.commands.nodefacts import COLUMNS

    rows = [[one.head for one in COLUMNS], *(one.words() for one in facts)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        click.echo("  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip())

"""starcluster sshrules [TAG...]"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from starcluster import exception, names
from starcluster.cluster import sshrules
from starcluster.commands.asking import confirm_option, confirmed
from starcluster.commands.listclusters import chosen
from starcluster.commands.listing import Form, forms, show_list
from starcluster.commands.tables import Column
from starcluster.logger import log

if TYPE_CHECKING:
    from starcluster.app import App
    from starcluster.model import Permission, SecurityGroup

COLUMNS = {
    "cluster": Column(head="CLUSTER", style="bold"),
    "machine": Column(head="MACHINE"),
    "cidr": Column(head="FROM"),
    "made_by": Column(head="RULE OF", rank=1),
}
THIS = "this machine"


@dataclass(frozen=True, kw_only=True)
class Found:
    """A rule of a cluster's group by which SSH comes in."""

    group: SecurityGroup
    rule: Permission

    @property
    def cluster(self) -> str:
        return names.cluster_tag(self.group.name)

    @property
    def machine(self) -> str:
        """Who made it; "" where it is no machine's own."""
        return sshrules.machine_of(self.rule)


@click.command()
@click.argument("tags", metavar="[TAG]...", nargs=-1)
@click.option(
    "-r", "--remove", "gone", multiple=True, metavar="MACHINE", help="Let this machine, or address, in no more."
)
@click.option("-o", "--remove-others", is_flag=True, help="Let no machine in but this one.")
@confirm_option
@forms
@click.pass_obj
def command(
    app: App, /, *, tags: tuple[str, ...], gone: tuple[str, ...], remove_others: bool, confirm: bool, form: Form
) -> None:
    """Show who may ssh to clusters, all of them or those named, or take that back, say from a lost laptop.

    Each machine that uses a cluster lets its own address in, by a rule with its name, and takes that back itself when
    it has moved. Rules of [permission] sections are the config's (`reload`); those of other people are theirs.

    \b
    Examples:
      starcluster sshrules
      starcluster sshrules mycluster --remove mylaptop
    """
    groups = chosen(app.ec2.network.groups(names.GROUP_PREFIX), tags)
    found = [Found(group=group, rule=rule) for group in groups for rule in sshrules.open_to(group.permissions)]
    if not gone and not remove_others:
        blocks = [_block(one) for one in found]
        show_list(form, words=[_words(one) for one in found], blocks=blocks, columns=COLUMNS, what="SSH rules")
        return
    _remove(app, list(_to_go(found, gone, others=remove_others)), confirm=confirm)


def _to_go(found: Sequence[Found], gone: Sequence[str], *, others: bool) -> Iterator[Found]:
    """The machines' own rules that are meant; UsageError for a word that means none."""
    own = [one for one in found if one.machine]
    for word in gone:
        if not any(word in _known_by(one) for one in own):
            known = ", ".join(sorted({one.machine for one in own})) or "none"
            raise exception.UsageError(
                f"no machine of the name or address '{word}' is let in", hint=f"machines that are: {known}"
            )
    for one in own:
        if any(word in _known_by(one) for word in gone) or (others and one.machine != sshrules.this_machine()):
            yield one


def _known_by(one: Found) -> tuple[str, ...]:
    return one.machine, one.rule.cidr, one.rule.cidr.removesuffix("/32")


def _remove(app: App, going: Sequence[Found], *, confirm: bool) -> None:
    if not going:
        log.info("No other machine is let in")
        return
    for one in going:
        click.echo(f"{one.cluster}: {one.machine} from {one.rule.cidr}")
    if not confirmed("Let them in no more", sure=confirm):
        return
    for one in going:
        app.ec2.network.revoke(one.group.id, [one.rule])
        log.info("SSH to %s is not open to %s any more (%s)", one.group.name, one.rule.cidr, one.machine)
    if any(one.machine == sshrules.this_machine() for one in going):
        log.info("This machine is let in again by the next command that uses SSH")


def _block(one: Found) -> dict[str, object]:
    mine = one.machine == sshrules.this_machine()
    return {
        "cluster": one.cluster,
        "machine": f"{one.machine} ({THIS})" if mine else one.machine or "N/A",
        "cidr": one.rule.cidr,
        "made_by": _made_by(one),
    }


def _made_by(one: Found) -> str:
    if one.machine:
        return "the machine"
    return f"[permission {one.rule.description}], or a person" if one.rule.description else "a person, or a plugin"


def _words(one: Found) -> dict[str, Any]:
    """EC2's names; `machine`: who made the rule, null where no machine did."""
    return {
        "cluster": one.cluster,
        "security_group_id": one.group.id,
        "machine": one.machine or None,
        "this_machine": one.machine == sshrules.this_machine(),
        "cidr_ip": one.rule.cidr,
        "ip_protocol": one.rule.protocol,
        "from_port": one.rule.from_port,
        "to_port": one.rule.to_port,
        "description": one.rule.description or None,
    }

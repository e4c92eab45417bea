"""starcluster listclusters [TAG...]"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

import click

from starcluster import __version__, exception, names
from starcluster.aws.network import several
from starcluster.cluster import record
from starcluster.commands import listinstances
from starcluster.commands.listing import Form, forms, iso, show_json, show_table
from starcluster.commands.showing import NONE, local_time, uptime
from starcluster.commands.tables import Column
from starcluster.logger import log
from starcluster.model import InstanceState

if TYPE_CHECKING:
    from starcluster.app import App
    from starcluster.model import Instance, SecurityGroup, SpotRequest

T = TypeVar("T")
ByGroup = dict[str, list[T]]
Record = record.ClusterRecord | exception.IncompatibleCluster  # the latter says why there is none to be read
COLUMNS = {
    "alias": Column(head="NODE", style="bold"),
    "state": Column(head="STATE"),
    "id": Column(head="INSTANCE", rank=2),
    "type": Column(head="TYPE", rank=1),
    "market": Column(head="MARKET", rank=3),
    "zone": Column(head="ZONE", rank=4),
    "address": Column(head="ADDRESS", fold=15),
    "ssh": Column(head="SSH"),
}
_SSH_LIMIT = 5.0
_FILTER_VALUES = 200  # EC2 takes no more values in one filter; for more clusters it is asked for everything
_IN_CLUSTER = tuple(state for state in InstanceState if state.is_in_cluster)


@click.command()
@click.argument("tags", metavar="[TAG]...", nargs=-1)
@click.option("-s", "--show-ssh-status", is_flag=True, help="Tell for each node whether SSH answers.")
@forms
@click.pass_obj
def command(app: App, /, *, tags: tuple[str, ...], show_ssh_status: bool, form: Form) -> int:
    """Show all clusters, or those named.

    One whose record can not be read is shown like the others, with an error on stderr and exit status 1; one of another
    program (StarCluster 0.95.6, say), or of a newer version of this one, with a warning.

    \b
    Example:
      starcluster listclusters mycluster
    """
    groups = app.ec2.network.groups(names.GROUP_PREFIX)
    if not groups and not tags and form is not Form.JSON:
        log.info("No clusters found...")
    wanted = chosen(groups, tags)
    nodes, spots = members(app, wanted)
    ssh = ssh_status(app, [node for some in nodes.values() for node in some]) if show_ssh_status else {}
    records = {group.id: _record(group) for group in wanted}
    if form is Form.JSON:
        show_json([as_words(group, records[group.id], nodes[group.id], spots[group.id], ssh) for group in wanted])
    else:
        for group in wanted:
            show(group, nodes[group.id], spots[group.id], ssh, form)
    by_name = _by_name(wanted)
    return max([_tell_trouble(records[same[0].id], *same) for same in by_name.values()], default=0)


def _record(group: SecurityGroup) -> Record:
    try:
        return record.from_tags(group.tags, tag=names.cluster_tag(group.name))
    except exception.IncompatibleCluster as error:
        return error


def _by_name(groups: Sequence[SecurityGroup]) -> dict[str, list[SecurityGroup]]:
    """By the cluster's name, its group; several VPCs may have one of a name, and then no other verb goes near it."""
    found: dict[str, list[SecurityGroup]] = {}
    for group in groups:
        found.setdefault(names.cluster_tag(group.name), []).append(group)
    return found


def _tell_trouble(found: Record, group: SecurityGroup, *others: SecurityGroup) -> int:
    """Say what is wrong with the cluster's record; the exit status that follows."""
    if others:
        log.error("%s", several([group, *others]).explain())
        return 1
    if isinstance(found, exception.IncompatibleCluster):
        if record.SCHEMA in group.tags:
            log.error("%s", found.explain())
            return 1
        log.warning("%s: it is shown only", found.msg, extra={"__stderr__": True})
    elif found.is_newer:
        told = "cluster '%s' was made by starcluster %s, this is %s: it is shown, and changed by that version only"
        log.warning(told, names.cluster_tag(group.name), found.version, __version__, extra={"__stderr__": True})
    return 0


def chosen(groups: Sequence[SecurityGroup], tags: Sequence[str]) -> list[SecurityGroup]:
    """The groups of these clusters, all without tags; ClusterDoesNotExist for an unknown one."""
    known = _by_name(groups)
    for tag in tags:
        if tag not in known:
            hint = f"active clusters: {', '.join(sorted(known))}" if known else ""
            raise exception.ClusterDoesNotExist(f"cluster '{tag}' does not exist", hint=hint)
    return [group for tag in dict.fromkeys(tags) for group in known[tag]] if tags else list(groups)


def members(app: App, groups: Sequence[SecurityGroup]) -> tuple[ByGroup[Instance], ByGroup[SpotRequest]]:
    """By group id, the instances that are not gone and the spot requests; two calls for any number of clusters."""
    if not groups:
        return {}, {}
    few = groups if len(groups) <= _FILTER_VALUES else ()
    instances = app.ec2.instances.find(group_id=[group.id for group in few], states=_IN_CLUSTER)
    requests = app.ec2.spot.find(cluster=[names.cluster_tag(group.name) for group in few])
    instances.sort(key=lambda one: (not names.is_master(one.alias), one.alias, one.id))
    nodes: ByGroup[Instance] = {group.id: [] for group in groups}
    for one in instances:
        for group_id in nodes.keys() & set(one.group_ids):
            nodes[group_id].append(one)
    by_tag: ByGroup[SpotRequest] = defaultdict(list)
    for request in requests:
        by_tag[request.tags.get(record.CLUSTER, "")].append(request)
    return nodes, {group.id: by_tag[names.cluster_tag(group.name)] for group in groups}


def ssh_status(app: App, nodes: Sequence[Instance]) -> dict[str, str]:
    """Instance id -> "Up" or "Down", all asked at once."""
    if not nodes:
        return {}
    with ThreadPoolExecutor(min(len(nodes), 32)) as pool:
        answers = pool.map(lambda node: _answers(app, node), nodes)
        return {node.id: "Up" if up else "Down" for node, up in zip(nodes, answers, strict=True)}


def _answers(app: App, node: Instance) -> bool:
    """An SSH server greets first: a mere open port is not enough."""
    from starcluster.ssh.access import Access

    if not node.state.is_alive or not node.address:
        return False
    try:
        with Access(key_file=None, dialer=app.cloud.dialer).way_to(node.id).dial(node.address, 22, _SSH_LIMIT) as sock:
            sock.settimeout(_SSH_LIMIT)
            return sock.recv(4) == b"SSH-"
    except (OSError, exception.BaseException):
        return False


def show(
    group: SecurityGroup, nodes: Sequence[Instance], spots: Sequence[SpotRequest], ssh: dict[str, str], form: Form
) -> None:
    first = nodes[0] if nodes else None
    started = first.launched if first and first.state.is_alive else None
    title = f"{names.cluster_tag(group.name)} (security group: {group.name})"
    lines = ["-" * len(title), title, "-" * len(title)]
    lines += [f"Launch time: {local_time(started)}", f"Uptime: {uptime(started)}"]
    if group.vpc_id:
        lines += [f"VPC: {group.vpc_id}", f"Subnet: {(first and first.subnet_id) or NONE}"]
    lines += [f"Zone: {(first and first.zone) or NONE}", f"Keypair: {(first and first.key_name) or NONE}"]
    lines += [*_volume_lines(nodes), *_spot_lines(spots)]
    if form is Form.TABLE and nodes:
        click.echo("\n".join([*lines, ""]))
        columns = {name: column for name, column in COLUMNS.items() if ssh or name != "ssh"}
        show_table(columns, [_node_row(node, ssh.get(node.id, "")) for node in nodes])
        lines = []
    else:
        lines += _node_lines(nodes, ssh)
    click.echo("\n".join([*lines, f"Total nodes: {len(nodes)}", ""]))


def _node_row(node: Instance, ssh: str) -> dict[str, object]:
    return {
        "alias": node.alias,
        "state": node.state,
        "id": node.id,
        "type": node.instance_type,
        "market": node.market,
        "zone": node.zone,
        "address": node.address or NONE,
        "ssh": ssh,
    }


def _volume_lines(nodes: Sequence[Instance]) -> list[str]:
    lines = [
        f"    {device.volume_id} on {node.alias}:{device.device} (status: {device.state})"
        for node in nodes
        for device in node.data_devices
    ]
    return ["EBS volumes:", *lines] if lines else [f"EBS volumes: {NONE}"]


def _spot_lines(spots: Sequence[SpotRequest]) -> list[str]:
    counts = Counter(str(spot.state) for spot in spots if spot.state.is_live)
    said = [f"{counts[state]} {state}" for state in ("active", "open") if counts[state]]
    return [f"Spot requests: {', '.join(said)}"] if said else []


def _node_lines(nodes: Sequence[Instance], ssh: dict[str, str]) -> list[str]:
    lines = [_node_line(node, ssh.get(node.id, "")) for node in nodes]
    return ["Cluster nodes:", *lines] if lines else [f"Cluster nodes: {NONE}"]


def _node_line(node: Instance, ssh: str) -> str:
    spot = f" (spot {node.spot_request_id})" if node.spot_request_id else ""
    mark = f" (SSH: {ssh})" if ssh else ""
    return f"    {node.alias:>7} {node.state} {node.id} {node.address or NONE}{spot}{mark}"


def as_words(
    group: SecurityGroup,
    found: Record,
    nodes: Sequence[Instance],
    spots: Sequence[SpotRequest],
    ssh: dict[str, str],
) -> dict[str, Any]:
    """EC2's names; of the nodes what listinstances tells, and `ssh`: "Up", "Down", or null where it was not asked."""
    first = nodes[0] if nodes else None
    started = first.launched if first and first.state.is_alive else None
    return {
        "cluster": names.cluster_tag(group.name),
        "readable": not isinstance(found, exception.IncompatibleCluster),
        "security_group": group.name,
        "security_group_id": group.id,
        "launch_time": iso(started),
        "vpc_id": group.vpc_id or None,
        "subnet_id": (first and first.subnet_id) or None,
        "availability_zone": (first and first.zone) or None,
        "key_name": (first and first.key_name) or None,
        "spot_requests": dict(Counter(spot.state.value for spot in spots if spot.state.is_live)),
        "nodes": [{**listinstances.as_words(node), "ssh": ssh.get(node.id)} for node in nodes],
    }

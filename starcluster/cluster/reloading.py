"""`reload`: today's template in the place of what a running cluster was started with, as far as that can be."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starcluster import __version__
from starcluster.cluster import validation
from starcluster.cluster.launching import named_subnet
from starcluster.cluster.openports import Following, following, shown
from starcluster.cluster.record import ClusterRecord, PluginRecord

if TYPE_CHECKING:
    from starcluster.cluster.cluster import Cluster, Clusters
    from starcluster.config.schema import ClusterTemplate
    from starcluster.model import Permission

_PLACED = "the nodes are there already"
_MASTER = "the master is there already; a new start has it"
# by the record's field: what stays on a running cluster, and why
FIXED: Mapping[str, str] = {
    "keyname": "the nodes were launched with that key pair",
    "dns_prefix": "the nodes have their names",
    "cluster_user": "the user and its files are on the nodes",
    "zone": _PLACED,
    "placement_group": _PLACED,
    "volumes": "attachvolume --share and detachvolume change the volumes of a running cluster",
    "master_image": _MASTER,
    "master_type": _MASTER,
    "master_spot_bid": _MASTER,
    "force_spot_master": _MASTER,
}
_NAMES: Mapping[str, str] = {
    "master_image": "MASTER_IMAGE_ID",
    "master_type": "MASTER_INSTANCE_TYPE",
    "node_image": "NODE_IMAGE_ID",
    "node_type": "NODE_INSTANCE_TYPE",
    "node_kinds": "NODE_INSTANCE_TYPE (the list)",
    "other_types": "NODE_INSTANCE_TYPES_OR",
    "zone": "AVAILABILITY_ZONE",
    "zones": "AVAILABILITY_ZONE (of workers)",
}
_OURS = ("schema", "version")
_ONE_BY_ONE = ("plugins", "rules")
_SECRET = re.compile(r"pass|secret|token|key", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Change:
    """One setting that differs; `stays`: why the cluster keeps what it has, "" when it takes the new value."""

    setting: str
    before: str
    after: str
    stays: str = ""


def changes(before: ClusterRecord, after: ClusterRecord) -> list[Change]:
    """What the template would change, in the order of the record; the plugins one by one."""
    return [*_settings(before, after), *_plugins(before.plugins, after.plugins)]


def changes_of_rules(found: Following) -> list[Change]:
    """The rules of the group that come and go."""
    added = [Change(setting=_section(one), before="none", after=shown(one)) for one in found.added]
    taken = [Change(setting=_section(one), before=shown(one), after="none") for one in found.taken]
    ssh = [Change(setting="SSH from this machine", before=one.cidr, after="as PERMISSIONS say") for one in found.ssh]
    return [*added, *taken, *ssh]


def _section(rule: Permission) -> str:
    return f"permission {rule.description}"


def rules(cluster: Cluster, after: ClusterRecord) -> Following:
    """How the group's rules follow the template's [permission] sections."""
    return following(cluster.record.rules, after.rules, cluster.group.permissions)


def take_over(cluster: Cluster, after: ClusterRecord, found: Following) -> None:
    """Open before anything is shut; the record last. May be repeated after a kill."""
    network, group_id = cluster.ec2.network, cluster.group.id
    network.authorize(group_id, found.added)
    network.revoke(group_id, [*found.taken, *found.ssh])
    cluster.save(dataclasses.replace(merged(cluster.record, after), rules=found.ours))


def merged(before: ClusterRecord, after: ClusterRecord) -> ClusterRecord:
    """The new record: all that may change from the template, the rest as it was."""
    kept = {name: getattr(before, name) for name in FIXED}
    return dataclasses.replace(after, **kept, schema=before.schema, version=__version__)


def _settings(before: ClusterRecord, after: ClusterRecord) -> Iterator[Change]:
    for field in dataclasses.fields(ClusterRecord):
        old, new = getattr(before, field.name), getattr(after, field.name)
        if field.name in (*_OURS, *_ONE_BY_ONE) or old == new or (field.name == "zone" and not new):
            continue
        yield Change(
            setting=_NAMES.get(field.name, field.name.upper()),
            before=_shown(old),
            after=_shown(new),
            stays=FIXED.get(field.name, ""),
        )


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(_item(one) for one in value) or "none"
    return "none" if value in (None, "") else f"{value:g}" if isinstance(value, float) else str(value)


def _item(one: Any) -> str:
    if isinstance(one, str):  # a user data script: its first line that says something
        return one if "\n" not in one else f"a script of {len(one.splitlines())} lines"
    return str(getattr(one, "instance_type", "") or getattr(one, "name", one))


def _plugins(before: Sequence[PluginRecord], after: Sequence[PluginRecord]) -> Iterator[Change]:
    old, new = {one.name: one for one in before}, {one.name: one for one in after}
    for name in new.keys() - old.keys():
        yield Change(setting=f"plugin {name}", before="none", after=new[name].setup_class)
    for name in old.keys() - new.keys():
        yield Change(setting=f"plugin {name}", before=old[name].setup_class, after="none")
    for name in [name for name in old if name in new]:
        yield from _plugin(old[name], new[name])
    order = [name for name in old if name in new]
    if order != [name for name in new if name in old]:
        yield Change(setting="PLUGINS (their order)", before=", ".join(old), after=", ".join(new))


def _plugin(old: PluginRecord, new: PluginRecord) -> Iterator[Change]:
    if old.setup_class != new.setup_class:
        yield Change(setting=f"plugin {old.name}", before=old.setup_class, after=new.setup_class)
    for key in dict.fromkeys([*old.settings, *new.settings]):
        values = old.settings.get(key), new.settings.get(key)
        if values[0] != values[1]:
            before, after = ("***" if value and _SECRET.search(key) else value or "none" for value in values)
            yield Change(setting=f"plugin {old.name}: {key.upper()}", before=before, after=after)


def prepare(clusters: Clusters, cluster: Cluster, template: ClusterTemplate) -> ClusterRecord:
    """The cluster as the template would have it, checked as at a start: plugins load, images fit types."""
    before = cluster.record
    before.check_writable(cluster.tag)
    _ = cluster.master_node
    found = validation.prepare(clusters, cluster.tag, template)
    if found.record.subnet_id:
        named_subnet(cluster, found.record.subnet_id)
    new = merged(before, found.record)
    validation.validate(
        clusters, dataclasses.replace(found, record=new, key_file=str(cluster.access.key_file or found.key_file))
    )
    return found.record

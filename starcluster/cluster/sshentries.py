"""What stands in the user's ssh config for each node, and how that follows the nodes.

Once `starcluster sshconfig` has made the file, every verb and the driver write a cluster's entries anew when they see
that its nodes are other ones. An entry does what our own logins do: the host key is known by the instance's id.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from starcluster import names
from starcluster.cluster import record
from starcluster.logger import log
from starcluster.model import Instance, InstanceState
from starcluster.ssh import login
from starcluster.ssh.access import Access
from starcluster.ssh.userconfig import Blocks, UserConfig

if TYPE_CHECKING:
    from starcluster.cloud import Cloud
    from starcluster.cluster.cluster import Cluster

_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_REACHABLE = (InstanceState.PENDING, InstanceState.RUNNING)
_QUOTED = ("IdentityFile", "UserKnownHostsFile")


def cloud_name(cloud: Cloud) -> str:
    """Which cloud a block is of: clusters of two of them may have the same name."""
    where = cloud.folder if cloud.folder else cloud.region
    return " ".join([str(cloud.name), str(where), *([cloud.profile] if cloud.profile else [])])


def follow(cluster: Cluster, instances: Sequence[Instance], config: UserConfig | None = None) -> None:
    """Write the cluster's entries anew if there is a file and they have changed; no failure of anything else."""
    config = config or UserConfig()
    if not config.path.exists():
        return
    try:
        key, text = (cloud_name(cluster.cloud), cluster.tag), entries(cluster.tag, instances, cluster.lazy_access())
        if config.blocks().get(key) != text and config.change(lambda blocks: {**blocks, key: text}):
            log.debug("%s has the nodes of %s anew", config.path, cluster.tag)
    except OSError as error:
        log.warning("can not write %s: %s", config.path, error.strerror, extra={"__stderr__": True})


def forget(cluster: Cluster, config: UserConfig | None = None) -> None:
    """The cluster is gone."""
    config = config or UserConfig()
    if not config.path.exists():
        return
    key = (cloud_name(cluster.cloud), cluster.tag)
    try:
        if key in config.blocks():
            config.change(lambda blocks: {one: text for one, text in blocks.items() if one != key})
    except OSError as error:
        log.warning("can not write %s: %s", config.path, error.strerror, extra={"__stderr__": True})


def of_cloud(cloud: Cloud, clusters: Iterable[Cluster]) -> Blocks:
    """The blocks of all clusters of a cloud."""
    return {
        (cloud_name(cloud), one.tag): entries(one.tag, [node.described for node in one.nodes], one.lazy_access())
        for one in clusters
    }


def entries(tag: str, instances: Sequence[Instance], access: Access) -> str:
    """One entry for each node that lives."""
    return "".join(_entry(tag, one, access) for one in bearers(instances))


def bearers(instances: Sequence[Instance]) -> list[Instance]:
    """Of each name the instance that it means: the one that is set up, else the newest; the master first."""
    named: dict[str, Instance] = {}
    for one in sorted(instances, key=lambda one: (record.READY in one.tags, one.launched or _LONG_AGO)):
        if one.state in _REACHABLE and one.address and one.alias:
            named[names.fold(one.alias)] = one
    return sorted(named.values(), key=lambda one: (not names.is_master(one.alias), one.alias))


def hosts(tag: str, alias: str) -> list[str]:
    """What the user may type: CLUSTER-NODE, and the cluster's name alone for the master."""
    # with DNS_PREFIX the name has the cluster's already
    name = alias if alias.startswith(f"{tag}-") else f"{tag}-{alias}"
    found = [tag, name] if names.is_master(alias) else [name]
    return list(dict.fromkeys([*found, *(one.lower() for one in found)]))


def _entry(tag: str, instance: Instance, access: Access) -> str:
    words = login.options(access, instance.id)[1::2]
    settings = [("HostName", instance.address), ("User", "root")]
    settings += [("IdentityFile", str(access.key_file))] if access.key_file else []
    settings += [(key, value) for key, _, value in (word.partition("=") for word in words)]
    lines = [f"    {key} {_quoted(key, value)}\n" for key, value in settings]
    return "".join([f"Host {' '.join(hosts(tag, instance.alias))}\n", *lines])


def _quoted(key: str, value: str) -> str:
    return f'"{value}"' if key in _QUOTED and " " in value else value

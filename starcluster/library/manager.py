"""`starcluster.cluster.ClusterManager`: the region's clusters by their names, as programs have them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from starcluster import exception, names
from starcluster.aws.easyec2 import Group
from starcluster.cluster.cluster import Clusters
from starcluster.commands import listclusters
from starcluster.commands.listing import Form
from starcluster.library.cluster import Cluster
from starcluster.logger import log
from starcluster.model import SecurityGroup

if TYPE_CHECKING:
    from starcluster.library.config import StarClusterConfig


class ClusterManager(Clusters):
    """`cm.get(tag)` and `cm.all()` are our own; all other methods have StarCluster's names."""

    def __init__(self, cfg: StarClusterConfig, ec2: Any = None) -> None:
        app = cfg.app
        cloud = getattr(ec2, "cloud", None) or app.cloud
        super().__init__(ec2 or app.ec2, app.config, app.clock, cloud)
        self.cfg = cfg

    # --- clusters; what StarCluster took beside, on how much is loaded, has no meaning here

    def get_cluster(self, cluster_name: str, group: object = None, **_: object) -> Cluster:  # type: ignore[override]
        """The cluster of that name, or ClusterDoesNotExist."""
        return Cluster(self, cluster_name, found=self.get(cluster_name))

    def get_cluster_or_none(self, cluster_name: str, **_: object) -> Cluster | None:  # type: ignore[override]
        found = self.find(cluster_name)
        return Cluster(self, cluster_name, found=found) if found is not None else None

    def get_clusters(self, **_: object) -> list[Cluster]:  # type: ignore[override]
        return [Cluster(self, found.tag, found=found) for found in self.all()]

    def cluster_exists(self, tag_name: str) -> bool:
        return self.find(tag_name) is not None

    def get_default_cluster_template(self) -> str:
        return self.cfg.get_default_cluster_template()

    def get_cluster_template(self, template_name: str, tag_name: str | None = None) -> Cluster:
        """A cluster that is to be started."""
        return Cluster(self, tag_name or template_name, self.config.template(template_name))

    # --- their groups

    def get_cluster_security_groups(self) -> list[Group]:
        return [self._group(one) for one in self.ec2.network.groups(names.GROUP_PREFIX)]

    def get_cluster_group_or_none(self, group_name: str) -> Group | None:
        found = self.ec2.network.group(self._group_name(group_name))
        return self._group(found) if found is not None else None

    def get_cluster_security_group(self, group_name: str) -> Group:
        found = self.get_cluster_group_or_none(group_name)
        if found is None:
            raise exception.SecurityGroupDoesNotExist(f"security group '{group_name}' does not exist")
        return found

    def get_tag_from_sg(self, sg: Group | str) -> str:
        """The cluster's name from that of its group."""
        return names.cluster_tag(sg if isinstance(sg, str) else sg.name)

    def _group(self, found: SecurityGroup) -> Group:
        return Group(id=found.id, name=found.name, network=self.ec2.network)

    @staticmethod
    def _group_name(name: str) -> str:
        return name if name.startswith(names.GROUP_PREFIX) else names.group_name(name)

    # --- verbs

    def list_clusters(self, cluster_groups: Sequence[Group | str] | None = None, show_ssh_status: bool = False) -> None:
        """Print them as `starcluster listclusters` does."""
        groups = self.ec2.network.groups(names.GROUP_PREFIX)
        if not groups:
            log.info("No clusters found...")
        tags = [self.get_tag_from_sg(one) for one in cluster_groups or ()]
        wanted = listclusters.chosen(groups, tags)
        nodes, spots = listclusters.members(self.cfg.app, wanted)
        every = [node for some in nodes.values() for node in some]
        ssh = listclusters.ssh_status(self.cfg.app, every) if show_ssh_status else {}
        for group in wanted:
            listclusters.show(group, nodes[group.id], spots[group.id], ssh, Form.PLAIN)

    def add_node(self, cluster_name: str, *words: Any, **named: Any) -> None:
        self.get_cluster(cluster_name).add_node(*words, **named)

    def add_nodes(self, cluster_name: str, num_nodes: int, *words: Any, **named: Any) -> None:
        self.get_cluster(cluster_name).add_nodes(num_nodes, *words, **named)

    def remove_node(self, cluster_name: str, alias: str, terminate: bool = True, force: bool = False) -> None:
        self.get_cluster(cluster_name).remove_node(alias, terminate=terminate, force=force)

    def remove_nodes(
        self,
        cluster_name: str,
        num_nodes: int | None = None,
        aliases: Sequence[str] | None = None,
        terminate: bool = True,
        force: bool = False,
    ) -> None:
        self.get_cluster(cluster_name).remove_nodes(aliases, num_nodes, terminate=terminate, force=force)

    def restart_cluster(self, cluster_name: str, reboot_only: bool = False) -> None:
        self.get_cluster(cluster_name).restart_cluster(reboot_only=reboot_only)

    def stop_cluster(self, cluster_name: str, terminate_unstoppable: bool = False, force: bool = False) -> None:
        self.get_cluster(cluster_name).stop_cluster(terminate_unstoppable=terminate_unstoppable, force=force)

    def terminate_cluster(self, cluster_name: str, force: bool = False) -> None:
        self.get_cluster(cluster_name).terminate_cluster(force=force)

    def ssh_to_master(self, cluster_name: str, user: str = "root", command: str | None = None, **flags: bool) -> int:
        return self.get_cluster(cluster_name).ssh_to_master(user=user, command=command, **flags)

    def ssh_to_cluster_node(
        self, cluster_name: str, node_id: str, user: str = "root", command: str | None = None, **flags: bool
    ) -> int:
        return self.get_cluster(cluster_name).ssh_to_node(node_id, user=user, command=command, **flags)

    def run_plugin(self, plugin_name: str, cluster_tag: str) -> None:
        """The plugin of the config, with today's settings."""
        self.get_cluster(cluster_tag).run_plugin(plugin_name)

"""A cluster as programs have it: what get_cluster and get_cluster_template give, whether it runs or will be started."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from starcluster import exception, pluginloader
from starcluster.aws.easyec2 import Group
from starcluster.cluster import adding, lifecycle, record, setup, starting, validation, waiting
from starcluster.cluster.hooks import run_hook
from starcluster.clustersetup import ClusterSetup
from starcluster.commands.addnode import check_aliases, refuse_taken
from starcluster.commands.removenode import last_workers
from starcluster.config.schema import ClusterTemplate
from starcluster.library.sections import plain_section, plugin_section
from starcluster.logger import log

if TYPE_CHECKING:
    from starcluster.cluster.cluster import Cluster as Found
    from starcluster.cluster.node import Node
    from starcluster.library.manager import ClusterManager

_NOT_PLAIN = "name volume_names plugin_names permission_names type_runs volumes plugins permissions".split()
_PLAIN = tuple(one.name for one in dataclasses.fields(ClusterTemplate) if one.name not in _NOT_PLAIN)
_OF_RECORD = {
    "master_image_id": "master_image",
    "master_instance_type": "master_type",
    "node_image_id": "node_image",
    "node_instance_type": "node_type",
    "node_instance_types_or": "other_types",
    "availability_zone": "zone",
}
_UNFIT = (exception.ValidationError, exception.ConfigError, exception.NotFoundError, exception.PluginError)


class Cluster:
    """Settings are attributes under StarCluster's names; those of one that is to be started may be changed before.

    What else the cluster of `starcluster.cluster.cluster` has is here as well, once there is one of that name.
    """

    def __init__(
        self, manager: ClusterManager, tag: str, template: ClusterTemplate | None = None, found: Found | None = None
    ) -> None:
        self._manager, self._template, self._found = manager, template, found
        self.cluster_tag, self.refresh_interval = tag, manager.config.globals.refresh_interval
        if template is not None:
            self.update(settings_of(template))

    def __repr__(self) -> str:
        return f"<Cluster: {self.cluster_tag} ({len(self.nodes)}-node)>"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        found = self._there()
        if name in _PLAIN:
            return getattr(found.record, _OF_RECORD.get(name, name))
        if not hasattr(type(found), name) and name not in vars(found):
            raise AttributeError(f"a cluster has no {name} here: docs/library.md tells what it has")
        return getattr(found, name)

    def update(self, settings: Mapping[str, Any]) -> None:
        """Change settings by their names."""
        vars(self).update(settings)

    @property
    def ec2(self) -> Any:
        return self._manager.ec2

    # --- what there is of it

    def _look(self) -> Found | None:
        if self._found is None or self._found.tag != self.cluster_tag:
            self._found = self._manager.find(self.cluster_tag)
        return self._found

    def _there(self) -> Found:
        """The cluster in EC2, or ClusterDoesNotExist."""
        found = self._look()
        return found if found is not None else self._manager.get(self.cluster_tag)

    @property
    def nodes(self) -> list[Node]:
        """As EC2 tells now, the master first; [] while there is no such cluster."""
        found = self._look()
        nodes = found.load().nodes if found is not None else []
        if not nodes:
            self._found = None  # it may be gone, and another one of that name come
        return nodes

    _nodes = nodes

    @property
    def running_nodes(self) -> list[Node]:
        return [node for node in self.nodes if node.is_running()]

    @property
    def cluster_group(self) -> Group:
        group = self._there().group
        return Group(id=group.id, name=group.name, network=self.ec2.network)

    @property
    def zone(self) -> str:
        return self._there().master_node.placement

    def is_cluster_up(self) -> bool:
        """All nodes run and let us in, and no spot request is open."""
        return bool(self.nodes) and not setup.why_not_up(self._there())

    def is_cluster_stopped(self) -> bool:
        nodes = self.nodes
        return bool(nodes) and all(node.is_stopped() for node in nodes)

    def is_cluster_terminated(self) -> bool:
        return not self.nodes

    def is_ssh_up(self) -> bool:
        return all(node.is_ssh_up() for node in self.nodes)

    # --- its life

    def is_valid(self) -> bool:
        """Whether a start can go well; what speaks against it is told as an error."""
        try:
            validation.validate(self._manager, self._prepared())
        except _UNFIT as error:
            log.error("%s", error.explain())
            return False
        return True

    def start(
        self,
        create: bool = True,
        create_only: bool = False,
        validate: bool = True,
        validate_only: bool = False,
        validate_running: bool = False,
    ) -> None:
        """Launch it and set it up; with `create` off start what is stopped, as `start -x`. Errors are raised."""
        if not create:
            if not validate_only:
                starting.resume(self._there(), create_only=create_only)
            return
        prepared = self._prepared()
        found = self._manager.find(self.cluster_tag)
        if found is not None and found.phase != record.PHASE_LAUNCHING:
            raise starting.already_there(found)
        if validate:
            validation.validate(self._manager, prepared)
        if not validate_only:
            self._found = starting.start(
                self._manager,
                prepared.tag,
                prepared.record,
                prepared.plugins,
                prepared.permissions,
                create_only=create_only,
            )

    def _prepared(self) -> validation.Prepared:
        if self._template is None:
            raise exception.InvalidOperation(
                f"cluster '{self.cluster_tag}' was found, not made of a template",
                hint=f"cfg.get_cluster_template(TEMPLATE, '{self.cluster_tag}') is one that can be started",
            )
        changed = {name: vars(self)[name] for name in _PLAIN if vars(self)[name] != getattr(self._template, name)}
        if "keyname" in changed and "key_location" not in changed:
            changed["key_location"] = self._manager.config.key(changed["keyname"]).key_location
        changed |= {name: kind(changed[name]) for name, kind in _NUMBERS.items() if changed.get(name) is not None}
        return validation.prepare(self._manager, self.cluster_tag, dataclasses.replace(self._template, **changed))

    def stop_cluster(self, terminate_unstoppable: bool = False, force: bool = False) -> None:
        lifecycle.stop(self._there(), terminate_unstoppable=terminate_unstoppable, force=force)

    def terminate_cluster(self, force: bool = False) -> None:
        """End it for good, unasked; data volumes stay."""
        lifecycle.terminate(self._there(), force=force)
        self._found = None

    def restart_cluster(self, reboot_only: bool = False) -> None:
        lifecycle.restart(self._there(), reboot_only=reboot_only)

    def wait_for_cluster(self, msg: str = "Waiting for cluster to come up...") -> None:
        """Until all nodes run and let us in; WaitTimeout, InstanceNotRunning."""
        log.info("%s", msg)
        found = self._there().load()
        waiting.wait_running(found.ec2, [node.id for node in found.nodes], clock=found.clock)
        setup.wait_ssh_all(found.load().nodes)

    wait_for_ssh = wait_for_running_instances = wait_for_cluster

    # --- its nodes

    def add_node(
        self,
        alias: str | None = None,
        no_create: bool = False,
        image_id: str | None = None,
        instance_type: str | None = None,
        zone: str | None = None,
        placement_group: object = None,
        spot_bid: float | None = None,
    ) -> None:
        """One more node; ClusterError when it could not be added."""
        aliases = [alias] if alias else None
        self.add_nodes(1, aliases, image_id, instance_type, zone, placement_group, spot_bid, no_create)

    def add_nodes(
        self,
        num_nodes: int,
        aliases: Sequence[str] | None = None,
        image_id: str | None = None,
        instance_type: str | None = None,
        zone: str | None = None,
        placement_group: object = None,
        spot_bid: float | None = None,
        no_create: bool = False,
    ) -> None:
        """As addnode; `placement_group` has no meaning: the cluster's own is used, where it has one."""
        found, wanted = self._there(), list(aliases or ())
        check_aliases(self.cluster_tag, wanted, num_nodes)
        if no_create:
            joined = adding.set_up_again(found, wanted)
        else:
            refuse_taken(found, wanted)
            wish = adding.AddWish(
                instance_type=instance_type or "",
                image=image_id or "",
                zone=zone or "",
                bid=None if spot_bid is None else float(spot_bid),
            )
            joined = adding.add(found, wanted or found.free_aliases(num_nodes), wish)
        if joined.failed:
            told = "; ".join(f"{name}: {error}" for name, error in joined.failed.items())
            raise exception.ClusterError(f"not added to cluster '{self.cluster_tag}': {told}")

    def remove_node(self, node: Node | str, terminate: bool = True, force: bool = False) -> None:
        found = self._there()
        named = found.get_node(node) if isinstance(node, str) else node
        lifecycle.remove_node(found, named, force=force, terminate=terminate)

    def remove_nodes(
        self,
        nodes: Sequence[Node | str] | None = None,
        num_nodes: int | None = None,
        terminate: bool = True,
        force: bool = False,
    ) -> None:
        """These, or the last of the numbered workers."""
        for node in nodes or last_workers(self._there(), num_nodes or 1):
            self.remove_node(node, terminate=terminate, force=force)

    def ssh_to_master(self, user: str = "root", command: str | None = None, **flags: bool) -> int:
        """A login, or a command whose output is ours; its exit status. Flags as sshmaster has them."""
        return self._there().master_node.shell(user=user, command=command, **flags)

    def ssh_to_node(self, alias: str, user: str = "root", command: str | None = None, **flags: bool) -> int:
        """As ssh_to_master, on the node of that alias, id or address."""
        return self._there().get_node(alias).shell(user=user, command=command, **flags)

    # --- plugins

    def run_plugin(
        self, plugin: ClusterSetup | str, name: str | None = None, method_name: str = "run", node: Node | None = None
    ) -> None:
        """A hook of a plugin, which may be named as the config names it; `node` is the one that the hook is about."""
        found = self._there()
        if isinstance(plugin, str):
            section = self._manager.config.plugin(plugin)
            plugin = pluginloader.load(section.name, section.setup_class, section.arguments)
        if method_name == "run":
            setup.run_plugin(found, plugin)
            return
        about = [] if node is None else [node]
        run_hook(plugin, method_name, (*about, *found.hook_arguments()))

    def run_plugins(
        self,
        plugins: Sequence[ClusterSetup] | None = None,
        method_name: str = "run",
        node: Node | None = None,
        reverse: bool = False,
    ) -> None:
        """The same hook of several plugins; those of the cluster where none are given."""
        every = list(self._there().plugins if plugins is None else plugins)
        for plugin in reversed(every) if reverse else every:
            self.run_plugin(plugin, method_name=method_name, node=node)


_NUMBERS = {"cluster_size": int, "spot_bid": float, "master_spot_bid": float}


def settings_of(template: ClusterTemplate) -> dict[str, Any]:
    """A template's settings, as programs know them."""
    return {
        **{name: getattr(template, name) for name in _PLAIN},
        "volumes": {one.name: plain_section(one) for one in template.volumes},
        "permissions": {one.name: plain_section(one) for one in template.permissions},
        "plugins": [plugin_section(one) for one in template.plugins],
    }

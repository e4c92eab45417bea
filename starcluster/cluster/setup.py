"""Set-up of machines that run: the whole cluster, one node that came, one node that went."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from starcluster import exception
from starcluster.cluster import leftdisks, record, waiting
from starcluster.cluster.hooks import run_hook
from starcluster.clustersetup import ClusterSetup, DefaultClusterSetup
from starcluster.logger import log
from starcluster.model import SpotState
from starcluster.threadpool import get_thread_pool

if TYPE_CHECKING:
    from starcluster.cluster.cluster import Cluster
    from starcluster.cluster.node import Node

Progress = Callable[[str], None]
_THREADS = 20


def _silent(_: str) -> None:
    """Nobody listens."""


def set_up_cluster(cluster: Cluster) -> None:
    """Volumes to the master, SSH to all, default set-up, plugins; may be repeated."""
    master = cluster.running_master()
    attach_volumes(cluster, master)
    wait_ssh_all(cluster.running_nodes)
    cluster.load()
    arguments = cluster.hook_arguments()
    log.info("The master node is %s", master.dns_name)  # scripts look for these words
    log.info("Setting up the cluster")
    if cluster.user_shell != cluster.cluster_shell:
        log.warning("The image has no %s: %s gets %s", cluster.cluster_shell, cluster.cluster_user, cluster.user_shell)
    DefaultClusterSetup().run(*arguments)
    _on_all(cluster.running_nodes, leftdisks.bring_back)
    for plugin in cluster.plugins:
        run_hook(plugin, "run", arguments)
    _on_all(cluster.running_nodes, mark_ready)
    cluster.set_phase(record.PHASE_UP)


def wait_ssh_all(nodes: Sequence[Node]) -> None:
    """Until SSH lets us in everywhere."""
    log.info("Waiting for SSH on %s", _listed(nodes))
    _on_all(nodes, waiting.wait_ssh)


def _listed(nodes: Sequence[Node]) -> str:
    names = [node.alias for node in nodes]
    return ", ".join(names) if len(names) <= 5 else f"{len(names)} nodes"


def _on_all(nodes: Sequence[Node], job: Callable[[Node], object]) -> None:
    pool = get_thread_pool(_THREADS)
    try:
        for node in nodes:
            pool.simple_job(job, (node,), jobid=node.alias)
        pool.wait(return_results=False)
    except exception.ThreadPoolException as error:
        if len(error.exceptions) == 1:
            raise error.exceptions[0][0] from error
        raise
    finally:
        pool.shutdown()


def mark_ready(node: Node) -> None:
    """Tag the instance with the boot that was set up: after a reboot it is not ready any more."""
    boot = node.boot_id()
    if node.tags.get(record.READY) != boot:
        node.add_tag(record.READY, boot)


def is_ready(node: Node) -> bool:
    """This boot of the node has been set up to the end."""
    marked = node.tags.get(record.READY)
    return bool(marked) and marked == node.boot_id()


def set_up_node(
    cluster: Cluster,
    node: Node,
    *,
    progress: Progress = _silent,
    introduce: bool = True,
    last: Callable[[], None] = lambda: None,
) -> None:
    """Set up one launched instance under its alias: SSH, default set-up, plugins, tag READY.

    `introduce`: let the other workers know of it; else the caller does. `last`: done before the node counts as set up.
    May be repeated at any time. Raises SSHError, WaitTimeout, RemoteCommandFailed or PluginError.
    """
    cluster.running_master()
    waiting.wait_ssh(node)
    progress("ssh up")
    cluster.load()  # others may have come up while this one booted
    arguments = (node, *cluster.hook_arguments([*_ready_beside(cluster, node), node]))
    DefaultClusterSetup.of_added_node(introduce=introduce).on_add_node(*arguments)
    progress("mounted /home")
    for plugin in cluster.plugins:
        run_hook(plugin, "on_add_node", arguments)
    last()
    mark_ready(node)
    progress("set up")


def _ready_beside(cluster: Cluster, node: Node) -> list[Node]:
    """The master, and who else was set up once: one that still boots, or hangs, would hold up this one."""
    others = [one for one in cluster.running_nodes if one.id != node.id and one.alias != node.alias]
    return [one for one in others if one.is_master() or record.READY in one.tags]


def prepare_node(cluster: Cluster, node: Node, *, plugins: bool, progress: Progress = _silent) -> None:
    """As much of set_up_node as may be done while another instance has the alias and works; may be repeated.

    The others know nothing of it, /home is exported to it by its address. `plugins`: their hooks are called as well,
    which must not take from the working instance what it needs. set_up_node is to follow when the alias is its own.
    """
    cluster.running_master()
    waiting.wait_ssh(node)
    progress("ssh up")
    cluster.load()
    arguments = (node, *cluster.hook_arguments([*_ready_beside(cluster, node), node]))
    DefaultClusterSetup.of_added_node(introduce=False, stands_by=True).on_add_node(*arguments)
    progress("mounted /home")
    for plugin in cluster.plugins if plugins else []:
        run_hook(plugin, "on_add_node", arguments, own_only=True)


def forget_node(cluster: Cluster, alias: str) -> None:
    """Drop a node that is gone from /etc/hosts, known_hosts and exports of the others; dead others are left."""

    def forget(node: Node) -> None:
        node.remove_from_etc_hosts([alias])
        node.remove_from_known_hosts("root", [alias])
        if node.is_master():
            node.remove_from_known_hosts(cluster.cluster_user, [alias])
            node.stop_exporting_fs_to_nodes([alias])

    others = [node for node in cluster.running_nodes if node.alias != alias]
    try:
        _on_all(others, forget)
    except (exception.ThreadPoolException, exception.SSHError) as error:
        log.warning("not every node forgot %s: %s", alias, error.explain())


def run_plugin(cluster: Cluster, plugin: ClusterSetup) -> None:
    """runplugin: the `run` hook of one plugin on a cluster that is wholly up."""
    cluster.running_master()
    why = why_not_up(cluster)
    if why:
        raise exception.ClusterNotRunning(
            f"cluster '{cluster.tag}' is not wholly up: {why}",
            hint=f"starcluster listclusters -s {cluster.tag} shows the nodes' states; removenode takes dead ones away",
        )
    run_hook(plugin, "run", cluster.hook_arguments())


def why_not_up(cluster: Cluster) -> str:
    """Nodes that do not run, requests that are still open, or nodes that let nobody in; "" when all is well."""
    down = [node.alias for node in cluster.nodes if not node.is_running()]
    if down:
        return f"{', '.join(down)} does not run"
    waiting_for = [one.id for one in cluster.spot_requests if one.state is SpotState.OPEN]
    if waiting_for:
        return f"the spot request {', '.join(waiting_for)} is not fulfilled"
    with get_thread_pool(_THREADS) as pool:
        answers = pool.map(lambda node: node.ssh_trouble(), cluster.nodes, jobid_fn=lambda node: node.alias)
    mute = [f"{node.alias} does not answer ({why})" for node, why in zip(cluster.nodes, answers, strict=True) if why]
    return "; ".join(mute)


def attach_volumes(cluster: Cluster, master: Node) -> None:
    """Attach the cluster's volumes to the master, each as soon as nobody else holds it."""
    for volume in cluster.record.volumes:
        master.attach_volume(volume.volume_id, volume.device)
    master.update()

"""A cluster's life, verb by verb: stop, restart, terminate; nodes added and removed.

`start` has a file of its own (starting.py); what the driver needs of launching and set-up is named here as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from starcluster import exception
from starcluster.clock import wait_until
from starcluster.cluster import leftdisks, record, sshentries, waiting
from starcluster.cluster.asking import launch_nodes
from starcluster.cluster.cluster import Cluster
from starcluster.cluster.hooks import run_hooks
from starcluster.cluster.launching import NodeSpec, launch_request
from starcluster.cluster.node import Node
from starcluster.cluster.setup import (
    forget_node,
    is_ready,
    prepare_node,
    set_up_cluster,
    set_up_node,
)
from starcluster.cluster.starting import resume, start
from starcluster.clustersetup import DefaultClusterSetup
from starcluster.logger import log
from starcluster.model import InstanceState
from starcluster.ssh.hostkeys import KnownHosts
from starcluster.threadpool import get_thread_pool

__all__ = [
    "NodeSpec",
    "forget_node",
    "is_ready",
    "launch_nodes",
    "launch_request",
    "prepare_node",
    "remove_node",
    "restart",
    "resume",
    "set_up_cluster",
    "set_up_node",
    "start",
    "stop",
    "terminate",
]

_ROUNDS = 5
_THREADS = 20
_GROUP_TRIES = 60
_GROUP_PAUSE = 5.0
_REBOOT_LIMIT = 600.0
_REBOOT_PAUSE = 3.0
_BY_NAME = "Terminating node: {0.alias} ({0.id})"
_PLAINLY = "Terminating {0.id}"  # as StarCluster said it where it was forced
_STOPPED = (InstanceState.STOPPED, InstanceState.TERMINATED)


# --- nodes


def remove_node(cluster: Cluster, node: Node, *, force: bool = False, terminate: bool = True) -> None:
    """Hooks in reverse order, then the instance and its spot request; a dead node is not waited for.

    The hooks take away what belongs to the name (exports, host names): not while another instance has it.
    """
    cluster.record.check_writable(cluster.tag)
    if node.is_master():
        raise exception.InvalidOperation(
            "the master can not be removed", hint=f"starcluster terminate {cluster.tag} ends the whole cluster"
        )
    alive = _answers(node)
    heir = next((one for one in cluster.nodes if one.alias == node.alias and one.id != node.id), None)
    if heir is None:
        _leave(cluster, node, force=force or not alive)
    else:
        log.debug("%s goes on on %s: what belongs to the name stays", node.alias, heir.id)
        _close_to(cluster, node)
    if terminate:
        if alive:
            _free_volumes(node, force=force)
        if node.state.is_in_cluster:
            log.info("Terminating node: %s (%s)", node.alias, node.id)
            node.terminate()
        cluster.access.known.forget([node.id])
    cluster.load()


def _answers(node: Node) -> bool:
    """Whether it can be talked to; EC2 is asked first, and one that can not is waited for by nobody any more."""
    node.update()
    if not node.is_running():
        why = f"is {node.state}"
    elif "impaired" in waiting.checks(node):
        why = "fails EC2's checks"
    elif node.is_ssh_up():
        return True
    else:
        why = "does not answer"
    log.warning("%s %s: nothing is done on it any more", node.alias, why)
    node.give_up(why)
    return False


def _leave(cluster: Cluster, node: Node, *, force: bool) -> None:
    """on_remove_node through the plugins, then the default set-up; without a living master there is nobody to tell."""
    try:
        cluster.running_master()
    except exception.ClusterError:
        log.warning("the master does not run: no hooks for %s", node.alias)
        return
    except exception.MasterDoesNotExist:
        log.warning("the cluster has no master: no hooks for %s", node.alias)
        return
    nodes = cluster.running_nodes if node.is_running() else [*cluster.running_nodes, node]
    arguments = (node, *cluster.hook_arguments(nodes))
    run_hooks(cluster.last_first(force=force), "on_remove_node", arguments, force=force)
    DefaultClusterSetup().on_remove_node(*arguments)


def _close_to(cluster: Cluster, node: Node) -> None:
    """Take back what was exported to the machine by its address, before it had the name."""
    try:
        cluster.running_master().stop_exporting_fs_to_nodes([node.private_ip_address])
    except (exception.ClusterError, exception.MasterDoesNotExist, exception.SSHError) as error:
        log.warning("%s (%s) is still in the exports of the master: %s", node.alias, node.id, error)


def _free_volumes(node: Node, *, force: bool) -> None:
    """Unmount and detach data volumes, so that they are free before the machine has gone."""
    try:
        node.detach_external_volumes()
    except (exception.SSHError, exception.AWSError) as error:
        if not force:
            raise
        log.warning("volumes of %s are freed by its end only: %s", node.alias, error)


# --- stop and restart


def stop(cluster: Cluster, *, terminate_unstoppable: bool = False, force: bool = False) -> None:
    """Shut the nodes down so that `start -x` brings them back; spot nodes can only be terminated.

    RecordError when the record can not be read or is newer than we are, and not `force`.
    """
    if not force:
        cluster.record.check_writable(cluster.tag)
    unstoppable = [node for node in cluster.nodes if not node.is_stoppable()]
    if unstoppable and len(unstoppable) == len(cluster.nodes):
        raise exception.InvalidOperation(
            f"no node of cluster '{cluster.tag}' can be stopped", hint=f"starcluster terminate {cluster.tag}"
        )
    if unstoppable and not terminate_unstoppable:
        raise exception.InvalidOperation(
            f"spot nodes can not be stopped: {', '.join(node.alias for node in unstoppable)}",
            hint="stop -t stops the others and terminates these; or use terminate",
        )
    _shut_down(cluster, leaving=unstoppable, comes_back=True, force=force)
    for node in sorted(cluster.nodes, key=Node.is_master):
        log.info("%s node: %s (%s)", "Stopping" if node.is_stoppable() else "Terminating", node.alias, node.id)
        node.shutdown()
    KnownHosts().forget([node.id for node in unstoppable])
    ids = [node.id for node in cluster.nodes]
    waiting.wait_states(cluster.ec2, ids, _STOPPED, clock=cluster.clock, limit=waiting.STOP_LIMIT)


def _shut_down(
    cluster: Cluster,
    *,
    leaving: Sequence[Node] = (),
    comes_back: bool = False,
    force: bool,
    passing: tuple[type[exception.BaseException], ...] = (),
) -> None:
    """on_shutdown hooks in reverse, then volumes freed, workers first (they hold the master's /home).

    Nodes that leave for good are forgotten by those that come back, while the master's /home is still there.
    `force` passes over whatever the plugins do, `passing` names what is passed over without it.
    """
    running = cluster.running_nodes
    if any(node.is_master() for node in running):
        try:
            run_hooks(cluster.last_first(force=force), "on_shutdown", cluster.hook_arguments(), force=force)
        except (exception.PluginError, exception.RecordError, exception.ConfigError) as error:
            if not force and not isinstance(error, passing):
                raise
            log.warning("the plugins' shutdown is left out: %s", error)
    workers = [node for node in running if not node.is_master()]
    with get_thread_pool(_THREADS) as pool:
        for node in workers:
            pool.simple_job(_quiet, (cluster, node, comes_back and node.is_stoppable()), jobid=node.alias)
        pool.wait()
    for node in leaving:
        forget_node(cluster, node.alias)
    for node in running:
        if node.is_master():
            _quiet(cluster, node, comes_back and node.is_stoppable())


def _quiet(cluster: Cluster, node: Node, comes_back: bool) -> None:
    """Unmount what is shared, free the volumes; a node that does not answer loses them by its end."""
    try:
        node.update()
        if comes_back:
            leftdisks.note(cluster, node)
        if not node.is_master():
            node.unmount_shares()
        elif node.described.data_devices:
            node.stop_exporting()
        node.detach_external_volumes()
    except (exception.SSHError, exception.WaitTimeout, exception.AWSError, exception.RecordError) as error:
        log.warning("volumes of %s were not unmounted: %s", node.alias, error)


def restart(cluster: Cluster, *, reboot_only: bool = False) -> None:
    """Reboot all nodes and, unless `reboot_only`, set the cluster up again.

    A node that shuts down while it has the master's /home mounted, and the master is away, waits for it until EC2 cuts
    its power after minutes, and its disk is not synced then. So workers leave /home first; one where it is in use has
    rebooted, and left it in the good order of its own shutdown, before the master goes.
    """
    cluster.record.check_writable(cluster.tag)
    cluster.running_master()
    run_hooks(cluster.last_first(), "on_restart", cluster.hook_arguments())
    nodes = cluster.running_nodes
    boots = {node.id: node.boot_id() for node in nodes}
    busy = _who_uses_shares([node for node in nodes if not node.is_master()])
    _reboot(busy)
    for node in busy:
        _wait_reboot(node, boots[node.id])
    others = [node for node in nodes if node not in busy]
    _reboot(others)
    if reboot_only:
        return
    for node in others:
        _wait_reboot(node, boots[node.id])
    cluster.load()
    set_up_cluster(cluster)


def _who_uses_shares(workers: Sequence[Node]) -> list[Node]:
    """Those who could not leave the master's shares, or do not tell."""
    with get_thread_pool(_THREADS) as pool:
        free = pool.map(_leaves_shares, workers, jobid_fn=lambda node: node.alias)
    return [node for node, left in zip(workers, free, strict=True) if not left]


def _leaves_shares(node: Node) -> bool:
    try:
        left = node.leave_shares()
    except exception.SSHError as error:
        log.debug("%s: %s", node.alias, error)
        left = False
    if not left:
        log.info("The master's /home is in use on %s: it reboots first, then the master", node.alias)
    return left


def _reboot(nodes: Sequence[Node]) -> None:
    for node in nodes:
        log.info("Rebooting node: %s (%s)", node.alias, node.id)
        node.reboot()


def _wait_reboot(node: Node, before: str) -> None:
    def came_back() -> bool:
        try:
            if node.boot_id() not in ("", before):
                return True
        except exception.SSHError as error:
            log.debug("%s: %s", node.alias, error)
        # one that is kept until the machine goes down would be waited for long after that
        node.forget_connection()
        return False

    if not wait_until(came_back, limit=_REBOOT_LIMIT, pause=_REBOOT_PAUSE, clock=node.clock):
        raise exception.WaitTimeout(f"{node.alias} did not come back from its reboot")


# --- the end


def terminate(cluster: Cluster, *, force: bool = False) -> None:
    """End everything of the cluster; data volumes survive. May be repeated after any interruption.

    PluginError, with nothing ended, when a plugin can not do its part, which may be to save something.
    """
    if force:
        log.warning("--force: no plugins, nothing unmounted, and the settings of %s are not looked at", cluster.tag)
    else:
        _ = cluster.record  # one that can not be read is refused before anything is ended
        _close_down(cluster)
    cluster.set_phase(record.PHASE_TERMINATING)
    gone = _end_instances(cluster, form=_PLAINLY if force else _BY_NAME)
    for template in cluster.ec2.templates.find(cluster=cluster.tag):
        cluster.ec2.templates.delete(template.id)
    if cluster.group.tags.get(record.PLACEMENT) == cluster.group.name:
        log.info("Removing placement group: %s", cluster.group.name)
        _delete(cluster, lambda: cluster.ec2.network.delete_placement_group(cluster.group.name))
    log.info("Removing security group: %s", cluster.group.name)
    _delete(cluster, lambda: cluster.ec2.network.delete_group(cluster.group.id))
    KnownHosts().forget(gone)
    sshentries.forget(cluster)


def _close_down(cluster: Cluster) -> None:
    """A cluster whose start did not end has nothing that plugins could save, and nodes that may not answer them."""
    passing: tuple[type[exception.BaseException], ...] = (exception.RecordError, exception.ConfigError)
    if cluster.phase == record.PHASE_LAUNCHING:
        passing += (exception.PluginError,)
    try:
        _shut_down(cluster, force=False, passing=passing)
    except exception.PluginError as error:
        raise exception.PluginError(
            error.explain(), hint=f"nothing was ended; starcluster terminate -f {cluster.tag} does so without plugins"
        ) from error


def _end_instances(cluster: Cluster, *, form: str) -> list[str]:
    """Terminate until nobody is left: a driver may launch between our look and our call."""
    gone: list[str] = []
    ended = (InstanceState.TERMINATED,)
    for _ in range(_ROUNDS):
        _cancel_requests(cluster)
        left = [one for one in cluster.ec2.instances.find(cluster=cluster.tag) if not one.state.is_gone]
        if not left:
            return gone
        for instance in left:
            if instance.state.is_in_cluster:
                log.info("%s", form.format(instance))
        ids = [instance.id for instance in left]
        cluster.ec2.instances.terminate(ids)
        log.info("Waiting for cluster to terminate...")
        waiting.wait_states(cluster.ec2, ids, ended, clock=cluster.clock, limit=waiting.GONE_LIMIT)
        gone += ids
    raise exception.ClusterError(
        f"somebody keeps launching nodes in cluster '{cluster.tag}'",
        hint="a driver (aws_train.py) still runs: end it, then terminate again",
    )


def _cancel_requests(cluster: Cluster) -> None:
    requests = [request.id for request in cluster.spot_requests]
    for request_id in requests:
        log.info("Canceling spot instance request: %s", request_id)
    cluster.ec2.spot.cancel(requests)


def _delete(cluster: Cluster, delete: Callable[[], None]) -> None:
    """Delete a group once EC2 agrees that nobody uses it; told its reason when it never does."""
    for _ in range(_GROUP_TRIES - 1):
        try:
            delete()
            return
        except exception.ConflictError as error:
            log.debug("%s", error)
            cluster.clock.sleep(_GROUP_PAUSE)
    delete()

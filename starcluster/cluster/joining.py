"""Nodes that come to a running cluster, each in a thread of its own: a slow one holds up nobody.

One that fails is tried once more, and then taken away again with all that it left in the cluster.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from starcluster import exception
from starcluster.cluster import lifecycle, waiting
from starcluster.cluster.asking import Gone, obtain, take_back
from starcluster.cluster.launching import NodeSpec
from starcluster.cluster.pools import Offers
from starcluster.cluster.record import READY
from starcluster.cluster.setup import forget_node, set_up_node
from starcluster.logger import log
from starcluster.model import Instance
from starcluster.threadpool import get_thread_pool

if TYPE_CHECKING:
    from starcluster.cluster.cluster import Cluster
    from starcluster.cluster.node import Node

_THREADS = 40
_MACHINE_IS_BAD = (exception.InstanceNotRunning, exception.WaitTimeout, exception.SSHConnectionError)
_HOOKS_FROM = "mounted /home"  # the stage after which plugins do something for the node, and look for it elsewhere


@dataclass(frozen=True, kw_only=True)
class Joined:
    """Who was set up, and by alias why the others were not; `kept`: those of them that are still there."""

    nodes: Sequence[Node] = ()
    failed: Mapping[str, exception.BaseException] = field(default_factory=dict)
    kept: Sequence[str] = ()


class Joining:
    """`keep`: a node whose set-up failed stays as it is, for `addnode -x`."""

    def __init__(self, cluster: Cluster, *, keep: bool = False) -> None:
        self._cluster, self._keep = cluster, keep
        self._offers, self._gone = Offers(cluster.ec2, cluster.clock), Gone(cluster)
        self._watch = waiting.Watch(cluster.ec2, cluster.tag, cluster.clock)
        self._lock = threading.Lock()
        self._introducing = False
        self._news: list[tuple[Node, threading.Event]] = []
        self._silent: set[str] = set()
        self._ready = [node for node in cluster.running_nodes if not node.is_master() and READY in node.tags]
        self._kept: list[str] = []

    def join(self, specs: Sequence[NodeSpec]) -> Joined:
        """Launch and set up all of them."""
        log.info("Adding %s", ", ".join(spec.alias for spec in specs))
        return self._all({spec.alias: partial(self._with_one_more_try, spec) for spec in specs})

    def set_up_again(self, nodes: Sequence[Node]) -> Joined:
        """Set up nodes that are there; who fails stays."""
        self._ready = [one for one in self._ready if one.id not in [node.id for node in nodes]]
        joined = self._all({node.alias: partial(self._set_up, node.alias, node.described, []) for node in nodes})
        return replace(joined, kept=list(joined.failed))

    def _all(self, jobs: Mapping[str, Callable[[], Node]]) -> Joined:
        nodes: list[Node] = []
        failed: dict[str, exception.BaseException] = {}
        with get_thread_pool(min(_THREADS, len(jobs))) as pool:
            for alias, job in jobs.items():
                pool.simple_job(_one, (alias, job, nodes, failed), jobid=alias)
            pool.wait(return_results=False)
        self._cluster.load()
        return Joined(nodes=nodes, failed=failed, kept=self._kept)

    def _with_one_more_try(self, spec: NodeSpec) -> Node:
        instance = self._obtain(spec)
        stages: list[str] = []
        try:
            return self._set_up(spec.alias, instance, stages)
        except exception.BaseException as error:
            log.warning("%s (%s) is tried once more: %s", spec.alias, instance.id, error.explain())
            if isinstance(error, _MACHINE_IS_BAD):
                self._take_away(spec.alias, instance, stages)
                instance, stages = self._obtain(spec), []
        try:
            return self._set_up(spec.alias, instance, stages)
        except exception.BaseException:
            if self._keep:
                self._kept.append(spec.alias)
            else:
                self._take_away(spec.alias, instance, stages)
            raise

    def _obtain(self, spec: NodeSpec) -> Instance:
        instance = obtain(self._cluster, spec, self._offers, self._gone)
        if instance is None:
            raise exception.ShortageError(f"there is no machine for {spec.alias}")
        log.info("Launched %s: %s (%s, %s)", spec.alias, instance.id, instance.instance_type, instance.market)
        return instance

    def _set_up(self, alias: str, instance: Instance, stages: list[str]) -> Node:
        cluster = self._cluster
        running = waiting.wait_running(cluster.ec2, [instance.id], clock=cluster.clock, watch=self._watch)[0]
        node = cluster.node_of(running)
        log.info("Setting up %s (%s)", alias, node.id)

        def progress(stage: str) -> None:
            stages.append(stage)
            if stage == _HOOKS_FROM:
                self._introduce(node)

        set_up_node(cluster, node, introduce=False, progress=progress)
        return node

    def _take_away(self, alias: str, instance: Instance, stages: Sequence[str]) -> None:
        """Terminated, its request cancelled, forgotten by the others; what can not be done is told."""
        cluster = self._cluster
        log.info("Taking %s (%s) away again", alias, instance.id)
        self._ready = [one for one in self._ready if one.id != instance.id]
        self._gone.add(instance.id)
        try:
            take_back(cluster, alias)
            node = cluster.node_of(instance)
            if _HOOKS_FROM in stages:
                node.update()
                lifecycle.remove_node(cluster, node, force=True)
            else:
                forget_node(cluster, alias)
                node.terminate()
                cluster.access.known.forget([node.id])
        except exception.BaseException as error:
            log.error("%s (%s) could not be taken away: %s", alias, instance.id, error.explain())

    # --- the others are told of those who came

    def _introduce(self, node: Node) -> None:
        """Let all who are ready know of it, and it of them; returns when that was done.

        Who comes meanwhile is told of in one go, by the thread that began: n nodes do not make n times n calls.
        """
        told = threading.Event()
        with self._lock:
            self._news.append((node, told))
            mine, self._introducing = not self._introducing, True
        while mine:
            with self._lock:
                batch, self._news = self._news, []
                mine = self._introducing = bool(batch)
            if batch:
                self._tell([one for one, _ in batch])
                for _, event in batch:
                    event.set()
        told.wait()

    def _tell(self, news: Sequence[Node]) -> None:
        everybody = [*self._ready, *news]
        with get_thread_pool(_THREADS) as pool:
            for node in everybody:
                strange = [one for one in (everybody if node in news else news) if one.id != node.id]
                pool.simple_job(self._acquaint, (node, strange), jobid=node.alias)
            pool.wait(return_results=False)
        self._ready = [node for node in everybody if node.id not in self._silent]

    def _acquaint(self, node: Node, others: Sequence[Node]) -> None:
        """A worker that does not answer is told of, and asked once only: it is not to hold up those who come."""
        try:
            _acquaint(node, others)
        except exception.BaseException as error:
            log.warning("%s did not learn of %s: %s", node.alias, ", ".join(one.alias for one in others), error)
            self._silent.add(node.id)


def _one(alias: str, job: Callable[[], Node], nodes: list[Node], failed: dict[str, exception.BaseException]) -> None:
    """One node's way; what went wrong with it is told at once."""
    try:
        node = job()
    except exception.BaseException as error:
        told = error.explain()
        log.error("%s", told if alias in told else f"{alias}: {told}")
        failed[alias] = error
        return
    log.info("%s is set up (%s)", alias, node.id)
    nodes.append(node)


def _acquaint(node: Node, others: Sequence[Node]) -> None:
    if not others:
        return
    with node.together():
        node.add_to_etc_hosts(others)
        node.add_to_known_hosts("root", others, add_self=False)

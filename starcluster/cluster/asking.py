"""Asks EC2 for machines until there is one for each node: type after type, zone after zone, spot up to a limit.

Every call has a token of its own, so that what is repeated after a lost answer or a killed program is found again.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from starcluster import exception, names
from starcluster.cluster import record
from starcluster.cluster.launching import NodeSpec, launch_request
from starcluster.cluster.pools import Offers, pools_of
from starcluster.logger import log
from starcluster.model import Instance, LaunchRequest, Market, Pool, SpotState
from starcluster.threadpool import get_thread_pool

if TYPE_CHECKING:
    from starcluster.cluster.cluster import Cluster

_TRIES = 8
_FIRST_PAUSE = 2.0
_MOST_PAUSE = 30.0
# a token that belongs to a dead instance is given up for the next one: so often at most
_TOKENS = 100
_THREADS = 40  # a node that waits for a spot machine is not to keep the others waiting
_SHORTAGE_PAUSE = 15.0
_MOST_SHORTAGE_PAUSE = 60.0


def launch_nodes(
    cluster: Cluster, specs: Sequence[NodeSpec], *, present: Mapping[str, Instance] | None = None
) -> list[Instance]:
    """Launch all specs side by side, each with its own token; repeated, it finds what it launched before.

    `present`: by folded alias, who is there already. Raises the first failure after the others have ended; what was
    launched is then in the cluster.
    """
    offers, there, gone = Offers(cluster.ec2, cluster.clock), present or {}, Gone(cluster)
    pool = get_thread_pool(min(_THREADS, len(specs) or 1))
    for spec in specs:
        pool.simple_job(_launch, (cluster, spec, offers, gone, there), jobid=spec.alias)
    try:
        launched = pool.wait()
    except exception.ThreadPoolException as error:
        raise error.exceptions[0][0] from error
    finally:
        pool.shutdown()
    return [instance for instance in launched if instance is not None]


def _launch(
    cluster: Cluster, spec: NodeSpec, offers: Offers, gone: Gone, there: Mapping[str, Instance]
) -> Instance | None:
    return there.get(names.fold(spec.alias)) or obtain(cluster, spec, offers, gone)


class Gone:
    """Who of a cluster is dead or dying: to a token of theirs EC2 gives the answer of then, "pending"."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster, self._lock = cluster, threading.Lock()
        self._told: set[str] = set()
        self._seen: dict[str, str] | None = None

    def add(self, instance_id: str) -> None:
        """Known to us, though EC2's lists may not have heard of it."""
        self._told.add(instance_id)

    def has(self, instance: Instance) -> bool:
        return not instance.state.is_in_cluster or instance.id in self._told or instance.id in self._listed()

    def had(self, token: str) -> bool:
        """Whether one of them was launched with it; of those that EC2 has forgotten only EC2 can tell."""
        return token in self._listed().values()

    def _listed(self) -> dict[str, str]:
        """Their tokens by their ids, asked for once."""
        with self._lock:
            if self._seen is None:
                found = self._cluster.ec2.instances.find(cluster=self._cluster.tag)
                self._seen = {one.id: one.client_token for one in found if not one.state.is_in_cluster}
            return self._seen


def obtain(cluster: Cluster, spec: NodeSpec, offers: Offers, gone: Gone) -> Instance | None:
    """A machine for the node; None for one that may lack. ShortageError when there is none, not even on demand."""
    ask = _Ask(cluster, spec, offers, gone)
    try:
        return ask.until()
    except exception.ShortageError as error:
        if spec.may_lack:
            log.warning("%s is not launched: %s", spec.alias, error)
            return None
        if spec.market is not Market.SPOT:
            raise
        shortage = error
    late = take_back(cluster, spec.alias)
    if late is not None:
        return late
    if not spec.then_on_demand:
        raise _gave_up(spec, shortage)
    log.warning("%s: no spot machine%s (%s): it is asked for on demand", spec.alias, _waited(spec), shortage.msg)
    return ask.once(Market.ON_DEMAND)


def _waited(spec: NodeSpec) -> str:
    return f" in {spec.max_wait / 60:g} minutes" if spec.max_wait else ""


def _gave_up(spec: NodeSpec, shortage: exception.ShortageError) -> exception.ShortageError:
    return exception.ShortageError(
        f"no spot machine for {spec.alias}{_waited(spec)}: {shortage.msg}",
        code=shortage.code,
        hint="SPOT_MAX_WAIT (--spot-max-wait) waits for it, FALLBACK = on-demand takes another market then,"
        " NODE_INSTANCE_TYPES_OR and several zones in AVAILABILITY_ZONE give EC2 a choice",
    )


def take_back(cluster: Cluster, alias: str) -> Instance | None:
    """Cancel the open spot requests of a node; one that was fulfilled in that very moment gives its instance."""
    spot = cluster.ec2.spot
    mine = [
        one
        for one in spot.find(cluster=cluster.tag)
        if one.state is SpotState.OPEN and names.fold(one.tags.get(record.ALIAS, "")) == names.fold(alias)
    ]
    if not mine:
        return None
    ids = [one.id for one in mine]
    log.info("Canceling spot request: %s (%s)", ", ".join(ids), alias)
    spot.cancel(ids)
    fulfilled = [one.instance_id for one in spot.find(ids=ids) if one.instance_id]
    if not fulfilled:
        return None
    alive = [one for one in cluster.ec2.instances.find(ids=fulfilled) if one.state.is_in_cluster]
    if alive:
        log.info("%s: EC2 gave %s in that very moment: it is used", alias, alive[0].id)
        cluster.ec2.instances.tag([alive[0].id], cluster.resource_tags(alias))
    cluster.ec2.instances.terminate([one.id for one in alive[1:]])
    return alive[0] if alive else None


class _Ask:
    """One node's machine. Each call that was refused or whose machine is dead has the next one take a new token."""

    def __init__(self, cluster: Cluster, spec: NodeSpec, offers: Offers, gone: Gone) -> None:
        self._cluster, self._spec, self._offers, self._gone = cluster, spec, offers, gone
        self._number = self._spent = 0

    def until(self) -> Instance:
        """In the spec's own market, asked again during `max_wait`."""
        clock, spec, pause = self._cluster.clock, self._spec, _SHORTAGE_PAUSE
        end = clock.end_of(spec.max_wait if spec.market is Market.SPOT else 0.0)
        while True:
            try:
                return self.once(spec.market)
            except exception.ShortageError as error:
                left = end - clock.monotonic()
                if left <= 0:
                    raise
                if pause == _SHORTAGE_PAUSE:
                    minutes = f"{spec.max_wait / 60:g} minutes"
                    log.info("%s waits up to %s for a spot machine: %s", spec.alias, minutes, error.msg)
            clock.sleep(min(pause, left))
            pause = min(pause * 1.5, _MOST_SHORTAGE_PAUSE)

    def once(self, market: Market) -> Instance:
        """Every pool of the market once; the shortage of the best one when none of them has a machine."""
        spec = self._spec
        shortage: exception.ShortageError | None = None
        prices = self._offers.prices(spec.types, spec.zones or (spec.zone,), market)
        for pool in pools_of(spec, market, prices):
            try:
                return self._launch(pool)
            except exception.ShortageError as error:
                log.debug("%s: %s", spec.alias, error)
                self._number += 1
                shortage = shortage or error
        raise shortage or exception.ShortageError(f"there is no pool for {spec.alias}")

    def _launch(self, pool: Pool) -> Instance:
        while self._spent < _TOKENS:
            request = self._request(pool)
            try:
                instance = _patiently(self._cluster, request)
            except exception.TokenSpent:
                found = self._cluster.ec2.instances.find(token=request.token)
                instance = next((one for one in found if one.state.is_in_cluster), None)
            if instance is not None and not self._gone.has(instance):
                return instance
            self._number += 1
            self._spent += 1
        raise exception.TransientError(
            f"no launch token is left for {self._spec.alias}", hint="launch the node under another name"
        )

    def _request(self, pool: Pool) -> LaunchRequest:
        spec, cluster = self._spec, self._cluster
        return launch_request(
            cluster,
            alias=spec.alias,
            instance_type=pool.instance_type,
            zone=pool.zone,
            market=pool.market,
            token=self._token(),
            max_price=spec.max_price if pool.market is Market.SPOT else None,
            image=spec.image,
            subnet_id=spec.subnet_id,
            grouped=spec.grouped,
        )

    def _token(self) -> str:
        """The next one, but for those of the dead: to ask with them would tell what is known."""
        while True:
            owner, alias = self._cluster.group.id, self._spec.alias
            token = names.launch_token(owner=owner, alias=alias, generation=0, attempt=self._number)
            if not self._gone.had(token):
                return token
            self._number += 1


def _patiently(cluster: Cluster, request: LaunchRequest) -> Instance | None:
    """The launch, asked again while EC2 has passing troubles; the token keeps it from happening twice."""
    pause = _FIRST_PAUSE
    for _ in range(_TRIES - 1):
        try:
            return cluster.ec2.instances.launch(request)[0]
        except exception.TransientError as error:
            log.debug("launch of %s: %s", request.tags.get("alias"), error)
            cluster.clock.sleep(pause)
            pause = min(pause * 2, _MOST_PAUSE)
    return cluster.ec2.instances.launch(request)[0]

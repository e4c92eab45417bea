"""The control operations: what a person or a test does to the cloud that no AWS client could."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, fields, replace
from math import inf
from typing import Any

from starcluster.localcloud.api import catalog, errors
from starcluster.localcloud.api.cloud import Cloud
from starcluster.localcloud.api.faults import Call, Command, Fault, Faults, When
from starcluster.localcloud.api.machines import CloudInstance, Reason
from starcluster.localcloud.api.market import MarketKind
from starcluster.localcloud.api.snapshots import CloudSnapshot
from starcluster.localcloud.api.spotstates import Cause
from starcluster.localcloud.api.timing import Timing
from starcluster.localcloud.hosts.client import HostsError

Answer = dict[str, Any]
LOG_LIMIT = 5000


class UsageError(Exception):
    """A control operation was asked for wrongly."""


def _call(action: str, command: str, given: str) -> Call:
    """What an order is about."""
    if bool(action) == bool(command):
        raise UsageError("name either an action of EC2 or a command")
    return Command(text=command, given=given) if command else action


class Operations:
    """Each public method is one operation; its keyword arguments are those of the request."""

    def __init__(self, cloud: Cloud, faults: Faults) -> None:
        self._cloud = cloud
        self._faults = faults

    def named(self, op: str) -> Callable[..., Answer]:
        """The operation of this name; raises UsageError if there is none."""
        if op.startswith("_") or op == "named" or not hasattr(self, op):
            raise UsageError(f"there is no operation '{op}'")
        found: Callable[..., Answer] = getattr(self, op)
        return found

    def ping(self) -> Answer:
        return {"ok": True}

    def status(self) -> Answer:
        """How many of everything, and every instance that is not terminated."""
        with self._cloud.lock:
            backend = self._cloud.backend
            nodes = [self._node(each) for each in backend.every_instance() if each.now != "terminated"]
            return {
                "instances": backend.counts(),
                "volumes": len(backend.volumes),
                "snapshots": sum(hasattr(each, "hosted") for each in backend.snapshots.values()),
                "spot_requests": len(self._cloud.world.spot_requests),
                "groups": sum(len(groups) for groups in backend.groups.values()),
                "templates": len(backend.launch_templates),
                "keys": len(backend.key_pairs),
                "nodes": nodes,
                "holds": self._faults.holds(),
                "trouble": self._cloud.trouble(),
            }

    def _node(self, instance: CloudInstance) -> Answer:
        request = self._cloud.spot.of_instance(instance)
        return {
            "instance_id": instance.id,
            "state": instance.now.value,
            "type": instance.instance_type,
            "zone": instance.availability_zone,
            "private_ip": instance.private_ip_address,
            "public_ip": instance.public_ip_address,
            "public_dns": instance.public_dns_name,
            "launched": instance.launch_time.timestamp(),
            "lifecycle": "spot" if instance.is_spot else "on-demand",
            "spot_request": request.id if request else None,
            "tags": dict(self._cloud.backend.tags.get(instance.id, {})),
            "image": instance.local_image,
            "user": instance.default_user,
        }

    # --- the market ------------------------------------------------------------------------------------------

    def interrupt(self, *, instance_id: str, notice: float = 120, action: str | None = None) -> Answer:
        """EC2 takes a spot instance, after a notice in EC2's seconds; 0 is sudden death."""
        if notice < 0:
            raise UsageError("the notice cannot be negative")
        if action not in (None, "terminate", "stop"):
            raise UsageError("the action is terminate or stop")
        with self._cloud.lock:
            instance = self._cloud.backend.get_instance(instance_id)
            self._cloud.spot.interrupt(instance, Cause.CAPACITY, notice=notice, action=action)
            planned = self._cloud.world.notices.get(instance_id)
            due = planned.at.timestamp() if planned else None
        return {"instance_id": instance_id, "due": due}

    def rebalance(self, *, instance_id: str) -> Answer:
        with self._cloud.lock:
            self._cloud.spot.rebalance(self._cloud.backend.get_instance(instance_id))
        return {"instance_id": instance_id}

    def price(self, *, type: str, zone: str | None = None, value: float | None = None) -> Answer:  # noqa: A002
        """Set a spot price (None: the usual one); instances whose limit is lower are taken."""
        with self._cloud.lock:
            for name in self._zones(type, zone):
                self._cloud.world.market.set_price(type, name, value)
                self._cloud.log.event("price", type, zone=name, value=value)
                self._cloud.spot.enforce_price(type, name)
                self._cloud.spot.evaluate_pool(type, name)
        return {"prices": self._prices(type)}

    def prices(self, *, type: str) -> Answer:  # noqa: A002 - EC2's word
        return {"on_demand": catalog.on_demand_price(self._type(type)), "prices": self._prices(type)}

    def _prices(self, instance_type: str) -> dict[str, float]:
        zones = self._zones(instance_type, None)
        return {zone: self._cloud.world.market.price(instance_type, zone) for zone in zones}

    def capacity(
        self,
        *,
        type: str,  # noqa: A002 - EC2's word
        zone: str | None = None,
        count: int | None = None,
        market: str = "spot",
        reclaim: bool = False,
    ) -> Answer:
        """How many instances a pool can hold (None: any number). `reclaim` takes those beyond it."""
        kinds = list(MarketKind) if market == "all" else [MarketKind(market)]
        with self._cloud.lock:
            for name in self._zones(type, zone):
                for kind in kinds:
                    self._cloud.world.market.set_capacity(type, name, kind, count)
                    self._cloud.log.event("capacity", type, zone=name, market=kind, count=count)
                if reclaim and count is not None and MarketKind.SPOT in kinds:
                    self._cloud.spot.withdraw(type, name, count)
                self._cloud.spot.evaluate_pool(type, name)
        return {"type": type, "zones": self._zones(type, zone), "count": count}

    def quota(self, *, market: str = "spot", vcpus: int | None = None) -> Answer:
        """The account's limit in vCPUs; None means none."""
        with self._cloud.lock:
            self._cloud.world.market.set_quota(MarketKind(market), vcpus)
        return {"market": market, "vcpus": vcpus}

    def _type(self, name: str) -> str:
        if not catalog.exists(name):
            raise UsageError(f"there is no instance type '{name}'")
        return name

    def _zones(self, instance_type: str, zone: str | None) -> list[str]:
        offered = catalog.zones_of(self._type(instance_type), self._cloud.region)
        if zone is None:
            return list(offered)
        if zone not in offered:
            raise UsageError(f"{instance_type} is not offered in '{zone}'; it is in {', '.join(offered)}")
        return [zone]

    # --- durations -------------------------------------------------------------------------------------------

    def timing(self, **durations: float) -> Answer:
        """Set how long the cloud's own work takes, in EC2's seconds, until the daemon ends; tells all durations.

        What is under way already keeps its time. The speed is not one of them: drivers have been told it.
        """
        known = {field.name for field in fields(Timing)} - {"speed"}
        for name, seconds in durations.items():
            if name not in known:
                raise UsageError(f"there is no duration '{name}'; there are {', '.join(sorted(known))}")
            if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds < inf:
                raise UsageError(f"{name} is {seconds!r}, not a number of seconds")
        with self._cloud.lock:
            self._cloud.timing = replace(self._cloud.timing, **durations)
            return {"timing": asdict(self._cloud.timing)}

    # --- faults ----------------------------------------------------------------------------------------------

    def fault(
        self,
        *,
        action: str = "",
        code: str,
        command: str = "",
        given: str = "",
        status: int | None = None,
        times: int = 1,
        probability: float = 1.0,
        message: str = "",
        when: str = "before",
        skip: int = 0,
    ) -> Answer:
        """Have the next calls but `skip` refused, or carried out and their answers lost (`when` is "after").

        Of an action of EC2 or S3, or of the SSH commands on nodes that contain `command` and are given `given`.
        """
        self._faults.add(
            Fault(
                action=_call(action, command, given), code=code, status=status or errors.http_status(code), times=times,
                probability=probability, message=message or f"{code}, ordered by the local cloud's control",
                when=When(when), skip=skip,
            )
        )  # fmt: skip
        return {"ok": True}

    def clear(self) -> Answer:
        """Forget all faults and watches, let all held calls go, end the lag."""
        self._faults.clear()
        self._cloud.past.lag = 0.0
        return {"ok": True}

    def hold(
        self, *, action: str = "", nth: int = 1, when: str = "before", command: str = "", given: str = ""
    ) -> Answer:
        """Hold back the nth call of an EC2 action from now on, or the nth such SSH command on a node."""
        return {"hold": self._faults.hold(_call(action, command, given), nth, When(when))}

    def watch(self, *, command: str, given: str = "") -> Answer:
        """Write down the SSH commands on nodes that contain `command` and are given `given`, until `clear`."""
        self._faults.watch(Command(text=command, given=given))
        return {"ok": True}

    def holds(self) -> Answer:
        return {"holds": self._faults.holds()}

    def release(self, *, hold: int | None = None) -> Answer:
        return {"released": self._faults.release(hold)}

    def lag(self, *, seconds: float = 0) -> Answer:
        """Descriptions tell what was true so long ago (wall seconds)."""
        self._cloud.past.set_lag(seconds)
        return {"lag": seconds}

    def crash(self, *, instance_id: str) -> Answer:
        """The hardware under an instance fails: it dies at once, and EC2 says Server.InternalError."""
        with self._cloud.lock:
            instance = self._cloud.backend.get_instance(instance_id)
            self._cloud.life.terminate(instance, Reason.INTERNAL, sudden=True)
        return {"instance_id": instance_id}

    def spoil(self, *, snapshot_id: str) -> Answer:
        """A snapshot fails: EC2 could not store it, and says that it is in the state error."""
        with self._cloud.lock:
            snapshot = self._cloud.backend.snapshots.get(snapshot_id)
            if not isinstance(snapshot, CloudSnapshot):
                raise UsageError(f"there is no snapshot '{snapshot_id}' of a volume")
            snapshot.failed = True
            self._cloud.log.event("snapshot-failed", snapshot_id)
        return {"snapshot_id": snapshot_id}

    def freeze(self, *, instance_id: str) -> Answer:
        """An instance hangs: it answers nobody, and EC2 says that it runs."""
        self._freeze(instance_id, thaw=False)
        return {"instance_id": instance_id}

    def thaw(self, *, instance_id: str) -> Answer:
        """A frozen instance goes on as if nothing had been."""
        self._freeze(instance_id, thaw=True)
        return {"instance_id": instance_id}

    def _freeze(self, instance_id: str, *, thaw: bool) -> None:
        with self._cloud.lock:
            instance = self._cloud.backend.get_instance(instance_id)
        try:
            self._cloud.hosts.freeze(instance.id, thaw=thaw)
        except HostsError as error:
            raise UsageError(str(error)) from error
        self._cloud.log.event("thaw" if thaw else "freeze", instance.id)

    def log(self, *, after: int = 0) -> Answer:
        """The entries of calls.jsonl with a higher number."""
        return {"entries": self._cloud.log.after(after)[:LOG_LIMIT]}

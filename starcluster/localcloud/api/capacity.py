"""How many instances can be had now: by the pool's room, the account's quota and the spot price."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starcluster.localcloud.api import catalog, errors
from starcluster.localcloud.api.cloud import Cloud
from starcluster.localcloud.api.machines import State
from starcluster.localcloud.api.market import MarketKind

if TYPE_CHECKING:
    from starcluster.localcloud.api.launch import LaunchPlan


def alive_in_pool(cloud: Cloud, instance_type: str, zone: str, kind: MarketKind) -> int:
    """How many instances a pool holds now."""
    return sum(
        1
        for instance in cloud.backend.every_instance()
        if instance.instance_type == instance_type
        and instance.availability_zone == zone
        and instance.is_spot == (kind is MarketKind.SPOT)
        and (instance.now.is_up or instance.now is State.STOPPING)
    )


def pool_room(cloud: Cloud, instance_type: str, zone: str, kind: MarketKind) -> int | None:
    """How many more instances a pool can hold; None: without limit."""
    alive = alive_in_pool(cloud, instance_type, zone, kind)
    return cloud.world.market.room(instance_type, zone, kind, alive=alive)


def grant(cloud: Cloud, plan: LaunchPlan) -> int:
    """How many instances of the plan can be had now; raises EC2's refusal if fewer than `minimum`."""
    _check_price(cloud, plan)
    count = _within_quota(cloud, plan)
    room = pool_room(cloud, plan.instance_type, plan.zone, plan.kind)
    if room is not None and room < plan.minimum:
        raise errors.no_capacity(plan.instance_type, plan.zone)
    return count if room is None else min(count, room)


def _check_price(cloud: Cloud, plan: LaunchPlan) -> None:
    if plan.spot is None or plan.spot.max_price is None:
        return
    price = cloud.world.market.price(plan.instance_type, plan.zone)
    if plan.spot.max_price < price:
        text = (
            f"Your Spot request price of {plan.spot.max_price:g} is lower than the minimum required Spot request"
            f" fulfillment price of {price:g}."
        )
        raise errors.Refusal("SpotMaxPriceTooLow", text)


def _within_quota(cloud: Cloud, plan: LaunchPlan) -> int:
    quota = cloud.world.market.quotas.get(plan.kind)
    if quota is None:
        return plan.maximum
    used = sum(
        catalog.vcpus(each.instance_type)
        for each in cloud.backend.every_instance()
        if each.is_spot == (plan.kind is MarketKind.SPOT) and each.now.is_up
    )
    affordable = (quota - used) // catalog.vcpus(plan.instance_type)
    if affordable >= plan.minimum:
        return min(plan.maximum, affordable)
    if plan.kind is MarketKind.SPOT:
        raise errors.Refusal("MaxSpotInstanceCountExceeded", "Max spot instance count exceeded")
    text = f"You have requested more vCPU capacity than your current vCPU limit of {quota} allows."
    raise errors.Refusal("VcpuLimitExceeded", text)

"""Spot requests and spot prices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from starcluster.aws import forms
from starcluster.aws.api import Api
from starcluster.aws.instances import CLUSTER_TAG
from starcluster.model import SpotPrice, SpotRequest

PRODUCTS = ("Linux/UNIX", "Linux/UNIX (Amazon VPC)")


class Spot:
    def __init__(self, api: Api) -> None:
        self._api = api

    def find(
        self,
        *,
        cluster: str | Sequence[str] | None = None,
        ids: Sequence[str] = (),
        instance_ids: Sequence[str] = (),
    ) -> list[SpotRequest]:
        """All spot requests that fit, whatever their state; EC2 forgets them hours after their end."""
        wanted = {
            "tag:" + CLUSTER_TAG: cluster or "",
            "spot-instance-request-id": ids,
            "instance-id": instance_ids,
        }
        answers = self._api.pages(
            "describe_spot_instance_requests",
            "SpotInstanceRequests",
            what="list spot requests",
            page_size=self._api.page_size,
            Filters=forms.filter_list(wanted),
        )
        return [forms.spot_request(answer) for answer in answers]

    def cancel(self, ids: Sequence[str]) -> None:
        """Cancel requests; an instance that one has brought up goes on running."""
        if ids:
            self._api.change(
                "cancel_spot_instance_requests",
                what=f"cancel the spot request {', '.join(ids)}",
                SpotInstanceRequestIds=list(ids),
            )

    def history(
        self,
        instance_type: str,
        zone: str = "",
        start: datetime | None = None,
        end: datetime | None = None,
        *,
        products: Iterable[str] = PRODUCTS,
    ) -> list[SpotPrice]:
        """Price changes, oldest first; the first may lie before `start` (the price that held then)."""
        place = {"AvailabilityZone": zone} if zone else {}
        return self._prices([instance_type], start, end, products, place)

    def current_prices(self, types: Sequence[str], zones: Sequence[str] = ()) -> dict[tuple[str, str], float]:
        """(type, zone) -> price now; a pair without a price is not offered as spot."""
        now = datetime.now(UTC)
        prices = self._prices(types, now, None, PRODUCTS, {})
        # oldest first, so the newest record of a pool is what stays in the dict
        return {(one.instance_type, one.zone): one.price for one in prices if not zones or one.zone in zones}

    def _prices(
        self,
        types: Sequence[str],
        start: datetime | None,
        end: datetime | None,
        products: Iterable[str],
        place: Mapping[str, Any],
    ) -> list[SpotPrice]:
        times: dict[str, Any] = {"StartTime": start, "EndTime": end}
        answers = self._api.pages(
            "describe_spot_price_history",
            "SpotPriceHistory",
            what=f"read the spot prices of {', '.join(types)}",
            page_size=self._api.page_size,
            InstanceTypes=list(types),
            ProductDescriptions=list(products),
            **{name: time for name, time in times.items() if time is not None},
            **place,
        )
        return sorted((_price(answer) for answer in answers), key=lambda one: one.at)


def _price(answer: Mapping[str, Any]) -> SpotPrice:
    return SpotPrice(
        instance_type=answer["InstanceType"],
        zone=answer["AvailabilityZone"],
        price=float(answer["SpotPrice"]),
        at=answer["Timestamp"],
    )

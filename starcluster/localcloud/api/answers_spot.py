"""The actions on spot requests and spot prices."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.models.instance_types import INSTANCE_TYPES

from starcluster.localcloud.api import catalog, errors, filters, paging
from starcluster.localcloud.api.answer import Answer
from starcluster.localcloud.api.ids import check_id
from starcluster.localcloud.api.spot import SpotRequest
from starcluster.localcloud.api.spotterms import check_terms
from starcluster.localcloud.api.tagging import read_tag_specifications
from starcluster.localcloud.api.views import spot_request_view

REQUEST = "RequestSpotInstances"
PRODUCTS = ("Linux/UNIX", "Linux/UNIX (Amazon VPC)")
SCORES_SHOWN = 10

REQUEST_FILTERS: dict[str, filters.Getter] = {
    "create-time": lambda r: r.create_time,
    "instance-id": lambda r: r.instance_id,
    "launch.image-id": lambda r: r.image_id,
    "launch.instance-type": lambda r: r.instance_type,
    "launch.key-name": lambda r: r.key_name,
    "launch.group-id": lambda r: [group_id for group_id, _ in r.group_ids],
    "launch.group-name": lambda r: [name for _, name in r.group_ids],
    "launched-availability-zone": lambda r: r.zone if r.instance_id else None,
    "product-description": lambda r: PRODUCTS[0],
    "spot-instance-request-id": lambda r: r.id,
    "spot-price": lambda r: None if r.terms.max_price is None else f"{r.terms.max_price:.6f}",
    "state": lambda r: r.status.state.value,
    "status-code": lambda r: r.status.code.value,
    "type": lambda r: r.terms.kind,
    "valid-until": lambda r: r.terms.valid_until,
}

PRICE_FILTERS: dict[str, filters.Getter] = {
    "availability-zone": lambda row: row["AvailabilityZone"],
    "instance-type": lambda row: row["InstanceType"],
    "product-description": lambda row: row["ProductDescription"],
    "spot-price": lambda row: row["SpotPrice"],
    "timestamp": lambda row: row["Timestamp"],
}


class SpotAnswers(Answer):
    """Requests, cancellation, price history."""

    def request_spot_instances(self) -> ActionResult:
        params = dict(self.params)
        known = self.tokens.before(REQUEST, params)
        if known is not None:
            again = [self.world.spot_requests[each] for each in known.split(",") if each in self.world.spot_requests]
            return ActionResult({"SpotInstanceRequests": [spot_request_view(each) for each in again]})
        terms = check_terms(
            kind=params.get("Type") or "one-time",
            behaviour=params.get("InstanceInterruptionBehavior") or "terminate",
            max_price=params.get("SpotPrice"),
            valid_until=params.get("ValidUntil"),
        )
        self.error_on_dryrun()
        made = self.cloud.spot.request(terms, _launch_params(params), int(params.get("InstanceCount") or 1))
        self.tokens.after(REQUEST, params, ",".join(each.id for each in made))
        return ActionResult({"SpotInstanceRequests": [spot_request_view(each) for each in made]})

    def _named_requests(self) -> list[SpotRequest]:
        found = []
        for request_id in self._get_param("SpotInstanceRequestIds", []):
            check_id("InvalidSpotInstanceRequestID", request_id, "sir")
            request = self.world.spot_requests.get(request_id)
            if request is None:
                text = f"The spot instance request ID '{request_id}' does not exist"
                raise errors.Refusal("InvalidSpotInstanceRequestID.NotFound", text)
            found.append(request)
        return found

    def describe_spot_instance_requests(self) -> ActionResult:
        self.error_on_dryrun()
        named = self._named_requests()
        if named and self._get_param("MaxResults"):
            raise errors.bad_combination("MaxResults cannot be used with request ids")
        wanted = filters.read_filters(self.params)
        found = filters.apply(
            named or self.world.spot_requests.values(), wanted, REQUEST_FILTERS, lambda each: each.tags
        )
        shown, token = paging.page(found, self.params, key=lambda each: each.id)
        return ActionResult({"SpotInstanceRequests": [spot_request_view(each) for each in shown], "NextToken": token})

    def cancel_spot_instance_requests(self) -> ActionResult:
        requests = self._named_requests()
        if not requests:
            raise errors.missing("SpotInstanceRequestId")
        self.error_on_dryrun()
        for request in requests:
            self.cloud.spot.cancel(request)
        told = [{"SpotInstanceRequestId": each.id, "State": each.status.state} for each in requests]
        return ActionResult({"CancelledSpotInstanceRequests": told})

    # --- prices ------------------------------------------------------------------------------------------------

    def describe_spot_price_history(self) -> ActionResult:
        self.error_on_dryrun()
        rows = list(self._price_rows())
        found = filters.apply(rows, filters.read_filters(self.params), PRICE_FILTERS, lambda row: {})
        found.sort(key=lambda row: (row["Timestamp"], row["InstanceType"], row["AvailabilityZone"]), reverse=True)
        shown, token = paging.page(found, self.params, key=_price_key, lowest=1)
        return ActionResult({"SpotPriceHistory": shown, "NextToken": token or ""})

    def _price_rows(self) -> Iterable[dict[str, Any]]:
        """Price changes within the time asked for, and the one that was in force at its beginning."""
        zone = self._get_param("AvailabilityZone")
        zones = set(self.ec2_backend.zone_names())
        if zone and zone not in zones:
            raise errors.Refusal("InvalidParameterValue", f"Invalid availability zone: [{zone}]")
        products = [each for each in PRODUCTS if each in (self._get_param("ProductDescriptions") or PRODUCTS[:1])]
        for instance_type in self._price_types():
            for place in catalog.zones_of(instance_type, self.region):
                if zone in (None, "", place):
                    yield from self._pool_rows(instance_type, place, products)

    def _price_types(self) -> list[str]:
        wanted = self._get_param("InstanceTypes", []) or filters.read_filters(self.params).get("instance-type")
        known: list[str] = list(INSTANCE_TYPES)
        return [each for each in wanted if each in INSTANCE_TYPES] if wanted else known

    def _pool_rows(self, instance_type: str, zone: str, products: list[str]) -> Iterable[dict[str, Any]]:
        changes = self.world.market.history(instance_type, zone)
        start, end = _seconds(self._get_param("StartTime")), _seconds(self._get_param("EndTime"))
        for change, following in zip(changes, [*changes[1:], None], strict=True):
            if end is not None and change.at > end:
                continue
            if start is not None and following is not None and following.at <= start:
                continue
            for product in products:
                yield {
                    "InstanceType": instance_type,
                    "AvailabilityZone": zone,
                    "ProductDescription": product,
                    "SpotPrice": f"{change.price:.6f}",
                    "Timestamp": datetime.datetime.fromtimestamp(change.at, datetime.UTC).replace(tzinfo=None),
                }

    def get_spot_placement_scores(self) -> ActionResult:
        """Ten where there is room, one where there is not."""
        types = self._get_param("InstanceTypes", [])
        if not types:
            raise errors.missing("InstanceTypes")
        self.error_on_dryrun()
        scores = []
        for zone in self.ec2_backend.describe_availability_zones():
            capacity = self.world.market.capacity
            room = [capacity.get((each, zone.name, "spot")) != 0 for each in types]
            offered = [zone.name in catalog.zones_of(each, self.region) for each in types]
            good = any(a and b for a, b in zip(room, offered, strict=True))
            scores.append({"Region": self.region, "AvailabilityZoneId": zone.zone_id, "Score": 9 if good else 1})
        if not self._get_bool_param("SingleAvailabilityZone", False):
            scores = [{"Region": self.region, "Score": max(each["Score"] for each in scores)}]
        return ActionResult({"SpotPlacementScores": scores[:SCORES_SHOWN]})


def _launch_params(params: dict[str, Any]) -> dict[str, Any]:
    """A launch specification in RunInstances' words."""
    spec = dict(params.get("LaunchSpecification") or {})
    spec["TagSpecifications"] = params.get("TagSpecifications")
    read_tag_specifications(params.get("TagSpecifications"), ["spot-instances-request"])
    return {**spec, "MinCount": 1, "MaxCount": 1, "InstanceMarketOptions": {"MarketType": "spot"}}


def _seconds(moment: Any) -> float | None:
    """A time parameter in seconds since the epoch."""
    if moment is None:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    return float(moment.timestamp())


def _price_key(row: dict[str, Any]) -> str:
    return "/".join(str(row[name]) for name in ("InstanceType", "AvailabilityZone", "ProductDescription", "Timestamp"))

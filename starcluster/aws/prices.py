"""On-demand prices: what a spot price is compared with. Knowing none is no error."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starcluster import exception
from starcluster.aws.api import Api
from starcluster.logger import log

TABLE_REGION = "us-east-1"
# Linux, shared tenancy, US dollars an hour, us-east-1: list prices as published by AWS
TABLE: Mapping[str, float] = {
    "t3.micro": 0.0104,
    "t3.small": 0.0208,
    "t3.medium": 0.0416,
    "t3.large": 0.0832,
    "t3.xlarge": 0.1664,
    "t3.2xlarge": 0.3328,
    "m5.large": 0.096,
    "m5.xlarge": 0.192,
    "m5.2xlarge": 0.384,
    "m5.4xlarge": 0.768,
    "c5.large": 0.085,
    "c5.xlarge": 0.17,
    "c5.2xlarge": 0.34,
    "c5.4xlarge": 0.68,
    "c5.9xlarge": 1.53,
    "c5.18xlarge": 3.06,
    "r5.large": 0.126,
    "r5.xlarge": 0.252,
    "r5.2xlarge": 0.504,
    "c3.8xlarge": 1.68,
    "c4.8xlarge": 1.591,
    "g4dn.xlarge": 0.526,
    "g4dn.2xlarge": 0.752,
    "g4dn.12xlarge": 3.912,
    "g5.xlarge": 1.006,
    "g5.2xlarge": 1.212,
    "g5.12xlarge": 5.672,
    "g6.xlarge": 0.8048,
}


# EBS, US dollars a GB and month, us-east-1: list prices; of the IOPS and MiB/s beyond what is included below
STORAGE: Mapping[str, float] = {"gp3": 0.08, "gp2": 0.10, "io1": 0.125, "io2": 0.125, "st1": 0.045, "sc1": 0.015}
SNAPSHOTS = 0.05
_IOPS: Mapping[str, tuple[int, float]] = {"gp3": (3000, 0.005), "io1": (0, 0.065), "io2": (0, 0.065)}
_THROUGHPUT = (125, 0.04)  # of gp3


def volume_month(kind: str, size: int, iops: int | None, throughput: int | None) -> float:
    """US dollars a month of a volume of so many GiB in us-east-1, whether it is attached or not."""
    included, each = _IOPS.get(kind, (0, 0.0))
    price = STORAGE.get(kind, STORAGE["gp3"]) * size + max(0, (iops or 0) - included) * each
    if kind == "gp3":
        price += max(0, (throughput or 0) - _THROUGHPUT[0]) * _THROUGHPUT[1]
    return price


class Prices:
    def __init__(self, api: Api) -> None:
        self._api = api
        self._known: dict[tuple[str, str], float | None] = {}

    def on_demand(self, instance_type: str, region: str = "") -> float | None:
        """Dollars an hour, None when unknown. Asks AWS's price list for a few seconds at most, once a type."""
        where = region or self._api.access.region
        if where == TABLE_REGION and instance_type in TABLE:
            return TABLE[instance_type]
        if (instance_type, where) not in self._known:
            self._known[instance_type, where] = self._ask(instance_type, where)
        return self._known[instance_type, where]

    def _ask(self, instance_type: str, region: str) -> float | None:
        if not self._api.access.public:
            return None
        wanted = {
            "instanceType": instance_type,
            "regionCode": region,
            "operatingSystem": "Linux",
            "preInstalledSw": "NA",
            "tenancy": "Shared",
            "capacitystatus": "Used",
        }
        filters = [{"Type": "TERM_MATCH", "Field": key, "Value": value} for key, value in wanted.items()]
        try:
            answer = self._api.price_list(ServiceCode="AmazonEC2", Filters=filters, MaxResults=1)
        except exception.AWSError as error:
            log.debug("no on-demand price for %s: %s", instance_type, error)
            return None
        return price_of(answer.get("PriceList", ()))


def price_of(products: Any) -> float | None:
    """The first hourly dollar price in GetProducts' JSON texts."""
    for product in products:
        for term in json.loads(product).get("terms", {}).get("OnDemand", {}).values():
            for dimension in term["priceDimensions"].values():
                if dimension.get("unit") == "Hrs":
                    return float(dimension["pricePerUnit"]["USD"])
    return None

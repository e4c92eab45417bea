"""Named spot workers that are launched together with the cluster.

    [plugin workers]
    SETUP_CLASS = starcluster.plugins.spotworker.SpotWorker
    NODES = alice, bob
    INSTANCE_TYPE = c5.2xlarge       # empty: as the cluster's workers
    SPOT_BID = 0.15                  # empty: up to the on-demand price

AWS may take a spot worker back at any time. A supervisor (`python aws_train.py alice bob`) launches it again
under its name for as long as it runs; without one the worker stays away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from starcluster import exception
from starcluster.clustersetup import ClusterSetup, WantedNode
from starcluster.logger import log
from starcluster.model import Market
from starcluster.nodeplugin import words

if TYPE_CHECKING:
    from starcluster.cluster.node import Node


class SpotWorker(ClusterSetup):
    def __init__(
        self, nodes: str, instance_type: str = "", spot_bid: str = "", market: str = "spot", image_id: str = ""
    ) -> None:
        self.aliases = words(nodes)
        self.instance_type, self.image_id = instance_type.strip(), image_id.strip()
        self.bid = _bid(spot_bid)
        self.market = _market(market)

    def wanted_nodes(self) -> Sequence[WantedNode]:
        return [
            WantedNode(
                alias=alias, instance_type=self.instance_type, image=self.image_id, bid=self.bid, market=self.market
            )
            for alias in self.aliases
        ]

    def run(
        self, nodes: list[Node], master: Node, user: str, user_shell: str, volumes: Mapping[str, Mapping[str, Any]]
    ) -> None:
        """Say who came and who did not."""
        here = {node.alias.lower() for node in nodes}
        missing = [alias for alias in self.aliases if alias.lower() not in here]
        if missing:
            log.warning(
                "%s could not be launched; `python aws_train.py %s` asks until there is room",
                ", ".join(missing),
                " ".join(missing),
            )


def _bid(text: str) -> float | None:
    if not text.strip():
        return None
    try:
        bid = float(text)
    except ValueError:
        raise exception.ConfigSettingError(f"'{text}' is not a price", setting="SPOT_BID") from None
    if bid < 0:
        raise exception.ConfigSettingError(f"{text} is less than 0", setting="SPOT_BID")
    return bid or None


def _market(text: str) -> Market:
    try:
        return Market(text.strip().lower())
    except ValueError:
        raise exception.ConfigSettingError(
            f"'{text}' is not a market", setting="MARKET", hint="spot or on-demand"
        ) from None

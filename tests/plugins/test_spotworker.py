"""spotworker: the nodes that it wants, and what it says of those that did not come."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from starcluster import exception
from starcluster.model import Market
from starcluster.plugins.spotworker import SpotWorker


def test_each_name_is_a_wanted_spot_node() -> None:
    wanted = SpotWorker("alice, VD2D", instance_type="c5.large", spot_bid="0.2").wanted_nodes()
    assert [(one.alias, one.instance_type, one.bid, one.market) for one in wanted] == [
        ("alice", "c5.large", 0.2, Market.SPOT),
        ("VD2D", "c5.large", 0.2, Market.SPOT),
    ]
    assert SpotWorker("a").wanted_nodes()[0].bid is None
    assert SpotWorker("a", market="on-demand").wanted_nodes()[0].market is Market.ON_DEMAND


@pytest.mark.parametrize(("name", "value"), [("spot_bid", "cheap"), ("spot_bid", "-1"), ("market", "black")])
def test_bad_settings_are_told(name: str, value: str) -> None:
    with pytest.raises(exception.ConfigSettingError) as caught:
        SpotWorker("a", **{name: value})
    assert caught.value.setting == name.upper()


def test_who_did_not_come_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    nodes = [SimpleNamespace(alias="master"), SimpleNamespace(alias="vd2d")]
    SpotWorker("alice, VD2D").run(nodes, nodes[0], "u", "bash", {})  # type: ignore[arg-type]
    said = capsys.readouterr().out
    assert "alice could not be launched" in said
    assert "VD2D" not in said

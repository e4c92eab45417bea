"""A refusal of one name is told at once, once, and stops no other name."""

from __future__ import annotations

from pathlib import Path

import pytest

from starcluster.aws import codes
from starcluster.aws.errors import launch_verdict, spot_verdict
from starcluster.clock import Clock
from starcluster.model import InstanceState, LaunchRequest, Market, Pool, SpotRequest, SpotState, Verdict
from starcluster.supervisor.loop import Ended
from starcluster.supervisor.memory import Memory
from tests.fakes.ec2 import fake_error
from tests.unit.supervisor.stage import TAG, Scene
from tests.unit.supervisor.world import wish

CHEAP = Pool(instance_type="c5.large", zone="us-east-1a", market=Market.SPOT)
DEAR = Pool(instance_type="c5.xlarge", zone="us-east-1a", market=Market.SPOT)


def test_a_bid_below_the_price_is_a_shortage_of_this_pool_only() -> None:
    assert launch_verdict("SpotMaxPriceTooLow") is Verdict.ELSEWHERE


def test_the_same_refusal_is_news_once_until_a_launch_went_well() -> None:
    memory = Memory(Clock())
    assert memory.is_news("a", DEAR, "InsufficientInstanceCapacity")
    assert not memory.is_news("a", DEAR, "InsufficientInstanceCapacity")
    assert memory.is_news("a", CHEAP, "InsufficientInstanceCapacity")
    assert memory.is_news("a", DEAR, "SpotMaxPriceTooLow")
    assert memory.is_news("b", DEAR, "InsufficientInstanceCapacity")
    memory.forget_news("a")
    assert memory.is_news("a", DEAR, "InsufficientInstanceCapacity")
    assert not memory.is_news("b", DEAR, "InsufficientInstanceCapacity")


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


# those that come from credentials may be put right while the driver waits
TOLD = sorted(
    code
    for group in (codes.INSTANCE_QUOTA, codes.OTHER_QUOTA, codes.PERMISSION, codes.USER, codes.MISSING)
    for code in group.codes
)


@pytest.mark.parametrize("code", TOLD)
def test_what_only_the_user_can_put_right_ends_the_driver_with_3(scene: Scene, code: str) -> None:
    scene.ec2.refuse(code=code, market="spot")
    driver = scene.driver(wish())
    scene.rounds(driver, 5)
    assert driver.sites[0].results == {"mynode": Ended.USER_MUST_ACT}
    assert code in driver.sites[0].holds["mynode"].because
    assert scene.record().intent is None


@pytest.mark.parametrize("code", sorted([*codes.CREDENTIALS.codes, "NeverHeardOf", "PendingVerification"]))
def test_what_passes_or_is_not_known_is_waited_for_and_told_once(
    scene: Scene, code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    scene.ec2.refuse(code=code, market="spot")
    driver = scene.driver(wish())
    scene.rounds(driver, 20, pause=120)
    assert not driver.sites[0].results
    assert capsys.readouterr().out.count(f"EC2 says {code}\n") <= 2, "as a warning, and as what is waited for"
    scene.ec2.relent()
    scene.rounds(driver, 15, pause=60)
    assert scene.agent().ran == [1]


def test_a_quota_that_the_dying_instance_fills_is_waited_for(scene: Scene) -> None:
    driver = scene.driver(wish())
    scene.rounds(driver, 8)
    scene.ec2.refuse(code="MaxSpotInstanceCountExceeded", market="spot")
    scene.lose(scene.alive()[0])
    scene.rounds(driver, 6, pause=30)
    assert not driver.sites[0].results
    scene.ec2.relent()
    scene.rounds(driver, 12, pause=30)
    assert scene.agent().ran == [2]


def test_a_quota_that_stays_full_is_told_in_the_end(scene: Scene) -> None:
    driver = scene.driver(wish())
    scene.rounds(driver, 8)
    scene.ec2.refuse(code="VcpuLimitExceeded", market="spot")
    scene.lose(scene.alive()[0])
    scene.rounds(driver, 40, pause=60)
    assert driver.sites[0].results == {"mynode": Ended.USER_MUST_ACT}


def open_request(scene: Scene, code: str, message: str = "") -> None:
    """EC2 commits a request without an instance, and its answer is lost."""
    tags = {"alias": "mynode", "@sc-cluster": TAG}
    verdict = spot_verdict(code)
    scene.ec2.spot.all["sir-open"] = SpotRequest(
        id="sir-open", state=SpotState.OPEN, code=code, verdict=verdict, message=message, tags=tags
    )


@pytest.mark.parametrize("code", ["price-too-low", "bad-parameters", "limit-exceeded", "constraint-not-fulfillable"])
def test_a_request_that_can_not_be_fulfilled_is_taken_back_and_told(scene: Scene, code: str) -> None:
    driver = scene.driver(wish())
    open_request(scene, code, "Your words")
    scene.rounds(driver, 5)
    assert driver.sites[0].results == {"mynode": Ended.USER_MUST_ACT}
    hold = driver.sites[0].holds["mynode"]
    assert hold.because == f"EC2 can not fulfil its spot request: Your words ({code})"
    assert hold.hint
    assert not scene.ec2.spot.all["sir-open"].state.is_live
    assert not scene.alive()


@pytest.mark.parametrize(("code", "sooner"), [("capacity-not-available", True), ("pending-evaluation", False)])
def test_a_request_whose_pool_is_empty_is_taken_back_sooner_and_another_pool_is_asked(
    scene: Scene, code: str, sooner: bool
) -> None:
    driver = scene.driver(wish(instance_types=("c5.large", "c5.xlarge")))
    scene.ec2.fail_next("instances.launch", fake_error("InternalError"))
    scene.rounds(driver, 2)
    open_request(scene, code)
    scene.rounds(driver, 12, pause=12)
    assert scene.ec2.spot.all["sir-open"].state.is_live is not sooner
    scene.rounds(driver, 12, pause=90)
    assert [one.instance_type for one in scene.alive()] == ["c5.xlarge"]
    assert scene.alive()[0].state is InstanceState.RUNNING
    assert isinstance(scene.ec2.instances.requests[scene.alive()[0].client_token], LaunchRequest)

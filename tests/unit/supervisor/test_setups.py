"""A set-up that fails: what another try may cure, and what only the user can."""

from __future__ import annotations

from pathlib import Path

import pytest

from starcluster import exception
from starcluster.cluster.hooks import run_hook
from starcluster.clustersetup import ClusterSetup
from tests.unit.supervisor.stage import Scene
from tests.unit.supervisor.world import wish

REFUSED = exception.SyncRefused("mynode: this node has no keys for s3://b", hint="launch it with IAM_PROFILE")


def of_plugin(error: Exception) -> Exception:
    """As a plugin's hook gives it to the set-up."""

    class Failing(ClusterSetup):
        def on_add_node(self, *args: object) -> None:
            raise error

    with pytest.raises(exception.PluginError) as caught:
        run_hook(Failing(), "on_add_node", ("mynode",))
    return caught.value


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_what_only_the_user_can_change_is_held_at_the_first_try(scene: Scene) -> None:
    scene.machines.fail_set_up = [of_plugin(REFUSED)]
    driver = scene.driver(wish())
    scene.rounds(driver, 8)
    hold = driver.sites[0].holds["mynode"]
    assert "no keys for s3://b" in hold.because
    assert hold.hint.splitlines()[0] == "launch it with IAM_PROFILE"
    assert "starcluster removenode mycluster mynode ends it" in hold.hint
    assert len(scene.alive()) == 1


def test_what_may_pass_is_tried_again(scene: Scene) -> None:
    scene.machines.fail_set_up = [of_plugin(exception.SyncError("mynode: the bucket could not be reached"))]
    driver = scene.driver(wish())
    scene.rounds(driver, 8)
    assert driver.sites[0].holds == {}
    assert scene.machines.fail_set_up == []
    assert scene.agent().ran


THROTTLED = exception.TransientError("can not list volumes: Request limit exceeded.", code="RequestLimitExceeded")


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(of_plugin(THROTTLED), id="of a plugin"),
        pytest.param(of_plugin(exception.ThreadPoolException("x", [(THROTTLED, "", "mynode")])), id="of its jobs"),
    ],
)
def test_a_machine_is_not_given_up_for_what_ec2_refuses(scene: Scene, error: Exception) -> None:
    """The next one would be refused the same, and cost as much again."""
    scene.machines.fail_set_up = [error] * 12
    driver = scene.driver(wish())
    scene.rounds(driver, 60, pause=60)
    assert scene.machines.fail_set_up == []
    assert len(scene.nodes()) == 1
    assert scene.agent().ran == [1]

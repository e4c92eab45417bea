"""Looks, plans and acts together, against EC2 in memory and fake agents."""

from __future__ import annotations

from pathlib import Path

import pytest

from starcluster import exception
from starcluster.cluster.namerecord import OutcomeState
from starcluster.model import InstanceState
from starcluster.supervisor.loop import Driver, Ended
from starcluster.supervisor.wishes import Fallback
from tests.fakes.ec2 import fake_error
from tests.unit.supervisor.stage import TAG, Scene
from tests.unit.supervisor.world import wish


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def working(scene: Scene, rounds: int = 8) -> Driver:
    driver = scene.driver(wish())
    scene.rounds(driver, rounds)
    assert scene.agent().ran
    return driver


def test_from_nothing_to_a_running_command(scene: Scene) -> None:
    working(scene)
    (node,) = scene.alive()
    assert scene.record().born == node.id
    assert scene.agent().ran == [1]
    assert scene.agent().orders[-1]["op"] in ("run", "report")


def test_when_it_works_nothing_more_is_changed(scene: Scene) -> None:
    driver = working(scene)
    scene.ec2.calls.clear()
    scene.rounds(driver, 5)
    assert {name for name, _ in scene.ec2.calls} == {"instances.find", "spot.find", "templates.find"}


def test_a_constant_number_of_calls_a_round(scene: Scene) -> None:
    def calls(count: int) -> int:
        wishes = [wish(f"n{number}") for number in range(count)]
        driver = scene.driver(*wishes)
        scene.rounds(driver, 10)
        scene.ec2.calls.clear()
        scene.rounds(driver, 1)
        return len(scene.ec2.calls)

    assert calls(1) == calls(12)


def test_a_finished_command_is_recorded_and_its_node_released(scene: Scene) -> None:
    driver = working(scene)
    scene.agent().end(0)
    scene.rounds(driver, 5)
    assert not scene.alive()
    outcome = scene.record().outcome
    assert outcome is not None
    assert outcome.state is OutcomeState.FINISHED
    assert scene.record().lease is None
    again = scene.driver(wish())
    scene.rounds(again, 5)
    assert again.sites[0].results == {"mynode": Ended.FINISHED}
    assert len(scene.nodes()) == 1


def test_what_had_finished_before_is_told_with_the_way_to_run_it_anew(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    driver = working(scene)
    scene.agent().end(0)
    scene.rounds(driver, 5)
    told = capsys.readouterr().out
    assert "mynode: finished at " in told
    assert "already" not in told
    scene.rounds(scene.driver(wish()), 5)
    assert " UTC already; --again runs it anew\n" in capsys.readouterr().out


def test_again_runs_anew_with_a_new_number(scene: Scene) -> None:
    driver = working(scene)
    scene.agent().end(0)
    scene.rounds(driver, 5)
    scene.rounds(scene.driver(wish(), again=True), 12)
    assert len(scene.alive()) == 1
    assert scene.agent().ran == [2]


def test_a_failing_command_is_tried_again_and_given_up(scene: Scene) -> None:
    driver = scene.driver(wish(max_restarts=1))
    scene.rounds(driver, 8)
    scene.agent().end(3)
    scene.rounds(driver, 6)
    assert scene.agent().ran == [1, 2]
    scene.agent().end(3)
    scene.rounds(driver, 6)
    assert driver.sites[0].results == {"mynode": Ended.GAVE_UP}
    assert not scene.alive()
    scene.rounds(scene.driver(wish()), 12)
    assert scene.agent().ran == [3], "asked again, a job that was given up begins anew"
    assert scene.record().attempt.failures == 0


def test_a_drained_node_is_replaced_while_it_lives(scene: Scene) -> None:
    driver = working(scene)
    (old,) = scene.alive()
    scene.agent().drain()
    scene.rounds(driver, 8)
    assert old.id in {one.id for one in scene.alive()}
    (new,) = [one for one in scene.alive() if one.id != old.id]
    assert scene.machines.agent(new.id).ran == [2]
    assert scene.record().drained == 1


def test_a_drained_nodes_volumes_are_freed_while_it_lives(scene: Scene) -> None:
    driver = scene.driver(wish())
    scene.rounds(driver, 3)
    (node,) = scene.alive()
    volume = scene.ec2.volumes.create(10, "us-east-1a")
    scene.ec2.advance()
    scene.ec2.volumes.attach(volume.id, node.id, "/dev/sdf")
    scene.rounds(driver, 5)
    scene.agent().drain()
    scene.rounds(driver, 3)
    assert scene.ec2.volumes.get(volume.id).holder is None


def test_a_lost_node_is_replaced(scene: Scene) -> None:
    driver = working(scene)
    scene.lose(scene.alive()[0])
    scene.rounds(driver, 10)
    assert len(scene.alive()) == 1
    assert len(scene.nodes()) == 2
    assert scene.agent().ran == [2]


def test_a_silent_node_is_left_alone_up_to_its_limit_and_then_replaced(scene: Scene) -> None:
    driver = working(scene)
    first = scene.agent()
    first.reachable = False
    scene.machines.shared = False
    scene.rounds(driver, 15, pause=60)
    assert len(scene.nodes()) == 1
    assert scene.alive()
    scene.rounds(driver, 3, pause=60)
    scene.ec2.advance()
    scene.rounds(driver, 8)
    assert len(scene.nodes()) == 2
    assert [one.id for one in scene.alive()] != [first.instance_id]


def test_a_hint_alone_replaces_nothing(scene: Scene) -> None:
    driver = working(scene)
    scene.agent().rebalance = "2026-01-31T12:00:00Z"
    scene.rounds(driver, 3)
    assert "drain" not in [one["op"] for one in scene.agent().orders]


def test_a_node_that_is_heard_now_and_then_is_not_silent(scene: Scene) -> None:
    driver = working(scene)
    scene.machines.shared = False
    for _ in range(10):
        scene.agent().reachable = False
        scene.rounds(driver, 5, pause=100)
        scene.agent().reachable = True
        scene.rounds(driver, 1)
    assert len(scene.nodes()) == 1


def test_a_driver_whose_own_network_is_away_counts_no_silence(scene: Scene) -> None:
    driver = working(scene)
    scene.agent().reachable = scene.machines.agent(scene.master.id).reachable = False
    scene.rounds(driver, 50, pause=600)
    assert len(scene.nodes()) == 1
    assert scene.alive()


def test_the_agent_is_told_how_the_command_is_prepared_saved_and_stopped(scene: Scene) -> None:
    more = {"setup_command": "prepare", "checkpoint_command": "save", "checkpoint_timeout": 30.0, "log_limit": 0.5}
    scene.rounds(scene.driver(wish(**more)), 8)
    (order,) = [one for one in scene.agent().orders if one["op"] == "run"]
    assert (order["setup_command"], order["checkpoint_command"], order["checkpoint_timeout"]) == ("prepare", "save", 30)
    assert (order["log_limit"], order["stop_signal_to"], order["rebalance"]) == (1 << 19, "main", "checkpoint")


def test_a_laptop_that_slept_steps_back_from_who_took_over(scene: Scene) -> None:
    slept = working(scene)
    other = scene.driver(wish(), me="other@there:2:2")
    scene.rounds(other, 3)
    assert scene.record().lease.holder == "me@here:1:1"
    scene.clock.time += 8 * 3600
    scene.rounds(other, 3)
    assert scene.record().lease.holder == "other@there:2:2"
    for _ in range(20):
        scene.rounds(slept, 2, pause=30)
        scene.rounds(other, 2, pause=30)
    assert scene.record().lease.holder == "other@there:2:2"
    assert scene.agent().ran == [1]
    assert len(scene.nodes()) == 1


def test_a_laptop_that_slept_goes_on_when_nobody_took_over(scene: Scene) -> None:
    driver = working(scene)
    scene.clock.time += 8 * 3600
    scene.rounds(driver, 5)
    assert scene.record().lease.holder == "me@here:1:1"
    assert scene.agent().ran == [1]


def test_a_new_driver_adopts(scene: Scene) -> None:
    working(scene)
    scene.rounds(scene.driver(wish(), me="other@there:2:2"), 3)
    assert scene.agent().ran == [1]
    scene.clock.time += 500
    scene.rounds(scene.driver(wish(), me="other@there:2:2"), 8)
    assert scene.agent().ran == [1]
    assert len(scene.nodes()) == 1


def test_a_second_driver_steps_back_until_the_lease_runs_out(scene: Scene) -> None:
    working(scene)
    second = scene.driver(wish(), me="other@there:2:2")
    scene.rounds(second, 2)
    assert scene.record().lease is not None
    assert scene.record().lease.holder == "me@here:1:1"  # type: ignore[union-attr]
    assert "supervises it" in second.sites[0].said["mynode"]
    scene.clock.time += 200
    scene.rounds(second, 2)
    assert scene.record().lease.holder == "other@there:2:2"  # type: ignore[union-attr]


@pytest.mark.parametrize("rounds", range(1, 9))
def test_a_driver_that_dies_after_any_round_leaves_one_node_and_one_start(scene: Scene, rounds: int) -> None:
    scene.rounds(scene.driver(wish()), rounds)
    scene.rounds(scene.driver(wish()), 12)
    assert len(scene.nodes()) == 1
    assert scene.agent().ran == [1]


def test_a_lost_answer_makes_no_second_instance(scene: Scene) -> None:
    launch = scene.ec2.instances.launch
    lost = []

    def loses_the_first(request: object) -> object:
        made = launch(request)
        if not lost:
            lost.append(made)
            raise fake_error("InternalError")
        return made

    scene.ec2.instances.launch = loses_the_first  # type: ignore[method-assign, assignment]
    scene.rounds(scene.driver(wish()), 15)
    assert len(scene.nodes()) == 1
    assert scene.agent().ran == [1]


def test_a_describe_that_lags_makes_no_second_instance(scene: Scene) -> None:
    driver = scene.driver(wish())
    scene.rounds(driver, 2)
    scene.ec2.lag = 6
    scene.rounds(driver, 15)
    assert len(scene.nodes()) == 1


def test_a_shortage_is_not_asked_about_all_the_time(scene: Scene) -> None:
    scene.ec2.refuse(market="spot")
    driver = scene.driver(wish())
    scene.rounds(driver, 60, pause=5)
    assert scene.ec2.count("instances.launch") <= 4
    scene.ec2.relent()
    scene.rounds(driver, 60, pause=5)
    assert scene.agent().ran == [1]


def test_after_a_long_shortage_on_demand_if_that_is_wished(scene: Scene) -> None:
    scene.ec2.refuse(market="spot")
    driver = scene.driver(wish(fallback=Fallback.ON_DEMAND, spot_max_wait=600))
    scene.rounds(driver, 100, pause=5)
    assert not scene.nodes()
    scene.rounds(driver, 40, pause=5)
    assert [str(one.market) for one in scene.nodes()] == ["on-demand"]


def test_a_quota_ends_the_driver_with_what_to_do(scene: Scene) -> None:
    scene.ec2.refuse(code="MaxSpotInstanceCountExceeded")
    driver = scene.driver(wish())
    scene.rounds(driver, 5)
    assert driver.sites[0].results == {"mynode": Ended.USER_MUST_ACT}
    assert scene.ec2.count("instances.launch") == 2  # the master's and one more


def test_credentials_that_run_out_at_the_launch_are_waited_for(scene: Scene) -> None:
    scene.ec2.fail_next("instances.launch", fake_error("ExpiredToken"), times=2)
    scene.rounds(scene.driver(wish()), 20)
    assert scene.agent().ran == [1]
    assert len(scene.nodes()) == 1


def test_a_spent_token_is_followed_by_another(scene: Scene) -> None:
    driver = scene.driver(wish())
    scene.ec2.fail_next("instances.launch", fake_error("IdempotentInstanceTerminated"))
    scene.rounds(driver, 12)
    assert scene.agent().ran == [1]
    assert scene.record().try_number == 2


def test_what_a_person_ends_is_not_undone_until_it_is_asked_for_again(scene: Scene) -> None:
    driver = working(scene)
    scene.lose(scene.alive()[0], "Client.UserInitiatedShutdown")
    scene.rounds(driver, 5)
    assert driver.sites[0].results == {"mynode": Ended.USER_MUST_ACT}
    assert not scene.alive()
    scene.rounds(scene.driver(wish()), 10)
    assert len(scene.alive()) == 1


def test_no_look_no_act(scene: Scene) -> None:
    driver = working(scene)
    scene.lose(scene.alive()[0])
    scene.ec2.advance()
    scene.ec2.fail_next("spot.find", fake_error("RequestLimitExceeded"), times=3)
    scene.rounds(driver, 3)
    assert len(scene.nodes()) == 1
    scene.rounds(driver, 8)
    assert len(scene.nodes()) == 2


def test_an_unexpected_fault_does_not_end_the_driver(scene: Scene) -> None:
    driver = scene.driver(wish())
    site = driver.sites[0]
    scene.ec2.fail_next("instances.find", ZeroDivisionError("a bug"))
    assert driver.safe_round(site) > 0
    scene.rounds(driver, 10)
    assert scene.agent().ran == [1]


def test_without_the_master_nothing_is_done(scene: Scene) -> None:
    driver = working(scene)
    scene.ec2.instances._set(scene.master.id, state=InstanceState.STOPPED)
    scene.lose(scene.alive()[0])
    scene.rounds(driver, 10)
    assert len(scene.nodes()) == 1
    scene.ec2.instances._set(scene.master.id, state=InstanceState.RUNNING)
    scene.rounds(driver, 10)
    assert len(scene.alive()) == 1


def test_a_cluster_that_is_gone_ends_the_driver(scene: Scene) -> None:
    driver = working(scene)
    scene.ec2.instances.all.clear()
    group = scene.ec2.network.group("@sc-mycluster")
    assert group is not None
    scene.ec2.network.delete_group(group.id)
    scene.rounds(driver, 2)
    assert driver.sites[0].results == {"mynode": Ended.USER_MUST_ACT}


def test_a_set_up_that_fails_is_done_again(scene: Scene) -> None:
    scene.machines.fail_set_up = [exception.SSHConnectionError("refused"), exception.WaitTimeout("no ssh")]
    scene.rounds(scene.driver(wish()), 20)
    assert scene.agent().ran == [1]
    assert len(scene.nodes()) == 1


def test_a_set_up_that_hangs_on_a_dead_machine_is_not_waited_for(scene: Scene) -> None:
    driver = scene.driver(wish())
    jobs: list[object] = []
    executor = driver.sites[0].executor
    at_once = executor.set_ups._spawn
    executor.set_ups._spawn = jobs.append
    scene.rounds(driver, 5)
    assert len(jobs) == 1, "a set-up in progress was begun again"
    scene.lose(scene.alive()[0])
    executor.set_ups._spawn = at_once
    scene.rounds(driver, 10)
    assert len(scene.nodes()) == 2
    assert scene.agent().ran == [1]


def test_a_set_up_that_never_works_is_tried_on_another_machine(scene: Scene) -> None:
    scene.machines.fail_set_up = [exception.SSHConnectionError("refused") for _ in range(8)]
    driver = scene.driver(wish())
    scene.rounds(driver, 60, pause=60)
    assert len(scene.nodes()) == 2
    assert len(scene.alive()) == 1
    assert scene.agent().ran == [1]


def test_an_agent_that_died_is_started_again_and_the_command_is_not(scene: Scene) -> None:
    driver = working(scene)
    scene.agent().started = False
    scene.machines.shared = False
    scene.rounds(driver, 6)
    assert scene.agent().started
    assert scene.agent().ran == [1]
    assert scene.machines.set_ups == [scene.nodes()[0].id]


def test_an_order_that_the_agent_refuses_is_given_again(scene: Scene) -> None:
    driver = scene.driver(wish())
    scene.rounds(driver, 4)
    scene.agent().refuse = "no space left"
    scene.rounds(driver, 3)
    scene.agent().refuse = ""
    scene.rounds(driver, 10)
    assert scene.agent().ran == [1]


def test_a_node_without_python_is_told_to_the_user(scene: Scene) -> None:
    scene.machines.python = False
    driver = scene.driver(wish())
    scene.rounds(driver, 40, pause=60)
    hold = driver.sites[0].holds["mynode"]
    assert "the node has no python3" in hold.because
    assert "sshnode mycluster mynode" in hold.hint


def test_the_journal_tells_the_story_in_its_order(scene: Scene) -> None:
    driver = working(scene)
    scene.lose(scene.alive()[0])
    scene.rounds(driver, 10)
    events = [one["event"] for one in driver.sites[0].journal.read("mynode")]
    wanted = ["begin", "request", "launched", "running", "ssh-up", "agent", "run"]
    rest = iter(events)
    assert all(event in rest for event in [*wanted, "gone", *wanted[1:]]), events


def test_a_record_made_anew_is_not_answered_with_a_dead_instance(scene: Scene) -> None:
    working(scene)
    (first,) = scene.nodes()
    scene.ec2.instances.terminate([first.id])
    scene.ec2.advance()
    for template in scene.ec2.templates.find(cluster=TAG):
        scene.ec2.templates.delete(template.id)
    scene.rounds(scene.driver(wish()), 15)
    alive = [one for one in scene.ec2.instances.find() if one.state.is_alive and one.alias == "mynode"]
    assert [one.id != first.id for one in alive] == [True]
    assert scene.record().generation == 1, "the old token found the dead instance first"

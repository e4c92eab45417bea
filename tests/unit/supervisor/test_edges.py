"""What happens seldom in the driver's parts: each of these has cost somebody a job, somewhere."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from starcluster import exception
from starcluster.cluster.namerecord import Lease, NameRecords
from starcluster.model import BlockDevice, InstanceState, SpotRequest, SpotState
from starcluster.supervisor import actions as act
from starcluster.supervisor import lease
from starcluster.supervisor.hearing import Question, _not_yet
from starcluster.supervisor.journal import Journal
from starcluster.supervisor.look import Look, NameLook, Report, Silent, Stamp, Unreachable
from starcluster.supervisor.setups import _in_thread
from starcluster.supervisor.telling import tell_changes
from starcluster.supervisor.trainfile import read_sections
from starcluster.supervisor.wishes import read_wishes
from tests.fakes.ec2 import fake_error
from tests.unit.supervisor.stage import TAG, Scene
from tests.unit.supervisor.world import NOW, POOL, instance, known, report, wish


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def do(scene: Scene, action: act.Action, known: NameLook, me: str = "me@here:1:1") -> Any:
    driver = scene.driver(wish(), me=me)
    executor = driver.sites[0].executor
    executor.do(action, wish(), Look(names={"mynode": known}))
    return executor


def launch(generation: int = 1) -> act.Launch:
    return act.Launch(name="mynode", because="x", pool=POOL, generation=generation, try_number=1)


# the executor


def test_what_is_no_act_is_not_done(scene: Scene) -> None:
    scene.ec2.calls.clear()
    do(scene, act.Wait(name="mynode", because="x", seconds=1), NameLook())
    assert not scene.ec2.calls


def test_nothing_is_launched_by_a_look_that_is_older_than_the_record(scene: Scene) -> None:
    scene.records.change(scene.records.ensure("mynode"), generation=4)
    do(scene, launch(), NameLook(record=replace(scene.record(), generation=3)))
    assert not scene.nodes()
    do(scene, launch(5), NameLook(record=scene.record()))
    assert len(scene.nodes()) == 1


def test_a_name_that_another_driver_has_taken_is_left_to_it(scene: Scene) -> None:
    do(scene, act.Begin(name="mynode", because="x"), NameLook(), me="you@there:2:2")
    before = scene.record()
    executor = do(scene, launch(), NameLook(record=before))
    assert not scene.nodes()
    assert scene.record() == before
    assert "you@there:2:2 has taken mynode over" in executor.memory.pause("mynode")[1]


def test_what_was_born_meanwhile_is_not_asked_for_again(scene: Scene) -> None:
    do(scene, launch(), NameLook())
    scene.ec2.calls.clear()
    do(scene, act.Replay(name="mynode", because="x"), NameLook(record=scene.record()))
    assert not [call for call in scene.ec2.calls if "launch" in str(call)]
    assert len(scene.nodes()) == 1


def test_what_was_asked_for_late_is_not_written_over_what_another_driver_has_asked_for(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    do(scene, launch(), NameLook())
    scene.records.change(scene.record(), born="")
    asked = scene.ec2.instances.launch

    def sleep_within(request: Any) -> Any:
        launched = asked(request)
        scene.records.change(scene.record(), generation=2, intent=None)
        return launched

    monkeypatch.setattr(scene.ec2.instances, "launch", sleep_within)
    executor = do(scene, act.Replay(name="mynode", because="x"), NameLook(record=scene.record()))
    assert "another driver has gone on with mynode meanwhile" in executor.memory.pause("mynode")[1]
    assert (scene.record().generation, scene.record().born) == (2, "")


def token_is_spent(scene: Scene, code: str, *, shown: bool = False, age: float = 0.0) -> Any:
    if shown:
        do(scene, launch(), NameLook())
        scene.records.change(scene.record(), born="")
        before = scene.record()
    else:
        before = scene.records.change(scene.records.ensure("mynode"), generation=1)
    scene.ec2.fail_next("instances.launch", fake_error(code))
    if before.intent is None:
        return do(scene, launch(), NameLook(record=before, intent_age=age))
    return do(scene, act.Replay(name="mynode", because="x"), NameLook(record=before, intent_age=age))


def test_a_spent_token_leads_to_its_instance(scene: Scene) -> None:
    token_is_spent(scene, "IdempotentParameterMismatch", shown=True)
    (node,) = scene.nodes()
    assert scene.record().born == node.id


def test_a_spent_token_of_other_words_is_waited_for(scene: Scene) -> None:
    executor = token_is_spent(scene, "IdempotentParameterMismatch", age=299)
    assert scene.record().intent is not None
    assert "does not show" in executor.memory.pause("mynode")[1]


@pytest.mark.parametrize(
    ("code", "age"), [("IdempotentParameterMismatch", 300.0), ("IdempotentInstanceTerminated", 0.0)]
)
def test_a_spent_token_without_an_instance_is_given_up(scene: Scene, code: str, age: float) -> None:
    token_is_spent(scene, code, age=age)
    assert scene.record().intent is None


def test_a_volume_that_can_not_be_freed_stops_nothing(scene: Scene) -> None:
    driver = scene.driver(wish())
    scene.rounds(driver, 3)
    (node,) = scene.alive()
    volume = scene.ec2.volumes.create(10, "us-east-1a")
    scene.ec2.advance()
    scene.ec2.volumes.attach(volume.id, node.id, "/dev/sdf")
    scene.rounds(driver, 5)
    scene.ec2.fail_next("volumes.detach", fake_error("InternalError"))
    scene.agent().drain()
    scene.rounds(driver, 8)
    assert scene.record().drained == 1
    assert len(scene.alive()) == 2


def test_stop_and_start_are_written_down(scene: Scene) -> None:
    scene.ec2.instances._set(scene.master.id, state=InstanceState.RUNNING)
    do(scene, act.Stop(name="mynode", because="x", instance_id=scene.master.id), NameLook())
    assert scene.record().released == (scene.master.id,)
    assert scene.ec2.instances.all[scene.master.id].state is InstanceState.STOPPING
    scene.ec2.advance()
    do(scene, act.Start(name="mynode", because="x", instance_id=scene.master.id), NameLook())
    assert scene.ec2.instances.all[scene.master.id].state is InstanceState.PENDING


def test_what_is_released_twice_is_noted_once(scene: Scene) -> None:
    for _ in range(2):
        do(scene, act.Release(name="mynode", because="x", instance_id="i-gone"), NameLook())
    assert scene.record().released == ("i-gone",)


def test_an_unforeseen_fault_of_one_act_is_a_pause(scene: Scene) -> None:
    wrong = act.Run(name="mynode", because="x", instance_id="i-7", attempt=1, generation=1, failures=0)
    executor = do(scene, wrong, NameLook())
    assert "unexpected" in executor.memory.pause("mynode")[1]


def test_an_instance_that_is_set_up_is_not_set_up_beside(scene: Scene) -> None:
    jobs: list[Callable[[], None]] = []
    executor = scene.driver(wish()).sites[0].executor
    executor.set_ups._spawn = jobs.append
    for _ in range(2):
        executor.set_ups.begin(instance(), wish(), whole=True)
    assert len(jobs) == 1


def test_a_set_up_has_a_thread_of_its_own() -> None:
    seen: list[str] = []
    done = threading.Event()

    def job() -> None:
        seen.append(threading.current_thread().name)
        done.set()

    _in_thread(job)
    assert done.wait(30)
    assert seen == ["set-up"]


# the loop


def test_a_lease_that_can_not_be_given_up_runs_out(scene: Scene) -> None:
    driver = scene.driver(wish())
    scene.rounds(driver, 8)
    scene.agent().end(0)
    scene.rounds(driver, 2)
    scene.ec2.fail_next("templates.get", fake_error("InternalError"), 9)
    scene.rounds(driver, 6)
    assert driver.sites[0].results, "the job is over all the same"
    assert not driver.sites[0].wishes


def test_a_lease_that_can_not_be_renewed_is_renewed_later(scene: Scene) -> None:
    driver = scene.driver(wish())
    scene.rounds(driver, 8)
    before = scene.record().lease
    scene.clock.time += 100
    for method in ("templates.tag", "templates.tag_all"):
        scene.ec2.fail_next(method, fake_error("InternalError"))
    scene.rounds(driver, 1)
    assert scene.record().lease == before
    scene.rounds(driver, 1)
    assert scene.record().lease != before


def test_the_master_is_listened_to_once_somebody_has_spoken(scene: Scene) -> None:
    driver = scene.driver(wish())
    site = driver.sites[0]
    scene.rounds(driver, 1)
    assert not driver._listen(site, 5), "nobody has reported yet"
    scene.rounds(driver, 8)
    assert driver._listen(site, 5)
    driver._rest(5)
    site.observer.last_master = None
    assert not driver._listen(site, 5)
    site.executor.wake.set()
    driver._rest(5)
    assert not site.executor.wake.is_set()


# what is seen


def test_a_report_that_can_not_be_read_is_asked_for(scene: Scene) -> None:
    driver = scene.driver(wish())
    scene.rounds(driver, 8)
    (node,) = scene.alive()
    broken = {"mynode": {"report": {"instance_id": node.id, "phase": "?"}, "age": 0.0}}
    observer = driver.sites[0].observer
    assert observer.hearing._shared(node, broken["mynode"]) == (None, 0.0)


def test_a_console_that_can_not_be_read_is_no_silence(scene: Scene) -> None:
    driver = scene.driver(wish())
    scene.rounds(driver, 8)
    observer, shell = driver.sites[0].observer, scene.machines.shell

    def refused(node: Any) -> Any:
        if node.alias == "master":
            return shell(node)
        raise fake_error("InternalError", "no console")

    scene.machines.shared = False
    scene.machines.shell = refused  # type: ignore[method-assign]
    answer = observer.look([wish()]).names["mynode"].answer
    assert answer == Unreachable(why="no console")


def test_each_thing_is_told_once(tmp_path: Path) -> None:
    journal = Journal(tmp_path, TAG)
    closed = SpotRequest(id="sir-1", state=SpotState.CLOSED, code="instance-terminated-no-capacity")
    active = SpotRequest(id="sir-2", state=SpotState.ACTIVE, code="fulfilled")
    stamps = [("checkpoint-command", detail) for detail in ({"exit": 0, "seconds": 3}, {"exit": None}, {"exit": 2})]
    told = tuple(Stamp(event=event, at=float(at), detail=detail) for at, (event, detail) in enumerate(stamps))
    seen = known(
        instances=(instance(state=InstanceState.PENDING), instance(2, InstanceState.TERMINATED)),
        requests=(closed, active),
        answer=report(stamps=told),
    )
    for _ in range(2):
        tell_changes(journal, "mynode", seen)
    events = [one["event"] for one in journal.read("mynode")]
    assert events == ["gone", "spot-request", *["checkpoint-command"] * 3]


def test_a_checkpoint_commands_end_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "starcluster")
    journal = Journal(tmp_path, TAG)
    for at, status in enumerate([0, None, 2]):
        stamp = Stamp(event="checkpoint-command", at=float(at), detail={"exit": status, "seconds": 3})
        answer = report(stamps=(stamp,))
        assert isinstance(answer, Report)
        tell_changes(journal, "mynode", known(answer=answer))
    assert "the checkpoint command took 3 s" in caplog.text
    assert "it had no more time (after 3 s" in caplog.text
    assert "ended with exit status 2 (after 3 s" in caplog.text


# the lease


@pytest.mark.parametrize("text", ["", "me@here", "me@here:x:1"])
def test_a_holder_of_another_form_is_not_taken_for_dead(text: str) -> None:
    assert not lease.is_dead_here(text)


# together


def test_the_records_of_a_cluster_are_its_own(scene: Scene) -> None:
    NameRecords(scene.ec2.templates, "another").ensure("mynode")
    assert not scene.records.find()


@pytest.mark.parametrize("times", [5, 6])
def test_what_does_not_pass_by_itself_is_told_in_the_end(scene: Scene, times: int) -> None:
    executor = scene.driver(wish()).sites[0].executor
    for _ in range(times):
        scene.ec2.fail_next("templates.get", exception.ConflictError("it is held"))
        executor.do(launch(), wish(), Look(names={}))
    assert bool(executor.memory.complaint("mynode")) == (times == 6)


def test_who_has_not_answered_yet_is_silent_or_not_reached() -> None:
    asked = Question(current=instance(), old=report(), age=7.0)
    assert _not_yet(asked) == Silent(age=7.0)
    assert _not_yet(replace(asked, old=None)) == Unreachable(why="it has not answered yet", by_ssh=True)


def section(more: str) -> str:
    return f"[mynode]\ninstance_type = c5.large\ncommand = train\n{more}\n"


def test_faults_of_a_train_cfg(tmp_path: Path) -> None:
    file = tmp_path / "train.cfg"
    file.mkdir()
    with pytest.raises(exception.ConfigError, match="can not be read"):
        read_sections(file)
    file = tmp_path / "other.cfg"
    file.write_text(section("cluster_name = not a tag"))
    with pytest.raises(exception.ConfigSettingError, match="cluster_name"):
        read_wishes(file, ["mynode"])
    file.write_text(section("cluster_name = c\nenvironment = A=1\n\n  B=2"))
    assert read_wishes(file, ["mynode"])[0].environment == {"A": "1", "B": "2"}


@pytest.mark.parametrize(("speed", "replaced"), [(1.0, True), (60.0, True), (300.0, False)])
def test_a_fast_cloud_gives_a_node_no_less_of_our_time(scene: Scene, speed: float, replaced: bool) -> None:
    """1000 of the cloud's seconds are 3 of ours at a speed of 300: no node is ready then, and none is hopeless."""
    scene.clock.scale = speed
    scene.machines.fail_set_up = [exception.SSHConnectionError("no route to host") for _ in range(99)]
    driver = scene.driver(wish())
    scene.rounds(driver, 30, pause=50)
    assert (len(scene.nodes()) > 1) is replaced


def test_an_instance_in_the_record_that_is_not_shown_is_not_waited_for_without_end(scene: Scene) -> None:
    """Also where its intent is not there: of the late writes of two drivers one half may be left."""
    mine = scene.records.ensure("mynode")
    scene.records.change(mine, generation=4, born="i-0123456789abcdef0", intent=None)
    driver = scene.driver(wish())
    scene.rounds(driver, 20, pause=10)
    assert scene.nodes() == []
    scene.rounds(driver, 20, pause=10)
    (made,) = scene.nodes()
    assert (scene.record().generation, scene.record().born) == (5, made.id)


def test_what_is_not_shown_is_neither_set_up_nor_are_its_disks_taken(scene: Scene) -> None:
    executor = scene.driver(wish()).sites[0].executor
    scene.records.change(scene.records.ensure("mynode"), generation=1, born="i-1")
    nothing = Look(names={"mynode": known(record=scene.record())})
    executor.do(act.SetUp(name="mynode", because="", instance_id="i-1", whole=True), wish(), nothing)
    assert scene.machines.set_ups == []
    executor.do(act.RecordDrained(name="mynode", because="", generation=1), wish(), nothing)
    assert scene.record().drained == 1
    assert scene.ec2.count("volumes.detach") == 0


def test_only_our_own_leases_are_given_up(scene: Scene) -> None:
    executor = scene.driver(wish()).sites[0].executor
    theirs = Lease(holder="user@elsewhere/boot:1:1", until=NOW)
    scene.records.change(scene.records.ensure("mynode"), lease=theirs)
    executor.give_up_leases([wish("other"), wish()])
    assert scene.record().lease == theirs


def test_a_late_word_of_a_drain_takes_no_disk_from_the_next_instance(scene: Scene) -> None:
    """The record was read late: by now the name is another instance's, which works with the disk."""
    executor = scene.driver(wish()).sites[0].executor
    then = scene.records.change(scene.records.ensure("mynode"), generation=1, born="i-1")
    disk = BlockDevice(device="/dev/sdf", volume_id="vol-1")
    mine = tuple(replace(instance(number), block_devices=(disk,)) for number in (1, 2))
    scene.records.change(then, generation=2, born="i-2", drained=1)
    seen = Look(names={"mynode": known(record=then, instances=mine)})
    executor.do(act.RecordDrained(name="mynode", because="", generation=1), wish(), seen)
    assert scene.ec2.count("volumes.detach") == 0
    assert scene.record().drained == 1


def test_a_late_adoption_does_not_turn_the_generation_back(scene: Scene) -> None:
    executor = scene.driver(wish()).sites[0].executor
    scene.records.change(scene.records.ensure("mynode"), generation=2, born="i-2")
    executor.do(act.Adopt(name="mynode", because="", instance_id="i-1", generation=1), wish(), Look(names={}))
    assert (scene.record().generation, scene.record().born) == (2, "i-2")

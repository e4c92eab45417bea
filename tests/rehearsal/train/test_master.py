"""The master goes away and comes back while commands run on the nodes, whose /home is the master's."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.rehearsal.train.conftest import TAG, Scene, until

GO = "/home/go.$STARCLUSTER_NODE"
# one that dies of the first checkpoint that it can not write, and one that goes on without
STRICT = "set -e; echo started >> /home/starts.$STARCLUSTER_NODE; "
STEPS = (
    "step=$(cat $STARCLUSTER_CHECKPOINT_DIR/step || echo 0); echo from $step; "
    f"until test -e {GO}; do step=$((step + 1)); "
    "(echo $step > $STARCLUSTER_CHECKPOINT_DIR/new && mv $STARCLUSTER_CHECKPOINT_DIR/new "
    "$STARCLUSTER_CHECKPOINT_DIR/step) KEEP; echo progress: $step/100000; sleep 0.1; done"
)
PATIENT = "echo started >> /home/starts.$STARCLUSTER_NODE; " + STEPS.replace("KEEP", "|| true")
DYING = STRICT + STEPS.replace(" KEEP", "")


def master(scene: Scene) -> str:
    (found,) = scene.alive("master")
    return found


def reboot(scene: Scene) -> None:
    scene.ec2().reboot_instances(InstanceIds=[master(scene)])


def stop_and_start(scene: Scene) -> None:
    ec2, ids = scene.ec2(), [master(scene)]
    ec2.stop_instances(InstanceIds=ids)
    ec2.get_waiter("instance_stopped").wait(InstanceIds=ids, WaiterConfig={"Delay": 1})
    ec2.start_instances(InstanceIds=ids)
    ec2.get_waiter("instance_running").wait(InstanceIds=ids, WaiterConfig={"Delay": 1})


def let_go(scene: Scene, *names: str) -> None:
    until(lambda: "up" in scene.starcluster("sshmaster", TAG, "echo up", expect=None).stdout, "the master's SSH")
    for name in names:
        scene.on_master(f"touch /home/go.{name}")


def starts(scene: Scene, name: str) -> int:
    return scene.on_master(f"cat /home/starts.{name}").count("started")


@pytest.mark.parametrize("how", [reboot, pytest.param(stop_and_start, marks=pytest.mark.long)])
def test_work_goes_on_when_the_master_comes_back(scene: Scene, how: Callable[[Scene], None]) -> None:
    """What died of the loss is started again from its checkpoint, which is no failure; what lived on is left alone."""
    kind = how.__name__.replace("_", "")[:4]
    patient, dying = f"patient{kind}", f"dying{kind}"
    scene.write(**{patient: {"command": PATIENT, "max_restarts": "0"}, dying: {"command": DYING, "max_restarts": "0"}})
    driver = scene.drive(patient, dying)
    for name in (patient, dying):
        driver.says(f"{name}: attempt 1 runs on")
        driver.says(f"{name}: the command works")
    how(scene)
    for name in (patient, dying):
        driver.says(f"{name}: its machine has lost /home")
        driver.says(f"{name}: its machine can use /home again")
    driver.says(f"{dying}: attempt 2 runs on")
    let_go(scene, patient, dying)
    text = driver.ends(0)
    assert f"{dying}: the command ended with exit status 1, having lost /home" in text
    assert (starts(scene, patient), starts(scene, dying)) == (1, 2)
    assert "from 0" not in scene.starcluster("logs", TAG, dying).stdout, "it went on from its checkpoint"
    assert [len(scene.instances(name)) for name in (patient, dying)] == [1, 1]
    assert all(scene.alive(name) == [] for name in (patient, dying))


@pytest.mark.long
def test_a_home_that_somebody_unmounts_is_mounted_again(scene: Scene) -> None:
    scene.write(unmounted={"command": PATIENT, "max_restarts": "0"})
    driver = scene.drive("unmounted")
    driver.says("unmounted: the command works")
    scene.starcluster("sshnode", TAG, "unmounted", "umount -l /home")
    driver.says("unmounted: its machine has lost /home: nothing is mounted at /home")
    driver.says("unmounted: its machine can use /home again")
    let_go(scene, "unmounted")
    driver.ends(0)
    assert starts(scene, "unmounted") == 1
    assert len(scene.instances("unmounted")) == 1


# fallocate takes the room and writes nothing
FILL = (
    "fallocate -l $(df --output=avail -B1 /home | tail -n1) /home/filler 2>/dev/null; "
    "! dd if=/dev/zero of=/home/last bs=4k 2>/dev/null"
)


@pytest.mark.long
def test_a_full_home_is_told_once(scene: Scene) -> None:
    scene.write(full=PATIENT)
    driver = scene.drive("full")
    driver.says("full: the command works")
    try:
        scene.on_master(FILL)
        driver.says("full: the shared volume is full")
    finally:
        scene.on_master("rm -f /home/filler /home/last")
    driver.says("full: the shared volume has room again")
    let_go(scene, "full")
    text = driver.ends(0)
    assert text.count("the shared volume is full") == 1
    assert starts(scene, "full") == 1

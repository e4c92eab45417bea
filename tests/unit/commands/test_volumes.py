"""listsnapshots, removesnapshot, listvolumes, detachvolume and snapshotvolume: what is asked, shown and refused."""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path

import pytest

from starcluster.model import Snapshot
from tests.fakes.ec2 import FakeEc2
from tests.unit.commands.conftest import Run
from tests.unit.commands.test_lists import launch, masked


@pytest.fixture
def snapshot(ec2: FakeEc2) -> Snapshot:
    volume = ec2.volumes.create(50, "us-east-1a", tags={"Name": "home"}, encrypted=True)
    made = ec2.snapshots.create(volume.id, description="as it was", tags={"Name": "kept", "k": "v"})
    ec2.advance()
    ec2.advance()
    ec2.snapshots.all[made.id] = dataclasses.replace(ec2.snapshots.all[made.id], data_bytes=10 << 30)
    return ec2.snapshots.all[made.id]


def test_listsnapshots(run: Run, ec2: FakeEc2, snapshot: Snapshot) -> None:
    ec2.auto_advance = False
    late = ec2.snapshots.create(snapshot.volume_id)
    ec2.snapshots.spoil(late.id, "no key")
    out = masked(run("listsnapshots").out)
    assert out == (
        f"snapshot_id: {snapshot.id}\nvolume_id: vol-ID\nsize: 50GB\nstatus: completed\nprogress: 100%\n"
        "description: as it was\nencrypted: yes\ndata: 10.00GB\ncost: about $0.50 a month\n"
        "create_time: DATETIME\ntags: Name=kept, k=v\n\n"
        f"snapshot_id: {late.id}\nvolume_id: vol-ID\nsize: 50GB\nstatus: error\nprogress: 0%\nmessage: no key\n"
        "encrypted: yes\ncreate_time: DATETIME\n\nTotal: 2\n"
    )


@pytest.mark.parametrize(
    ("words", "count"),
    [(["kept"], 1), (["-v", "home"], 1), (["-v", "vol-0"], 0), (["-t", "k=v"], 1), (["-t", "k=w"], 0), ([], 1)],
)
def test_which_snapshots_are_listed(run: Run, snapshot: Snapshot, words: list[str], count: int) -> None:
    assert f"Total: {count}\n" in run("lsn", *words).out


def test_snapshots_and_volumes_for_programs(run: Run, ec2: FakeEc2, snapshot: Snapshot) -> None:
    [told] = json.loads(run("listsnapshots", "--json").out)
    assert (told["snapshot_id"], told["size_gb"], told["cost_a_month"]) == (snapshot.id, 50, 0.5)
    assert (told["message"], "" in told.values()) == (None, False)
    ec2.volumes.modify(snapshot.volume_id, size=60)
    [volume] = json.loads(run("listvolumes", "--json").out)
    assert (volume["name"], volume["snapshots"], volume["attached_to"]) == ("home", [snapshot.id], None)
    assert set(volume["modification"]) == {"status", "progress"}
    assert (volume["snapshot_id"], "" in volume.values()) == (None, False)


def test_who_holds_a_volume_is_told_after_starclusters_lines(run: Run, ec2: FakeEc2) -> None:
    launch(ec2, "master")
    out = run("listvolumes").out
    [instance] = ec2.instances.all.values()
    cluster = instance.tags["@sc-cluster"]
    assert out.index("tags:") < out.index(f"attached_to: {instance.id} (master of {cluster}) as /dev/sda1")
    told = json.loads(run("listvolumes", "--json").out)[0]["attached_to"]
    assert (told["alias"], told["cluster"]) == ("master", cluster)


def test_removesnapshot_asks(run: Run, ec2: FakeEc2, snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert run("removesnapshot", "kept").code == 0
    assert snapshot.id in ec2.snapshots.all
    refused = run("removesnapshot", "-c", "kept", "nosuch")
    assert (refused.code, "'nosuch' does not exist" in refused.said) == (1, True)
    assert snapshot.id in ec2.snapshots.all
    assert run("rsn", "-c", "kept").code == 0
    assert ec2.snapshots.all == {}


def test_a_snapshot_of_an_image_stays(run: Run, ec2: FakeEc2, snapshot: Snapshot) -> None:
    ec2.snapshots.in_images.add(snapshot.id)
    refused = run("removesnapshot", "-c", snapshot.id)
    assert (refused.code, "InvalidSnapshot.InUse" in refused.said) == (1, True)
    assert snapshot.id in ec2.snapshots.all


def test_detachvolume_of_what_is_free(run: Run, ec2: FakeEc2, snapshot: Snapshot) -> None:
    result = run("detachvolume", "home")
    assert (result.code, "is not attached to anything" in result.out) == (0, True)


def test_detachvolume_by_force_says_what_is_lost_and_asks(
    run: Run, ec2: FakeEc2, monkeypatch: pytest.MonkeyPatch
) -> None:
    launch(ec2, "master")
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    [volume] = ec2.volumes.all
    result = run("detachvolume", "--force", volume)
    assert (result.code, "is LOST" in result.out + result.said) == (0, True)
    assert ec2.volumes.all[volume].holder


def test_the_id_is_the_last_line(run: Run, ec2: FakeEc2, tmp_path: Path) -> None:
    (tmp_path / "config").write_text("[global]\nCLOUD = local\n[key local]\n")
    volume = ec2.volumes.create(1, "us-east-1a", tags={"Name": "home"})
    done = run("-c", str(tmp_path / "config"), "snapshotvolume", "home", "-n", "s", "-t", "a=b")
    assert done.code == 0, done.said
    [made] = ec2.snapshots.all.values()
    assert (done.out.splitlines()[-1], made.volume_id) == (made.id, volume.id)
    assert (made.name, made.tags["a"], made.description) == ("s", "b", "home by starcluster")
    pending = run("-c", str(tmp_path / "config"), "sv", "home", "--no-wait")
    assert pending.out.splitlines()[-1] == list(ec2.snapshots.all)[-1]
    assert "completed" not in pending.out

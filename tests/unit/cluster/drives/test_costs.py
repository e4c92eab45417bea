"""What a drive costs a month."""

from __future__ import annotations

import pytest

from starcluster.aws.prices import volume_month
from starcluster.cluster.drives.drive import Drive, Form, Record, Shot
from starcluster.cluster.drives.keeping import facts
from starcluster.model import Snapshot, SnapshotState, Volume, VolumeState
from tests.unit.cluster.drives.world import START


@pytest.mark.parametrize(
    ("volume", "dollars"),
    [
        (("gp3", 100, None, None), 8.0),
        (("gp3", 100, 3000, 125), 8.0),
        (("gp3", 100, 4000, 225), 8.0 + 5.0 + 4.0),
        (("io2", 100, 1000, None), 12.5 + 65.0),
        (("st1", 1000, 3000, 500), 45.0),
        (("xyz", 100, None, None), 8.0),
    ],
)
def test_a_volume_s_month(volume: tuple[str, int, int | None, int | None], dollars: float) -> None:
    assert volume_month(*volume) == pytest.approx(dollars)


def snapshot(number: int, data_bytes: int | None) -> Shot:
    made = Snapshot(
        id=f"snap-{number}", state=SnapshotState.COMPLETED, volume_id="vol-1", size=10, data_bytes=data_bytes
    )
    return Shot(snapshot=made, mark="", at_rest=False)


def test_a_drive_s_month_is_that_of_all_it_has() -> None:
    volumes = [Volume(id=f"vol-{one}", state=VolumeState.AVAILABLE, size=10, zone="us-east-1a") for one in (1, 2)]
    drive = Drive(
        record=Record(name="data"),
        forms=tuple(Form(volume=one) for one in volumes),
        shots=(snapshot(1, None), snapshot(2, 1 << 30)),
    )
    told = facts(drive, START, {})
    assert told["volumes_usd_month"] == pytest.approx(1.6)
    assert told["snapshots_usd_month_at_most"] == pytest.approx(0.5 + 0.05)

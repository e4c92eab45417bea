"""Snapshots of volumes, and changes of a volume's shape: things that are done at once and finished later."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from moto.core.utils import utcnow
from moto.ec2.models.elastic_block_store import Snapshot
from moto.ec2.utils import random_snapshot_id

from starcluster.localcloud.api import errors
from starcluster.localcloud.api.cloud import Cloud
from starcluster.localcloud.api.disks import check_performance, check_size
from starcluster.localcloud.hosts.client import HostsError

BETWEEN_SNAPSHOTS = 15.0
CHANGES_A_DAY = 4
DAY = 86400.0


class CloudSnapshot(Snapshot):
    """The contents of a volume at the time of the call; pending for as long as EC2 would copy it."""

    hosted = True

    def __init__(self, backend: Any, snapshot_id: str, volume: Any, description: str, seconds: float) -> None:
        super().__init__(backend, snapshot_id, volume, description, encrypted=volume.encrypted)
        self.size_gib = volume.size
        self.began = time.time()
        self.seconds = seconds
        self.failed = False

    @property
    def status(self) -> str:
        if self.failed:
            return "error"
        return "completed" if self._part >= 1 else "pending"

    @status.setter
    def status(self, value: str) -> None:
        """moto's constructor says completed; here time decides."""

    @property
    def _part(self) -> float:
        return min(1.0, (time.time() - self.began) / self.seconds)

    @property
    def progress(self) -> str:
        return f"{int(100 * self._part)}%"

    @property
    def volume_size(self) -> int:
        return int(self.size_gib)


class Modification:
    """One ModifyVolume: modifying, optimizing, completed, as time goes by."""

    def __init__(self, volume: Any, size: int, kind: str, iops: int | None, throughput: int | None) -> None:
        self.volume = volume
        self.original = (volume.size, volume.volume_type, volume.iops, volume.throughput)
        self.target = (size, kind, iops, throughput)
        self.start_time = utcnow()
        self.began = time.time()

    def state(self, cloud: Cloud) -> tuple[str, int]:
        """EC2's word and the progress in per cent."""
        timing = cloud.timing
        first, second = timing.wall(timing.modify_volume), timing.wall(timing.optimize_volume)
        age = time.time() - self.began
        if age < first:
            return "modifying", 0
        if age < first + second:
            return "optimizing", int(100 * (age - first) / second)
        return "completed", 100

    def view(self, cloud: Cloud) -> dict[str, Any]:
        state, progress = self.state(cloud)
        view: dict[str, Any] = {"VolumeId": self.volume.id, "ModificationState": state, "Progress": progress}
        view["StartTime"] = self.start_time
        for name, before, after in zip(
            ("Size", "VolumeType", "Iops", "Throughput"), self.original, self.target, strict=True
        ):
            view[f"Original{name}"], view[f"Target{name}"] = before, after
        return {name: value for name, value in view.items() if value is not None}


class Snapshots:
    """Takes and deletes snapshots, and lets volumes grow."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def take(self, volume: Any, description: str, tags: dict[str, str]) -> CloudSnapshot:
        """The point in time is now: the hosts copy before the call returns."""
        cloud = self._cloud
        if not volume.hosted:
            raise errors.Refusal("UnsupportedOperation", "The local cloud takes no snapshots of root volumes")
        if volume.status not in ("available", "in-use"):
            raise errors.Refusal("IncorrectState", f"Volume '{volume.id}' is in the '{volume.status}' state.")
        last = getattr(volume, "last_snapshot", 0.0)
        if time.time() - last < cloud.timing.wall(BETWEEN_SNAPSHOTS):
            text = "The maximum per volume CreateSnapshot request rate has been exceeded. Use an increasing sleep."
            raise errors.Refusal("SnapshotCreationPerVolumeRateExceeded", text)
        volume.last_snapshot = time.time()
        return self._kept(volume, description, tags, lambda made: cloud.hosts.snapshot(volume.id, made), "snapshot")

    def take_root(self, instance: Any, description: str, tags: dict[str, str]) -> CloudSnapshot:
        """The instance's root disk at this moment, for an image. It can be booted; as a volume it is of no use."""
        cloud = self._cloud
        volume = cloud.backend.volumes[instance.block_device_mapping[instance.root_device_name].volume_id]
        return self._kept(volume, description, tags, lambda made: cloud.hosts.snapshot_root(instance.id, made), "image")

    def _kept(
        self, volume: Any, description: str, tags: dict[str, str], copy: Callable[[str], object], what: str
    ) -> CloudSnapshot:
        """A snapshot whose content the hosts have copied under its id."""
        cloud = self._cloud
        seconds = cloud.timing.snapshot_time(volume.size)
        snapshot = CloudSnapshot(cloud.backend, random_snapshot_id(), volume, description, seconds)
        try:
            with cloud.unlocked():
                copy(snapshot.id)
        except HostsError as error:
            raise errors.Refusal("InternalError", f"The local cloud cannot store the {what}: {error}") from None
        cloud.backend.snapshots[snapshot.id] = snapshot
        snapshot.add_tags(tags)
        cloud.log.event("snapshot", snapshot.id, volume=volume.id)
        return snapshot

    def delete(self, snapshot: Any) -> None:
        if snapshot.from_ami:
            text = f"The snapshot {snapshot.id} is currently in use by {snapshot.from_ami}"
            raise errors.Refusal("InvalidSnapshot.InUse", text)
        self._cloud.backend.snapshots.pop(snapshot.id, None)
        self._cloud.backend.tags.pop(snapshot.id, None)
        self._cloud.hosts.delete_snapshot(snapshot.id)

    def modify(self, volume: Any, wanted: dict[str, Any], *, dry: bool) -> Modification | None:
        """Let a volume grow or change its performance. Only checks if `dry`."""
        self._check_turn(volume)
        size = int(wanted.get("Size") or volume.size)
        kind = str(wanted.get("VolumeType") or volume.volume_type)
        if size < volume.size:
            text = "New size cannot be smaller than existing size"
            raise errors.Refusal("InvalidParameterValue", text)
        check_size(size, kind)
        same = kind == volume.volume_type and kind == "gp3"
        iops, throughput = wanted.get("Iops"), wanted.get("Throughput")
        iops = iops if iops is not None or not same else volume.iops
        throughput = throughput if throughput is not None or not same else volume.throughput
        iops, throughput = check_performance(kind, size, iops, throughput)
        if dry:
            return None
        self._grow(volume, size)
        change = Modification(volume, size, kind, iops, throughput)
        volume.modifications.append(change)
        volume.size, volume.volume_type, volume.iops, volume.throughput = size, kind, iops, throughput
        return change

    def _check_turn(self, volume: Any) -> None:
        if not volume.hosted:
            raise errors.Refusal("UnsupportedOperation", "The local cloud cannot modify root volumes")
        if volume.modifications and volume.modifications[-1].state(self._cloud)[0] != "completed":
            text = f"Volume {volume.id} cannot be modified while a modification is in progress"
            raise errors.Refusal("IncorrectModificationState", text)
        recent = [each for each in volume.modifications if time.time() - each.began < DAY]
        if len(recent) >= CHANGES_A_DAY:
            text = "You've reached the maximum modification rate per volume limit."
            raise errors.Refusal("VolumeModificationRateExceeded", text)

    def _grow(self, volume: Any, size: int) -> None:
        if size == volume.size:
            return
        try:
            with self._cloud.unlocked():
                self._cloud.hosts.resize_volume(volume.id, size_gib=size)
        except HostsError as error:
            raise errors.Refusal("InternalError", f"The local cloud cannot resize the volume: {error}") from None

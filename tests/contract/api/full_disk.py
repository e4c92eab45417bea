"""What test_full_disk runs in a mount namespace of its own: a whole cloud on a small disk. Prints what it saw."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from botocore.exceptions import ClientError

from starcluster.localcloud import control
from tests.contract.api.conftest import RealCloud, until

MB = 1 << 20


def main(folder: Path) -> None:
    seen: dict[str, object] = {}
    ballast = folder / "ballast"
    control.up(folder, speed=200, owner_pid=os.getpid())
    cloud = RealCloud(folder=folder)
    node = cloud.run()
    cloud.wait(node, "running")
    volume = cloud.client().create_volume(Size=1, AvailabilityZone="us-east-1a", VolumeType="gp3")["VolumeId"]
    until(lambda: _volume_state(cloud, volume) == "available")
    cloud.client().attach_volume(VolumeId=volume, InstanceId=node, Device="/dev/sdf")
    until(lambda: _volume_state(cloud, volume) == "in-use")
    cloud.on(node, "mkfs.ext4 -q /dev/nvme1n1 && mount /dev/nvme1n1 /mnt && echo kept > /mnt/early && sync")
    seen["before"] = cloud.call("status")["trouble"]
    left = os.statvfs(folder)
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, left.f_bavail * left.f_frsize - 30 * MB)
    seen["create"] = _refused(lambda: cloud.client().create_volume(Size=1, AvailabilityZone="us-east-1a"))
    second = cloud.run()
    seen["boot"] = cloud.wait(second, "terminated")["StateReason"]["Message"]
    seen["write"] = cloud.ssh(node, "dd if=/dev/urandom of=/mnt/late bs=1M count=200 conv=fsync").returncode
    seen["full"] = cloud.call("status")["trouble"]
    began = time.monotonic()
    cloud.client().create_tags(Resources=[volume], Tags=[{"Key": "a", "Value": "b"}])
    seen["answers"] = time.monotonic() - began < 5
    ballast.unlink()
    mended = "umount /mnt; e2fsck -fy /dev/nvme1n1 >/dev/null; mount /dev/nvme1n1 /mnt && cat /mnt/early"
    seen["kept"] = cloud.on(node, mended)
    seen["after"] = cloud.call("status")["trouble"]
    control.down(folder)
    control.up(folder, owner_pid=os.getpid())
    seen["stored"] = cloud.client().describe_volumes(VolumeIds=[volume])["Volumes"][0]["Tags"]
    control.down(folder)
    print(json.dumps(seen))


def _volume_state(cloud: RealCloud, volume_id: str) -> str:
    return str(cloud.client().describe_volumes(VolumeIds=[volume_id])["Volumes"][0]["State"])


def _refused(call: object) -> str:
    try:
        call()  # type: ignore[operator]
    except ClientError as error:
        return str(error)
    return "not refused"


if __name__ == "__main__":
    main(Path(sys.argv[1]))

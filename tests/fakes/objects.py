"""S3 in memory, as far as this machine looks at it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starcluster.model import Bucket, StoredObject
from tests.fakes.trouble import fake_error

if TYPE_CHECKING:
    from tests.fakes.ec2 import FakeEc2


class FakeObjects:
    """`all`: bucket -> key -> size."""

    def __init__(self, ec2: FakeEc2) -> None:
        self.ec2 = ec2
        self.all: dict[str, dict[str, int]] = {}

    def buckets(self) -> list[Bucket]:
        self.ec2.note("objects.buckets")
        return [Bucket(name=name, created=self.ec2.now) for name in sorted(self.all)]

    def objects(self, bucket: str, prefix: str = "") -> list[StoredObject]:
        self.ec2.note("objects.objects", bucket)
        if bucket not in self.all:
            raise fake_error("NoSuchBucket")
        return [
            StoredObject(key=key, size=size, modified=self.ec2.now)
            for key, size in sorted(self.all[bucket].items())
            if key.startswith(prefix)
        ]

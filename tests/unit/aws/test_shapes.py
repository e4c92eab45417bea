"""The limits of EBS's kinds of volumes: what is let through, and the sentence about what is not."""

from __future__ import annotations

import pytest

from starcluster import exception
from starcluster.aws import shapes
from starcluster.model import VolumeShape


def shape(size: int, kind: str, iops: int | None = None, throughput: int | None = None) -> VolumeShape:
    return VolumeShape(size=size, kind=kind, iops=iops, throughput=throughput)


@pytest.mark.parametrize(
    "right",
    [
        shape(1, "gp3"),
        shape(65536, "gp3"),
        shape(1, "gp3", 3000, 750),
        shape(160, "gp3", 80_000, 2000),
        shape(7, "gp3", 3500, 875),
        shape(16384, "gp2"),
        shape(4, "io1", 200),
        shape(4, "io2", 4000),
        shape(256, "io2", 256_000),
        shape(125, "st1"),
        shape(16384, "sc1"),
    ],
)
def test_what_ebs_makes(right: VolumeShape) -> None:
    shapes.check(right)


@pytest.mark.parametrize(
    ("wrong", "said", "hint"),
    [
        (shape(1, "gp4"), "no kind of volume 'gp4'", "gp3, gp2, io1, io2, st1, sc1"),
        (shape(65537, "gp3"), "1 to 65536 GB, not 65537", "the largest volumes have 65536 GB"),
        (shape(16385, "gp2"), "1 to 16384 GB", "there are gp3, io2"),
        (shape(3, "io2", 100), "4 to 65536 GB", "gp3, gp2"),
        (shape(124, "st1"), "125 to 16384 GB", "gp3, gp2, io1, io2"),
        (shape(124, "sc1"), "125 to 16384 GB", "gp3, gp2, io1, io2"),
        (shape(100, "gp3", 2999), "3000 to 80000 IOPS, not 2999", "another --iops"),
        (shape(1000, "gp3", 80_001), "3000 to 80000 IOPS", "another --iops"),
        (shape(6, "gp3", 3001), "3001 IOPS are too many for 6 GB", "at most 3000 IOPS, or at least 7 GB"),
        (shape(100, "gp2", 3000), "IOPS of gp2 volumes can not be chosen", "gp3 or io1 or io2"),
        (shape(4, "io1"), "kind io1 need --iops", "4 GB can have up to 200 IOPS"),
        (shape(4, "io2"), "kind io2 need --iops", "4 GB can have up to 4000 IOPS"),
        (shape(4, "io1", 201), "201 IOPS are too many for 4 GB", "at most 200 IOPS, or at least 5 GB"),
        (shape(4, "io1", 99), "100 to 64000 IOPS", "another --iops"),
        (shape(100, "gp3", None, 124), "125 to 2000 MiB/s, not 124", "another --throughput"),
        (shape(100, "gp3", 10_000, 2001), "125 to 2000 MiB/s", "another --throughput"),
        (shape(100, "gp3", None, 751), "too much for 3000 IOPS", "--iops 3004 as well, or take at most 750"),
        (shape(100, "io2", 1000, 500), "throughput of io2 volumes can not be chosen", "gp3"),
    ],
)
def test_what_it_does_not(wrong: VolumeShape, said: str, hint: str) -> None:
    with pytest.raises(exception.UserMustAct) as caught:
        shapes.check(wrong)
    assert said in str(caught.value)
    assert hint in caught.value.hint

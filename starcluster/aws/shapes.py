"""What EBS makes: the kinds of volumes with their limits, checked before anything is asked of EC2. Pure.

Sizes in GiB, throughput in MiB/s. A limit that AWS raises one day is told as a sentence, so that the reader sees
which number is out of date.
"""

from __future__ import annotations

from dataclasses import dataclass

from starcluster import exception
from starcluster.model import VolumeShape


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of volume; `iops`, `throughput`: least and most, None where they can not be chosen."""

    what: str
    sizes: tuple[int, int]
    iops: tuple[int, int] | None = None
    iops_per_gib: int = 0
    iops_needed: bool = False
    throughput: tuple[int, int] | None = None


KINDS: dict[str, Kind] = {
    "gp3": Kind(
        what="general purpose SSD", sizes=(1, 65536), iops=(3000, 80_000), iops_per_gib=500, throughput=(125, 2000)
    ),
    "gp2": Kind(what="general purpose SSD, older", sizes=(1, 16384)),
    "io1": Kind(what="fast SSD, older", sizes=(4, 16384), iops=(100, 64_000), iops_per_gib=50, iops_needed=True),
    "io2": Kind(what="fast SSD", sizes=(4, 65536), iops=(100, 256_000), iops_per_gib=1000, iops_needed=True),
    "st1": Kind(what="hard disk for long reads", sizes=(125, 16384)),
    "sc1": Kind(what="hard disk, cheapest", sizes=(125, 16384)),
}
DEFAULT = "gp3"
_IOPS_PER_THROUGHPUT = 4  # a gp3 volume moves at most 0.25 MiB/s for each of its IOPS


def check(shape: VolumeShape) -> None:
    """UserMustAct that names the limit which the shape does not keep."""
    kind = KINDS.get(shape.kind)
    if kind is None:
        raise _refused(f"there is no kind of volume '{shape.kind}'", f"the kinds are {', '.join(KINDS)}")
    low, high = kind.sizes
    if not low <= shape.size <= high:
        raise _refused(
            f"volumes of kind {shape.kind} have {low} to {high} GB, not {shape.size}", _other_sizes(shape.size)
        )
    if shape.iops is not None:
        _check_iops(shape, kind, shape.iops)
    elif kind.iops_needed:
        most = min(kind.iops[1], kind.iops_per_gib * shape.size) if kind.iops else 0
        raise _refused(f"volumes of kind {shape.kind} need --iops", f"{shape.size} GB can have up to {most} IOPS")
    if shape.throughput is not None:
        _check_throughput(shape, kind, shape.throughput)


def _check_iops(shape: VolumeShape, kind: Kind, iops: int) -> None:
    if kind.iops is None:
        raise _refused(
            f"the IOPS of {shape.kind} volumes can not be chosen",
            _those([name for name, one in KINDS.items() if one.iops], "--iops"),
        )
    low, high = kind.iops
    if not low <= iops <= high:
        raise _refused(f"volumes of kind {shape.kind} have {low} to {high} IOPS, not {iops}", "give another --iops")
    # gp3's included IOPS come with every size
    included = low if not kind.iops_needed else 0
    most = max(included, kind.iops_per_gib * shape.size)
    if iops > most:
        raise _refused(
            f"{iops} IOPS are too many for {shape.size} GB: {shape.kind} has up to {kind.iops_per_gib} per GB",
            f"take at most {most} IOPS, or at least {-(-iops // kind.iops_per_gib)} GB",
        )


def _check_throughput(shape: VolumeShape, kind: Kind, throughput: int) -> None:
    if kind.throughput is None or kind.iops is None:
        raise _refused(
            f"the throughput of {shape.kind} volumes can not be chosen",
            _those([name for name, one in KINDS.items() if one.throughput], "--throughput"),
        )
    low, high = kind.throughput
    if not low <= throughput <= high:
        raise _refused(
            f"volumes of kind {shape.kind} have {low} to {high} MiB/s, not {throughput}", "give another --throughput"
        )
    iops = shape.iops or kind.iops[0]
    if throughput * _IOPS_PER_THROUGHPUT > iops:
        raise _refused(
            f"{throughput} MiB/s are too much for {iops} IOPS: {shape.kind} moves 1 MiB/s for {_IOPS_PER_THROUGHPUT}",
            f"say --iops {throughput * _IOPS_PER_THROUGHPUT} as well, or take at most {iops // _IOPS_PER_THROUGHPUT}"
            " MiB/s",
        )


def _those(takes: list[str], option: str) -> str:
    return f"leave {option} out, or take --type {' or '.join(takes)}"


def _other_sizes(size: int) -> str:
    fitting = [name for name, one in KINDS.items() if one.sizes[0] <= size <= one.sizes[1]]
    return f"of that size there are {', '.join(fitting)}" if fitting else "the largest volumes have 65536 GB"


def _refused(what: str, hint: str) -> exception.UserMustAct:
    return exception.UserMustAct(what, hint=hint)

"""The names in the cloud that a line may hold, for the shell: each kind is asked for by itself, all at once."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from starcluster import names
from starcluster.cluster import record
from starcluster.cluster.drives.drive import DRIVE, is_entry
from starcluster.model import Snapshot, Volume

if TYPE_CHECKING:
    from starcluster.aws.session import Ec2

Told = Mapping[str, Any]


def of(ec2: Ec2, before: Told) -> dict[str, Any]:
    """All names by their kind. A kind that can not be listed (a permission is missing, say) is what it was before."""
    with ThreadPoolExecutor(len(QUESTIONS)) as crew:
        answers = [crew.submit(question, ec2) for question in QUESTIONS]
    found = dict(before)
    for answer in answers:
        with contextlib.suppress(Exception):
            found |= answer.result()
    return found


def _nodes_and_volumes(ec2: Ec2) -> Told:
    clusters: dict[str, list[str]] = {names.cluster_tag(one.name): [] for one in ec2.network.groups(names.GROUP_PREFIX)}
    alive = [one for one in ec2.instances.find() if one.state.is_in_cluster]
    for one in alive:
        if one.alias and one.tags.get(record.CLUSTER) in clusters:
            clusters[one.tags[record.CLUSTER]].append(one.alias)
    roots = {device.volume_id for one in alive for device in one.block_devices if device.device == one.root_device}
    kept = [one for one in ec2.volumes.find() if one.id not in roots]
    return {"clusters": clusters, "instances": [one.id for one in alive], "volumes": _both(kept)}


def _snapshots(ec2: Ec2) -> Told:
    found = ec2.snapshots.find()
    drives: dict[str, list[str]] = {}
    for one in found:
        if DRIVE in one.tags:
            drives.setdefault(one.tags[DRIVE], []).append(one.id)
    return {"snapshots": _both(found), "drive_snapshots": drives}


def _drives(ec2: Ec2) -> Told:
    return {"drives": [one.tags[DRIVE] for one in ec2.templates.tagged(DRIVE) if not is_entry(one)]}


def _images(ec2: Ec2) -> Told:
    found = ec2.images.own()
    return {"images": [*(one.name for one in found), *(one.id for one in found)]}


def _key_pairs(ec2: Ec2) -> Told:
    return {"key_pairs": [one.name for one in ec2.network.key_pairs()]}


def _zones(ec2: Ec2) -> Told:
    return {"zones": [one.name for one in ec2.network.zones()]}


def _both(found: list[Volume] | list[Snapshot]) -> list[str]:
    """Names, and ids."""
    return [*(one.name for one in found if one.name), *(one.id for one in found)]


QUESTIONS: tuple[Callable[[Ec2], Told], ...] = (
    _nodes_and_volumes,
    _snapshots,
    _drives,
    _images,
    _key_pairs,
    _zones,
)

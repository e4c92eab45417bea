"""Machine images of running nodes: made, found again after a kill, and removed with their snapshots.

A name is given once among an account's images, so it is the fence: who repeats a command that was killed finds the
image by its name and by the tag MAKING, which says of which instance it is being made.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starcluster import exception
from starcluster.aws.images import LOGIN_USER
from starcluster.clock import wait_until
from starcluster.cluster import private, record
from starcluster.cluster.volumes import MAKING
from starcluster.logger import log
from starcluster.model import Image, Snapshot

if TYPE_CHECKING:
    from starcluster.aws.session import Ec2
    from starcluster.cluster.cluster import Clusters
    from starcluster.cluster.node import Node

BEGUN_LIMIT = 300.0  # until EC2 names the snapshots: they hold what was on the disk at that moment
DONE_LIMIT = 86400.0
DESCRIPTION = "Description"
_PAUSE = 5.0
_STEP = 10  # per cent
_PENDING = "pending"
_FAILED = ("failed", "error", "invalid")


@dataclass(frozen=True, kw_only=True)
class ImageWish:
    """`addresses`: of the nodes whose names the image must not know."""

    name: str
    description: str = ""
    snapshot_description: str = ""
    addresses: Sequence[str] = ()


def make_image(clusters: Clusters, node: Node, wish: ImageWish) -> Image:
    """The finished image of that name, of the node's root disk; what an earlier run began is finished."""
    private.check_free(node)
    image_id = _begun(clusters.ec2, node, wish.name) or _begin(clusters, node, wish)
    image = _wait(clusters, image_id)
    clusters.ec2.images.untag([image.id, *image.snapshot_ids], MAKING)
    return image


def _begun(ec2: Ec2, node: Node, name: str) -> str:
    """The image that a run that was killed has begun; "" when there is none. ConflictError for a finished one."""
    for image in ec2.images.own(names=[name]):
        if image.tags.get(MAKING) != node.id:
            raise exception.ConflictError(
                f"there is an image '{name}' already: {image.id}",
                code="InvalidAMIName.Duplicate",
                hint=f"choose another name, or remove it: starcluster removeimage {image.id}",
            )
        if private.put_back(node):
            log.info("An earlier run was ended early; %s has got back what was kept out of the image", node.alias)
        if image.state not in _FAILED:
            log.info("Going on with %s, which an earlier run began", image.id)
            return image.id
        log.warning("%s, which an earlier run began, failed: beginning anew", image.id)
        remove_image(ec2, image)
    return ""


def _begin(clusters: Clusters, node: Node, wish: ImageWish) -> str:
    _tell(clusters.ec2, node)
    image_id = ""
    try:
        with private.kept_out(node, wish.addresses):
            image_id = _create(clusters.ec2, node, wish)
            _wait_begun(clusters, image_id)
    except BaseException:
        if image_id:  # what was private may be in it
            with contextlib.suppress(exception.AWSError):
                remove_image(clusters.ec2, clusters.ec2.images.get(image_id))
                log.warning("%s is removed again: what is private may have come into it", image_id)
        raise
    return image_id


def _tell(ec2: Ec2, node: Node) -> None:
    log.info("Making an image of the root disk of %s (%s), which goes on meanwhile", node.alias, node.id)
    for what, patterns in private.HIDDEN.items():
        log.info("Kept out of it: %s (%s)", what, " ".join(patterns))
    log.info("They are put back on %s at once; in those seconds no new login works there", node.alias)
    for device in node.described.data_devices:
        volume = ec2.volumes.get(device.volume_id)
        log.info("Left out of it: %s%s", volume.id, f" ({volume.name})" if volume.name else "")
    if _home_is_inside(node):
        log.info("/home is on the root disk: what else is in it comes into the image")


def _home_is_inside(node: Node) -> bool:
    same = '[ "$(stat -c %d /home)" = "$(stat -c %d /)" ] && [ -n "$(ls -A /home)" ] && echo yes || true'
    return bool(node.ssh.script(same, what="look where /home is"))


def _create(ec2: Ec2, node: Node, wish: ImageWish) -> str:
    source = ec2.images.find(node.image_id)
    tags = {
        record.SCHEMA: str(record.CURRENT_SCHEMA),
        record.NAME: wish.name,
        MAKING: node.id,
        **({LOGIN_USER: source.login_user} if source else {}),
        **({DESCRIPTION: wish.snapshot_description} if wish.snapshot_description else {}),
    }
    without = [device.device for device in node.described.data_devices]
    try:
        return ec2.images.create(node.id, wish.name, description=wish.description, without=without, tags=tags)
    except exception.TransientError:
        # was it heard? A name is given once
        for image in ec2.images.own(names=[wish.name]):
            if image.tags.get(MAKING) == node.id:
                return image.id
        raise


def _wait_begun(clusters: Clusters, image_id: str) -> None:
    """Until EC2 has begun the image's snapshots."""

    def begun() -> bool:
        image = clusters.ec2.images.find(image_id)  # a new id may not be known everywhere yet
        return image is not None and (bool(image.snapshot_ids) or image.state != _PENDING)

    if not wait_until(begun, limit=BEGUN_LIMIT, pause=_PAUSE, clock=clusters.clock):
        raise exception.WaitTimeout(f"EC2 has not begun the snapshots of {image_id} after {BEGUN_LIMIT:g} seconds")


def _wait(clusters: Clusters, image_id: str) -> Image:
    """Until it can be launched, with progress told. ConflictError when EC2 fails to make it."""
    tell = _teller()

    def look() -> Image | None:
        image = clusters.ec2.images.find(image_id)
        if image is None or image.state == _PENDING:
            tell(clusters.ec2.snapshots.find(ids=image.snapshot_ids) if image and image.snapshot_ids else [])
            return None
        if image.state in _FAILED:
            raise exception.ConflictError(
                f"image {image.id} failed: {image.message or 'EC2 tells no reason'}",
                hint="repeat the command: it removes what is left of this one and makes another",
            )
        return image

    log.info("Waiting for %s", image_id)
    found = wait_until(look, limit=DONE_LIMIT, pause=_PAUSE, clock=clusters.clock)
    if found is None:
        raise exception.WaitTimeout(
            f"waited {DONE_LIMIT / 3600:.0f} hours for image {image_id}", hint="repeat the command: it goes on waiting"
        )
    return found


def _teller() -> Callable[[Sequence[Snapshot]], None]:
    told = -1

    def tell(snapshots: Sequence[Snapshot]) -> None:
        nonlocal told
        done = min((one.progress for one in snapshots), default=0)
        if done // _STEP > told:
            told = done // _STEP
            log.info("The image's snapshot: %d %%", done)

    return tell


# -- removing


def find_image(ec2: Ec2, name_or_id: str) -> Image:
    """One of the account's images by id or name, or ImageDoesNotExist."""
    if name_or_id.startswith("ami-"):
        return ec2.images.get(name_or_id)
    found = ec2.images.own(names=[name_or_id])
    if not found:
        raise exception.ImageDoesNotExist(
            f"you have no image '{name_or_id}' in {ec2.region}", hint="starcluster listimages shows yours"
        )
    return found[0]


def remove_image(ec2: Ec2, image: Image, *, keep_data: bool = False) -> list[str]:
    """Deregister it and delete its snapshots; the snapshots that are gone. May be repeated."""
    ec2.images.deregister(image.id)
    return [] if keep_data else delete_snapshots(ec2, image.snapshot_ids)


def delete_snapshots(ec2: Ec2, snapshot_ids: Sequence[str]) -> list[str]:
    """Delete those that no other image uses."""
    gone = []
    for snapshot_id in snapshot_ids:
        try:
            ec2.snapshots.delete(snapshot_id)
        except exception.ConflictError as error:
            log.warning("%s is kept: %s", snapshot_id, error)
        else:
            gone.append(snapshot_id)
    return gone


def left_snapshots(ec2: Ec2, image_id: str) -> list[Snapshot]:
    """The snapshots that EC2 made for an image which is gone: who removed it was ended in the middle."""
    return ec2.snapshots.find(filters={"description": f"Created by CreateImage(*) for {image_id}*"})

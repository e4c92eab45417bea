"""The snapshots in a bucket: `manifest-N.json`, written last; what they name lies under `data/`."""

from __future__ import annotations

import re
import time

from starcluster.s3sync import deciding
from starcluster.s3sync.bucket import Bucket
from starcluster.s3sync.model import Manifest, manifest_of
from starcluster.s3sync.trouble import Gone, Trouble

DATA = "data/"
_NAME = re.compile(r"manifest-([0-9]{10})\.json")


def name_of(number: int) -> str:
    return f"manifest-{number:010d}.json"


def numbers(bucket: Bucket) -> list[int]:
    found = [_NAME.fullmatch(name) for name, _ in bucket.listed("manifest-")]
    return [int(one[1]) for one in found if one]


def fetch(bucket: Bucket, number: int) -> Manifest:
    try:
        return manifest_of(bucket.get(name_of(number)))
    except ValueError as error:
        raise Trouble(f"{name_of(number)} in {bucket} can not be read: {error}", kind="manifest") from None


def newest(bucket: Bucket) -> Manifest | None:
    """The last snapshot; None when there is none yet."""
    found = numbers(bucket)
    return fetch(bucket, found[-1]) if found else None


def prune(bucket: Bucket, *, keep: int, now: float | None = None) -> int:
    """Delete all snapshots but the last ones, then what no snapshot needs; how many objects went.

    What is needed is asked of the manifests that are there after the deletion, every one of which must be readable.
    """
    moment = time.time() if now is None else now
    gone = [name_of(number) for number in deciding.doomed(numbers(bucket), keep=keep)]
    bucket.delete(gone)
    needed: set[str] = set()
    for number in numbers(bucket):
        try:
            needed |= fetch(bucket, number).objects
        except Gone:  # another node prunes as well
            return len(gone)
    unused = deciding.unused(bucket.listed(DATA), needed, now=moment)
    bucket.delete(unused)
    for name, upload, begun in bucket.uploads():
        if moment - begun > deciding.DAY:
            bucket.abort(name, upload)
    return len(gone) + len(unused)

"""S3 as this machine sees it: which buckets there are and what is in them. Nodes have programs of their own for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starcluster.aws.api import Api
from starcluster.model import Bucket, StoredObject


class Objects:
    def __init__(self, api: Api) -> None:
        self._api = api

    def buckets(self) -> list[Bucket]:
        """All buckets of this account, by name."""
        answer = self._api.read("list_buckets", service="s3", what="list buckets")
        found = [Bucket(name=one["Name"], created=one.get("CreationDate")) for one in answer.get("Buckets", ())]
        return sorted(found, key=lambda one: one.name)

    def objects(self, bucket: str, prefix: str = "") -> list[StoredObject]:
        """Everything in a bucket whose name begins so, by name; whole, or an error."""
        answers = self._api.pages(
            "list_objects_v2", "Contents", service="s3", what=f"list bucket {bucket}", Bucket=bucket, Prefix=prefix
        )
        return [_object(answer) for answer in answers]


def _object(answer: Mapping[str, Any]) -> StoredObject:
    return StoredObject(key=answer["Key"], size=answer["Size"], modified=answer.get("LastModified"))

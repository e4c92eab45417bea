"""Snapshots of EBS volumes, named by id or by their Name tag."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from starcluster import exception
from starcluster.aws import forms
from starcluster.aws.api import Api
from starcluster.model import Snapshot

_NEVER = datetime.min.replace(tzinfo=UTC)
_ID = re.compile(r"snap-[0-9a-f]+\Z")


class Snapshots:
    def __init__(self, api: Api) -> None:
        self._api = api

    def find(
        self,
        *,
        ids: Sequence[str] = (),
        names: Sequence[str] = (),
        volume_ids: Sequence[str] = (),
        filters: Mapping[str, str | Iterable[str]] | None = None,
    ) -> list[Snapshot]:
        """All snapshots of this account that fit, oldest first. Unknown ids are left out."""
        wanted = {"snapshot-id": ids, "tag:Name": names, "volume-id": volume_ids, **(filters or {})}
        answers = self._api.pages(
            "describe_snapshots",
            "Snapshots",
            what="list snapshots",
            page_size=self._api.page_size,
            OwnerIds=["self"],
            Filters=forms.filter_list(wanted),
        )
        found = [forms.snapshot(answer) for answer in answers]
        return sorted(found, key=lambda one: (one.started or _NEVER, one.id))

    def of_volumes(self, volume_ids: Sequence[str]) -> dict[str, list[str]]:
        """The snapshots made of these volumes: volume id -> snapshot ids, oldest first."""
        made: dict[str, list[str]] = {volume_id: [] for volume_id in volume_ids}
        # asked for without a filter: EC2 takes 200 values in one, and a list may be longer
        for one in self.find() if volume_ids else []:
            if one.volume_id in made:
                made[one.volume_id].append(one.id)
        return made

    def get(self, id_or_name: str) -> Snapshot:
        """The snapshot of that id or Name; NotFoundError when none, UserMustAct when several. Others' by id only."""
        if _ID.match(id_or_name):
            found = self.find(ids=[id_or_name]) or self._shared(id_or_name)
        else:
            found = self.find(names=[id_or_name])
        if one := forms.only(found, "snapshots", id_or_name):
            return one
        raise exception.NotFoundError(
            f"snapshot '{id_or_name}' does not exist in {self._api.access.region}",
            code="InvalidSnapshot.NotFound",
            hint="starcluster listsnapshots shows those of this region; `starcluster -r REGION` looks in another",
        )

    def _shared(self, snapshot_id: str) -> list[Snapshot]:
        """A snapshot that somebody else lets this account use."""
        filters = forms.filter_list({"snapshot-id": snapshot_id})
        answer = self._api.read("describe_snapshots", what=f"look for {snapshot_id}", Filters=filters)
        return [forms.snapshot(one) for one in answer.get("Snapshots", ())]

    def create(self, volume_id: str, *, description: str = "", tags: Mapping[str, str] | None = None) -> Snapshot:
        """What is on the volume at this moment; `pending` until it is stored.

        EC2 knows no token for this call: it is tried once, and a tag is what tells whether it was heard.
        """
        answer = self._api.launch(
            "create_snapshot",
            what=f"make a snapshot of {volume_id}",
            VolumeId=volume_id,
            Description=description,
            TagSpecifications=forms.tag_specifications(tags or {}, "snapshot"),
        )
        return forms.snapshot(answer)

    def delete(self, snapshot_id: str) -> None:
        """Delete for ever; ConflictError while an image uses it, no error when it is gone."""
        try:
            self._api.change("delete_snapshot", what=f"delete {snapshot_id}", SnapshotId=snapshot_id)
        except exception.NotFoundError:
            return

    def tag(self, snapshot_id: str, tags: Mapping[str, str]) -> None:
        if tags:
            self._api.change(
                "create_tags", what=f"tag {snapshot_id}", Resources=[snapshot_id], Tags=forms.tag_list(tags)
            )

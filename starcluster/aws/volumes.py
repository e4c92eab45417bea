"""EBS volumes, named by id or by their Name tag."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from starcluster import exception
from starcluster.aws import forms
from starcluster.aws.api import Api
from starcluster.model import Modification, Volume, VolumeState

_ID = re.compile(r"vol-[0-9a-f]+\Z")
_NEVER = datetime.min.replace(tzinfo=UTC)
_GONE = (VolumeState.DELETING, VolumeState.DELETED)


class Volumes:
    def __init__(self, api: Api) -> None:
        self._api = api

    def find(
        self,
        *,
        ids: Sequence[str] = (),
        names: Sequence[str] = (),
        filters: Mapping[str, str | Iterable[str]] | None = None,
    ) -> list[Volume]:
        """All volumes that fit; `filters` are EC2's own, by EC2's names. Unknown ids are left out."""
        wanted = {"volume-id": ids, "tag:Name": names, **(filters or {})}
        answers = self._api.pages(
            "describe_volumes",
            "Volumes",
            what="list volumes",
            page_size=min(self._api.page_size, 500),
            Filters=forms.filter_list(wanted),
        )
        return [forms.volume(answer) for answer in answers]

    def get(self, id_or_name: str) -> Volume:
        """The volume of that id or Name; VolumeDoesNotExist when none, UserMustAct when several."""
        if _ID.match(id_or_name):
            found = self.find(ids=[id_or_name])
        else:
            found = [one for one in self.find(names=[id_or_name]) if one.state not in _GONE]
        if one := forms.only(found, "volumes", id_or_name):
            return one
        raise exception.VolumeDoesNotExist(
            f"volume '{id_or_name}' does not exist in {self._api.access.region}",
            code="InvalidVolume.NotFound",
            hint="starcluster listvolumes shows the volumes of this region, starcluster createvolume makes one;"
            " `starcluster -r REGION` looks in another region",
        )

    def create(
        self,
        size: int,
        zone: str,
        *,
        kind: str = "gp3",
        snapshot_id: str = "",
        iops: int | None = None,
        throughput: int | None = None,
        encrypted: bool = False,
        kms_key: str = "",
        tags: Mapping[str, str] | None = None,
        token: str = "",
    ) -> Volume:
        """A new volume, `creating` at first; the same token gives the same volume again."""
        options: dict[str, Any] = {"VolumeType": kind, "AvailabilityZone": zone}
        given = {
            "Size": size,
            "Iops": iops,
            "Throughput": throughput,
            "SnapshotId": snapshot_id,
            "Encrypted": encrypted or bool(kms_key),
            "KmsKeyId": kms_key,
            "ClientToken": token,
        }
        options |= {name: value for name, value in given.items() if value}
        options["TagSpecifications"] = forms.tag_specifications(tags or {}, "volume")
        what = f"create a volume of {size} GB in {zone}"
        return forms.volume(self._api.change("create_volume", what=what, **options))

    def modify(
        self,
        volume_id: str,
        *,
        size: int = 0,
        kind: str = "",
        iops: int | None = None,
        throughput: int | None = None,
    ) -> Modification:
        """Let a volume grow or change its kind and speed; what is not given stays. EC2 refuses while one is at work.

        Tried once: a repeated call would be refused because of the first.
        """
        given = {"Size": size, "VolumeType": kind, "Iops": iops, "Throughput": throughput}
        options = {name: value for name, value in given.items() if value}
        answer = self._api.launch("modify_volume", what=f"modify {volume_id}", VolumeId=volume_id, **options)
        return forms.modification(answer["VolumeModification"])

    def modifications(self, volume_id: str = "") -> dict[str, Modification]:
        """The latest change of each volume that has been changed lately, or of one; by the volume's id."""
        answers = self._api.pages(
            "describe_volumes_modifications",
            "VolumesModifications",
            what="look how the changes of volumes go",
            page_size=min(self._api.page_size, 500),
            Filters=forms.filter_list({"volume-id": volume_id}),
        )
        found = sorted((forms.modification(answer) for answer in answers), key=lambda one: one.started or _NEVER)
        return {one.volume_id: one for one in found}

    def modification(self, volume_id: str) -> Modification | None:
        """The latest change of a volume; None when it has not been changed lately."""
        return self.modifications(volume_id).get(volume_id)

    def attach(self, volume_id: str, instance_id: str, device: str) -> None:
        """Ask EC2 to attach; the volume is `attached` some seconds later."""
        self._api.change(
            "attach_volume",
            what=f"attach {volume_id} to {instance_id} as {device}",
            VolumeId=volume_id,
            InstanceId=instance_id,
            Device=device,
        )

    def detach(self, volume_id: str, *, instance_id: str = "", force: bool = False) -> None:
        """Ask EC2 to detach; a volume that is not attached (any more) is no error."""
        options: dict[str, Any] = {"InstanceId": instance_id} if instance_id else {}
        try:
            self._api.change("detach_volume", what=f"detach {volume_id}", VolumeId=volume_id, Force=force, **options)
        except exception.ConflictError as error:
            if error.code not in ("IncorrectState", "InvalidAttachment.NotFound"):
                raise

    def delete(self, volume_id: str) -> None:
        """Delete for ever; ConflictError while something holds it, no error when it is gone."""
        try:
            self._api.change("delete_volume", what=f"delete {volume_id}", VolumeId=volume_id)
        except exception.VolumeDoesNotExist:
            return

    def tag(self, volume_id: str, tags: Mapping[str, str]) -> None:
        if tags:
            self._api.change("create_tags", what=f"tag {volume_id}", Resources=[volume_id], Tags=forms.tag_list(tags))

"""Launch templates, which serve as records: nothing is launched from them, their tags are what counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from starcluster import exception
from starcluster.aws import forms
from starcluster.aws.api import Api
from starcluster.aws.instances import CLUSTER_TAG
from starcluster.model import LaunchTemplate

_MAX_PAGE = 200  # EC2's limit for describing; as many are tagged by one call


class Templates:
    def __init__(self, api: Api) -> None:
        self._api = api

    def find(self, *, cluster: str) -> list[LaunchTemplate]:
        """All templates that carry the cluster's tag; cluster "" = all templates of the region."""
        return self._find({"tag:" + CLUSTER_TAG: cluster})

    def tagged(self, key: str, value: str = "*") -> list[LaunchTemplate]:
        """All templates of the region with this tag; `value` may have EC2's wildcards."""
        return self._find({"tag:" + key: value})

    def get(self, name: str) -> LaunchTemplate | None:
        """The template of that name, None when there is none."""
        found = self._find({"launch-template-name": name})
        return found[0] if found else None

    def _find(self, wanted: Mapping[str, str]) -> list[LaunchTemplate]:
        answers = self._api.pages(
            "describe_launch_templates",
            "LaunchTemplates",
            what="list launch templates",
            page_size=min(self._api.page_size, _MAX_PAGE),
            Filters=forms.filter_list(wanted),
        )
        return [forms.launch_template(answer) for answer in answers]

    def create(self, name: str, tags: Mapping[str, str], data: Mapping[str, Any]) -> LaunchTemplate:
        """A new template; ConflictError when the name is taken. `data` must not be empty (EC2's rule)."""
        answer = self._api.change(
            "create_launch_template",
            what=f"create the launch template {name}",
            LaunchTemplateName=name,
            LaunchTemplateData=dict(data),
            TagSpecifications=forms.tag_specifications(tags, "launch-template"),
        )
        made = forms.launch_template(answer["LaunchTemplate"])
        return LaunchTemplate(id=made.id, name=made.name, created=made.created, tags=dict(tags))

    def tag(self, template_id: str, tags: Mapping[str, str]) -> None:
        self.tag_all([template_id], tags)

    def tag_all(self, template_ids: Sequence[str], tags: Mapping[str, str]) -> None:
        """The same tags for many templates, by one call for each few hundred of them."""
        for start in range(0, len(template_ids) if tags else 0, _MAX_PAGE):
            part = list(template_ids[start : start + _MAX_PAGE])
            what = f"tag {part[0]}" + (f" and {len(part) - 1} more" if len(part) > 1 else "")
            self._api.change("create_tags", what=what, Resources=part, Tags=forms.tag_list(tags))

    def untag(self, template_id: str, keys: Iterable[str]) -> None:
        tags = [{"Key": key} for key in keys]
        if tags:
            self._api.change("delete_tags", what=f"untag {template_id}", Resources=[template_id], Tags=tags)

    def delete(self, template_id: str) -> None:
        """Delete; no error when it is gone."""
        try:
            self._api.change(
                "delete_launch_template",
                what=f"delete the launch template {template_id}",
                LaunchTemplateId=template_id,
            )
        except exception.NotFoundError:
            return

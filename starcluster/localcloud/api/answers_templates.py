"""The actions on launch templates."""

from __future__ import annotations

from typing import Any

from moto.core.responses import ActionResult

from starcluster.localcloud.api import errors, filters, paging, templates
from starcluster.localcloud.api.answer import Answer
from starcluster.localcloud.api.cloud import ACCOUNT
from starcluster.localcloud.api.launch import check_user_data
from starcluster.localcloud.api.tagging import read_tag_specifications
from starcluster.localcloud.api.views import tag_list, tags_of

CREATE = "CreateLaunchTemplate"
CREATE_VERSION = "CreateLaunchTemplateVersion"
CREATOR = f"arn:aws:iam::{ACCOUNT}:root"

TEMPLATE_FILTERS: dict[str, filters.Getter] = {
    "create-time": lambda t: t.create_time,
    "launch-template-id": lambda t: t.id,
    "launch-template-name": lambda t: t.name,
}

VERSION_FILTERS: dict[str, filters.Getter] = {
    "create-time": lambda v: v.create_time,
    "image-id": lambda v: v.data.get("ImageId"),
    "instance-type": lambda v: v.data.get("InstanceType"),
    "is-default-version": lambda v: v.template.is_default(v),
}


class TemplateAnswers(Answer):
    """Templates and their versions."""

    def create_launch_template(self) -> ActionResult:
        params = dict(self.params)
        known = self.tokens.before(CREATE, params)
        if known is not None and known in self.ec2_backend.launch_templates:
            return ActionResult({"LaunchTemplate": self._view(self.ec2_backend.launch_templates[known])})
        name = params.get("LaunchTemplateName")
        templates.check_name(name)
        data = _read_data(params)
        tags = read_tag_specifications(params.get("TagSpecifications"), ["launch-template"])
        if name in self.ec2_backend.launch_template_name_to_ids:
            text = f"Launch template name already in use: {name}"
            raise errors.Refusal("InvalidLaunchTemplateName.AlreadyExistsException", text)
        self.error_on_dryrun()
        description = params.get("VersionDescription") or ""
        template = self.ec2_backend.create_launch_template(name, description, data, tags)
        self.tokens.after(CREATE, params, template.id)
        return ActionResult({"LaunchTemplate": self._view(template)})

    def create_launch_template_version(self) -> ActionResult:
        params = dict(self.params)
        template = templates.find(self.cloud, params)
        known = self.tokens.before(CREATE_VERSION, params)
        if known is not None:
            return ActionResult({"LaunchTemplateVersion": self._version_view(templates.version(template, known))})
        data = _read_data(params)
        source = params.get("SourceVersion")
        if source:
            data = {**templates.version(template, source).data, **data}
        self.error_on_dryrun()
        made = template.create_version(data, params.get("VersionDescription") or "")
        self.tokens.after(CREATE_VERSION, params, str(made.number))
        return ActionResult({"LaunchTemplateVersion": self._version_view(made)})

    def modify_launch_template(self) -> ActionResult:
        template = templates.find(self.cloud, self.params)
        wanted = self._get_param("DefaultVersion") or self._get_param("SetDefaultVersion")
        if not wanted:
            raise errors.missing("SetDefaultVersion")
        chosen = templates.version(template, wanted)
        self.error_on_dryrun()
        template.default_version_number = chosen.number
        return ActionResult({"LaunchTemplate": self._view(template)})

    def delete_launch_template(self) -> ActionResult:
        template = templates.find(self.cloud, self.params)
        self.error_on_dryrun()
        view = self._view(template)
        self.ec2_backend.delete_launch_template(None, template.id)
        self.ec2_backend.tags.pop(template.id, None)
        return ActionResult({"LaunchTemplate": view})

    def describe_launch_templates(self) -> ActionResult:
        self.error_on_dryrun()
        backend = self.ec2_backend
        ids, names = self._get_param("LaunchTemplateIds", []), self._get_param("LaunchTemplateNames", [])
        found = [templates.find(self.cloud, {"LaunchTemplateId": each}) for each in ids]
        found += [templates.by_name(self.cloud, each) for each in names]
        if not ids and not names:
            found = list(backend.launch_templates.values())
        wanted = filters.read_filters(self.params)
        found = filters.apply(found, wanted, TEMPLATE_FILTERS, lambda each: tags_of(backend, each.id))
        shown, token = paging.page(found, self.params, key=lambda each: each.id, lowest=1, highest=200, default=200)
        return ActionResult({"LaunchTemplates": [self._view(each) for each in shown], "NextToken": token})

    def describe_launch_template_versions(self) -> ActionResult:
        self.error_on_dryrun()
        found = filters.apply(self._versions(), filters.read_filters(self.params), VERSION_FILTERS, lambda each: {})
        shown, token = paging.page(
            found, self.params, key=lambda each: f"{each.template.id}/{each.number}", lowest=1, highest=200, default=200
        )
        views = [self._version_view(each) for each in shown]
        return ActionResult({"LaunchTemplateVersions": views, "NextToken": token})

    def _versions(self) -> list[Any]:
        wanted = self._get_param("Versions", [])
        if not self._get_param("LaunchTemplateId") and not self._get_param("LaunchTemplateName"):
            if not wanted or set(wanted) - {"$Latest", "$Default"}:
                text = "Without a launch template only the versions $Latest and $Default can be asked for"
                raise errors.Refusal("InvalidParameterValue", text)
            every = self.ec2_backend.launch_templates.values()
            return [templates.version(template, each) for template in every for each in wanted]
        template = templates.find(self.cloud, self.params)
        if wanted:
            return [templates.version(template, each) for each in wanted]
        low = int(self._get_param("MinVersion") or 1)
        high = int(self._get_param("MaxVersion") or len(template.versions))
        return [each for each in reversed(template.versions) if low <= each.number <= high]

    def _view(self, template: Any) -> dict[str, Any]:
        return {
            "LaunchTemplateId": template.id,
            "LaunchTemplateName": template.name,
            "CreateTime": template.create_time,
            "CreatedBy": CREATOR,
            "DefaultVersionNumber": template.default_version_number,
            "LatestVersionNumber": template.latest_version_number,
            "Tags": tag_list(tags_of(self.ec2_backend, template.id)),
        }

    @staticmethod
    def _version_view(version: Any) -> dict[str, Any]:
        return {
            "LaunchTemplateId": version.template.id,
            "LaunchTemplateName": version.template.name,
            "VersionNumber": version.number,
            "VersionDescription": version.description,
            "CreateTime": version.create_time,
            "CreatedBy": CREATOR,
            "DefaultVersion": version.template.is_default(version),
            "LaunchTemplateData": version.data,
        }


def _read_data(params: dict[str, Any]) -> dict[str, Any]:
    """A template's data; EC2 wants at least one word in it."""
    data = {name: value for name, value in (params.get("LaunchTemplateData") or {}).items() if value is not None}
    if not data:
        raise errors.missing("LaunchTemplateData")
    check_user_data(data.get("UserData"))
    return data

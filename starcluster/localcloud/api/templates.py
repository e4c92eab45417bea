"""Launch templates in a launch: the template's data below the call's own parameters."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from starcluster.localcloud.api import errors
from starcluster.localcloud.api.cloud import Cloud
from starcluster.localcloud.api.ids import check_id

NAME = re.compile(r"^[a-zA-Z0-9().\-/_]{3,128}$")

# What a template may say and RunInstances does not know, or knows otherwise.
NOT_LAUNCHED = frozenset({"InstanceRequirements"})


def find(cloud: Cloud, wanted: Mapping[str, Any]) -> Any:
    """The template that a call names by id or name."""
    template_id, name = wanted.get("LaunchTemplateId"), wanted.get("LaunchTemplateName")
    if bool(template_id) == bool(name):
        text = "Exactly one of LaunchTemplateId and LaunchTemplateName must be given"
        raise errors.Refusal("MissingParameter" if not name else "InvalidParameterCombination", text)
    backend = cloud.backend
    if template_id:
        check_id("InvalidLaunchTemplateId", template_id, "lt")
        template = backend.launch_templates.get(template_id)
        if template is None:
            text = f"The specified launch template, with template ID {template_id}, does not exist."
            raise errors.Refusal("InvalidLaunchTemplateId.NotFound", text)
        return template
    return by_name(cloud, str(name))


def by_name(cloud: Cloud, name: str) -> Any:
    template_id = cloud.backend.launch_template_name_to_ids.get(name)
    if template_id is None:
        text = f"The specified launch template, with template name {name}, does not exist."
        raise errors.Refusal("InvalidLaunchTemplateName.NotFoundException", text)
    return cloud.backend.launch_templates[template_id]


def version(template: Any, wanted: Any) -> Any:
    """A version by number, $Latest or $Default."""
    if wanted in (None, "", "$Default"):
        return template.default_version()
    if wanted == "$Latest":
        return template.latest_version()
    found = [each for each in template.versions if str(each.number) == str(wanted)]
    if not found:
        text = f"Could not find launch template version {wanted} of {template.id}."
        raise errors.Refusal("InvalidLaunchTemplateId.VersionNotFound", text)
    return found[0]


def check_name(name: str | None) -> None:
    if not name:
        raise errors.missing("LaunchTemplateName")
    if not NAME.match(name):
        text = "A launch template name must be between 3 and 128 characters of [a-zA-Z0-9().-/_]"
        raise errors.Refusal("InvalidLaunchTemplateName.MalformedException", text)


def merge(cloud: Cloud, params: Mapping[str, Any]) -> dict[str, Any]:
    """RunInstances' parameters with those of its launch template below them."""
    wanted = params.get("LaunchTemplate")
    if not wanted:
        return dict(params)
    template = find(cloud, wanted)
    chosen = version(template, wanted.get("Version"))
    data = {
        name: str(value) if name == "UserData" else value
        for name, value in chosen.data.items()
        if value not in (None, "", []) and name not in NOT_LAUNCHED
    }
    merged = {**data, **{name: value for name, value in params.items() if value is not None}}
    merged["TagSpecifications"] = _merge_tags(data.get("TagSpecifications"), params.get("TagSpecifications"))
    merged["_template"] = {
        "aws:ec2launchtemplate:id": template.id,
        "aws:ec2launchtemplate:version": str(chosen.number),
    }
    return merged


def _merge_tags(below: Any, above: Any) -> list[dict[str, Any]]:
    """Both sets of tags; the call's own win key by key. The template's own tags are not launched."""
    kinds: dict[str, dict[str, str]] = {}
    for spec in [*(below or []), *(above or [])]:
        if spec.get("ResourceType") == "launch-template":
            continue
        tags = kinds.setdefault(str(spec.get("ResourceType") or ""), {})
        tags.update({tag["Key"]: tag.get("Value", "") for tag in spec.get("Tags") or []})
    return [
        {"ResourceType": kind, "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}
        for kind, tags in kinds.items()
    ]

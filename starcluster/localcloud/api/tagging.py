"""Tags: EC2's limits, and the tag specifications of a creating call."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from starcluster.localcloud.api import errors

TAG_LIMIT = 50
KEY_LENGTH = 128
VALUE_LENGTH = 256
RESERVED = "aws:"


def read_tag_specifications(specs: Any, allowed: Iterable[str]) -> dict[str, dict[str, str]]:
    """Resource type -> tags, checked. Raises a refusal for types that the call cannot tag."""
    known, found = frozenset(allowed), dict[str, dict[str, str]]()
    for spec in specs or []:
        kind = spec.get("ResourceType")
        if not kind:
            raise errors.Refusal("InvalidParameter", "Tag specification resource type must have a value")
        if kind not in known:
            text = f"'{kind}' is not a valid taggable resource type for this operation."
            raise errors.Refusal("InvalidParameterValue", text)
        tags = read_tags(spec.get("Tags"))
        if not tags:
            raise errors.Refusal("InvalidParameter", "Tag specification must have at least one tag")
        found.setdefault(kind, {}).update(tags)
    for tags in found.values():
        check_limit(tags)
    return found


def read_tags(items: Any) -> dict[str, str]:
    """A list of Key and Value as a dictionary; no key twice."""
    tags: dict[str, str] = {}
    for item in items or []:
        key, value = str(item.get("Key", "")), str(item.get("Value") or "")
        check_tag(key, value)
        if key in tags:
            raise errors.Refusal("InvalidParameterValue", f"Duplicate tag key '{key}' specified.")
        tags[key] = value
    return tags


def check_tag(key: str, value: str) -> None:
    if not key:
        raise errors.missing("key")
    if key.lower().startswith(RESERVED):
        text = f"Tag keys starting with '{RESERVED}' are reserved for internal use"
        raise errors.Refusal("InvalidParameterValue", text)
    if len(key) > KEY_LENGTH:
        raise errors.Refusal("InvalidParameterValue", f"Tag key exceeds the maximum length of {KEY_LENGTH}")
    if len(value) > VALUE_LENGTH:
        raise errors.Refusal("InvalidParameterValue", f"Tag value exceeds the maximum length of {VALUE_LENGTH}")


def check_limit(tags: Mapping[str, str]) -> None:
    if sum(not key.startswith(RESERVED) for key in tags) > TAG_LIMIT:
        raise errors.Refusal("TagLimitExceeded", f"More than {TAG_LIMIT} tags specified")

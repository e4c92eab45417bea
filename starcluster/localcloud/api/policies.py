"""IAM's policy documents, as far as roles of instances need them: Allow, Deny, actions, resources, s3:prefix."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

Statement = Mapping[str, Any]


def allows(documents: Iterable[Mapping[str, Any]], action: str, resource: str, context: Mapping[str, str]) -> bool:
    """Whether some statement allows it and none denies it. `context`: values of condition keys, as s3:prefix."""
    statements = [one for document in documents for one in _several(document.get("Statement"))]
    meant = [one for one in statements if _is_about(one, action, resource)]
    denied = any(one.get("Effect") == "Deny" and _holds(one, context, unknown=True) for one in meant)
    return not denied and any(one.get("Effect") == "Allow" and _holds(one, context, unknown=False) for one in meant)


def _several(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]


def _is_about(statement: Statement, action: str, resource: str) -> bool:
    return _listed(statement, "Action", action, re.IGNORECASE) and _listed(statement, "Resource", resource, 0)


def _listed(statement: Statement, name: str, value: str, flags: int) -> bool:
    """By its Action or NotAction, Resource or NotResource."""
    if f"Not{name}" in statement:
        return not any(_fits(one, value, flags) for one in _several(statement[f"Not{name}"]))
    return any(_fits(one, value, flags) for one in _several(statement.get(name)))


def _fits(pattern: str, value: str, flags: int = 0) -> bool:
    """IAM's patterns: `*` is anything, `?` one letter."""
    text = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(text, value, flags | re.DOTALL) is not None


def _holds(statement: Statement, context: Mapping[str, str], *, unknown: bool) -> bool:
    """Whether its conditions hold; `unknown` is the answer for one that is not understood here: the strict one."""
    for operator, wanted in (statement.get("Condition") or {}).items():
        for key, values in wanted.items():
            if operator not in ("StringEquals", "StringLike"):
                return unknown
            has = context.get(key.lower())
            like = operator == "StringLike"
            if has is None or not any(_fits(one, has) if like else one == has for one in _several(values)):
                return False
    return True

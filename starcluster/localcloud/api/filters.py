"""EC2's filters: AND between names, OR within values, * and ? as wildcards, unknown names refused."""

from __future__ import annotations

import datetime
import fnmatch
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from starcluster.localcloud.api import errors

VALUE_LIMIT = 200

# The value of a filter for one resource: nothing, one value or several, any of which may match.
Getter = Callable[[Any], Any]
Tags = Callable[[Any], Mapping[str, str]]


def read_filters(params: Mapping[str, Any]) -> dict[str, list[str]]:
    """The Filters parameter as name -> values."""
    found: dict[str, list[str]] = {}
    for each in params.get("Filters") or []:
        name, values = each.get("Name"), each.get("Values")
        if not name:
            raise errors.Refusal("InvalidParameterValue", "The filter 'null' is invalid")
        if not values:
            raise errors.Refusal("InvalidParameterValue", f"The filter '{name}' has no values")
        if len(values) > VALUE_LIMIT:
            raise errors.Refusal("FilterLimitExceeded", f"The maximum number of filter values is {VALUE_LIMIT}")
        found[name] = [str(value) for value in values]
    return found


def apply(
    resources: Iterable[Any], filters: Mapping[str, Sequence[str]], getters: Mapping[str, Getter], tags: Tags
) -> list[Any]:
    """The resources that match every filter."""
    tests = [_test(name, values, getters, tags) for name, values in filters.items()]
    return [each for each in resources if all(test(each) for test in tests)]


def _test(name: str, values: Sequence[str], getters: Mapping[str, Getter], tags: Tags) -> Callable[[Any], bool]:
    patterns = [_pattern(value) for value in values]

    def matches(found: Any) -> bool:
        return any(pattern(text) for text in _texts(found) for pattern in patterns)

    if name.startswith("tag:"):
        key = name.removeprefix("tag:")
        return lambda resource: key in tags(resource) and matches(tags(resource)[key])
    if name == "tag-key":
        return lambda resource: matches(list(tags(resource)))
    if name == "tag-value":
        return lambda resource: matches(list(tags(resource).values()))
    getter = getters.get(name)
    if getter is None:
        raise errors.Refusal("InvalidParameterValue", f"The filter '{name}' is invalid")
    return lambda resource: matches(getter(resource))


@lru_cache(maxsize=4096)
def _pattern(value: str) -> Callable[[str], bool]:
    """A test for one value of a filter; `\\*` and `\\?` are the characters themselves."""
    if not re.search(r"[*?\\]", value):
        return value.__eq__
    kept = {"\\*": "\0", "\\?": "\1", "\\\\": "\2"}
    for mark, stand_in in kept.items():
        value = value.replace(mark, stand_in)
    text = fnmatch.translate(value.replace("[", "[[]"))
    for mark, stand_in in kept.items():
        text = text.replace(re.escape(stand_in), stand_in).replace(stand_in, re.escape(mark[1]))
    compiled = re.compile(text, re.DOTALL)
    return lambda candidate: compiled.match(candidate) is not None


def _texts(found: Any) -> list[str]:
    """A resource's value in the form that filters are written in."""
    if found is None:
        return []
    if isinstance(found, bool):
        return ["true" if found else "false"]
    if isinstance(found, datetime.datetime):
        return [found.strftime("%Y-%m-%dT%H:%M:%S.000Z")]
    if isinstance(found, list | tuple | set | frozenset):
        return [text for each in found for text in _texts(each)]
    return [str(found)]

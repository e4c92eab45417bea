"""Pages: MaxResults and NextToken as EC2 does them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from starcluster.localcloud.api import errors

Item = TypeVar("Item")

# Parameters that say which page is asked for and not what is asked for.
PAGE_PARAMETERS = frozenset({"MaxResults", "NextToken", "DryRun"})


def page(
    items: Sequence[Item],
    params: Mapping[str, Any],
    *,
    key: Callable[[Item], str],
    lowest: int = 5,
    highest: int = 1000,
    default: int | None = 1000,
) -> tuple[list[Item], str | None]:
    """One page of `items` and the token of the next one (None at the end).

    The token names the last item that was told, so that what appears or goes between two pages neither
    repeats nor hides another; it belongs to the same question only.
    """
    size = _size(params.get("MaxResults"), lowest, highest, default)
    start = _start(items, params, key)
    if size is None or start + size >= len(items):
        return list(items[start:]), None
    shown = list(items[start : start + size])
    return shown, _token(key(shown[-1]), start + size, _question(params))


def _size(asked: Any, lowest: int, highest: int, default: int | None) -> int | None:
    if asked is None:
        return default
    size = int(asked)
    if not lowest <= size <= highest:
        bound = f"greater than {lowest}" if size < lowest else f"less than {highest}"
        text = f"Value ( {size} ) for parameter maxResults is invalid. Expecting a value {bound}."
        raise errors.Refusal("InvalidParameterValue", text)
    return size


def _start(items: Sequence[Item], params: Mapping[str, Any], key: Callable[[Item], str]) -> int:
    token = params.get("NextToken")
    if not token:
        return 0
    last, index = _read(token, _question(params))
    for number, item in enumerate(items):
        if key(item) == last:
            return number + 1
    return min(index, len(items))


def _question(params: Mapping[str, Any]) -> str:
    asked = {name: value for name, value in params.items() if name not in PAGE_PARAMETERS}
    return hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()[:12]


def _token(last: str, index: int, question: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([last, index, question]).encode()).decode()


def _read(token: str, question: str) -> tuple[str, int]:
    try:
        last, index, asked = json.loads(base64.urlsafe_b64decode(token.encode()))
    except (ValueError, binascii.Error, TypeError):
        raise errors.Refusal("InvalidNextToken", "The specified NextToken is not valid.") from None
    if asked != question:
        text = "The specified NextToken belongs to a request with other parameters."
        raise errors.Refusal("InvalidNextToken", text)
    return str(last), int(index)

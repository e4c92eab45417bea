"""The shape of EC2's ids: an id that cannot be one is refused differently from one that is not there."""

from __future__ import annotations

import re

from starcluster.localcloud.api import errors

_SHAPES: dict[str, re.Pattern[str]] = {}


def check_id(kind: str, value: str, prefix: str) -> None:
    """Raise `kind`.Malformed unless `value` is `prefix` and 8 or 17 hexadecimal digits."""
    shape = _SHAPES.setdefault(prefix, re.compile(rf"^{prefix}-([0-9a-f]{{8}}|[0-9a-f]{{17}})$"))
    if not shape.match(value or ""):
        raise errors.malformed(kind, value)

"""The verbs on images that lay in S3: what is said of each, and why."""

from __future__ import annotations

from starcluster import exception

_WHY = "images that lie in S3 (instance-store) can not be started on any instance type of today"


def refuse(instead: str) -> exception.BaseException:
    return exception.InvalidOperation(_WHY, hint=instead)

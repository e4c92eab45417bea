"""Python 2's inspect: getargspec()."""

from __future__ import annotations

import inspect as _today
from collections import namedtuple
from inspect import *  # noqa: F403
from typing import Any

ArgSpec = namedtuple("ArgSpec", "args varargs keywords defaults")


def getargspec(func: Any) -> ArgSpec:
    found = _today.getfullargspec(func)
    return ArgSpec(found.args, found.varargs, found.varkw, found.defaults)

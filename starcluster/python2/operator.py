"""Python 2's operator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import *  # noqa: F403
from operator import contains as sequenceIncludes  # noqa: F401
from typing import Any

from starcluster.python2 import divide as div  # noqa: F401

isCallable = callable


def isMappingType(value: Any) -> bool:
    return isinstance(value, Mapping)


def isNumberType(value: Any) -> bool:
    return isinstance(value, int | float | complex)


def isSequenceType(value: Any) -> bool:
    return isinstance(value, Sequence)

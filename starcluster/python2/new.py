"""Python 2's new: kinds that make what they are the kind of."""

from __future__ import annotations

from types import CodeType as code
from types import FunctionType as function
from types import ModuleType as module
from typing import Any

from starcluster.python2.types import MethodType as instancemethod

__all__ = ["classobj", "code", "function", "instance", "instancemethod", "module"]
classobj = type


def instance(kind: type, values: dict[str, Any] | None = None) -> Any:
    made: Any = object.__new__(kind)
    vars(made).update(values or {})
    return made

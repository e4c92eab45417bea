"""Python 2's types: names of the kinds of values."""

from __future__ import annotations

import types as _today
from types import *  # noqa: F403
from typing import Any

BooleanType, ComplexType, FloatType, IntType, LongType = bool, complex, float, int, int
DictType = DictionaryType = dict
ListType, TupleType, ObjectType, SliceType, TypeType, ClassType = list, tuple, object, slice, type, type
StringType = UnicodeType = str
StringTypes = (str,)
NoneType = type(None)
XRangeType = range
InstanceType = object


class _Method(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, _today.MethodType)


class MethodType(metaclass=_Method):
    """The kind of bound methods; a third argument, the class, counts for nothing."""

    def __new__(cls, function: Any, instance: Any, _class: Any = None) -> Any:
        return _today.MethodType(function, instance)


UnboundMethodType = _today.FunctionType

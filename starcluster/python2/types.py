"""Python 2's types: names of the kinds of values."""

from __future__ import annotations

from types import *  # noqa: F403

BooleanType, ComplexType, FloatType, IntType, LongType = bool, complex, float, int, int
DictType = DictionaryType = dict
ListType, TupleType, ObjectType, SliceType, TypeType, ClassType = list, tuple, object, slice, type, type
StringType = UnicodeType = str
StringTypes = (str,)
NoneType = type(None)
XRangeType = range
InstanceType = object

"""Python 2's built-in functions on Python 3, for plugins that were written for Python 2.

Plugins that are converted when they are loaded find them as their builtins; those that `starcluster plugin port` has
written import the few that they use. The modules beside this one are Python 2's library where today's takes or gives
bytes, or has lost a name. Text is str everywhere, as Python 2's plain strings were.
"""

from __future__ import annotations

import codecs
import functools
import importlib
import io
import itertools
import sys
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

_filter, _open, _sorted, _zip = filter, open, sorted, zip
_BYTE_CODECS = frozenset("hex hex_codec base64 base64_codec zlib zip bz2 quopri uu".split())

StandardError = Exception
long = int
unichr = chr
xrange = range
raw_input = input
intern = sys.intern
reduce = functools.reduce


# --- numbers


class py2_divisor:
    """What stands right of a `/`: whole numbers divide to whole numbers, everything else as it ever did."""

    __array_ufunc__ = None  # numpy leaves the division to us

    def __init__(self, value: Any) -> None:
        self.value = value

    def __rtruediv__(self, left: Any) -> Any:
        return divide(left, self.value)


def divide(left: Any, right: Any) -> Any:
    """left / right by Python 2's rule."""
    if isinstance(left, int | timedelta) and isinstance(right, int):
        return left // right
    for value, other, name in ((left, right, "__div__"), (right, left, "__rdiv__")):
        method = getattr(type(value), name, None)
        result = method(value, other) if method else NotImplemented
        if result is not NotImplemented:
            return result
    return left / right


def round(number: Any, ndigits: int = 0) -> float:  # noqa: A001
    """A float, halves away from zero."""
    scale = 10.0**ndigits
    scaled = abs(float(number)) * scale
    whole = float(int(scaled + 0.5)) if scaled < 2**52 else scaled
    return (whole if number >= 0 else -whole) / scale


def oct(number: int) -> str:  # noqa: A001
    """`0755`, where today's has `0o755`."""
    digits = f"{abs(number):o}"
    return ("-" if number < 0 else "") + (digits if digits == "0" else "0" + digits)


def cmp(left: Any, right: Any) -> int:
    return int(left > right) - int(left < right)


# --- lists


def filter(function: Callable[[Any], Any] | None, values: Any) -> Any:  # noqa: A001
    """A list; of a string a string, of a tuple a tuple."""
    kept = list(_filter(function, values))
    if isinstance(values, str):
        return "".join(kept)
    return tuple(kept) if isinstance(values, tuple) else kept


def map(function: Callable[..., Any] | None, *rows: Iterable[Any]) -> list[Any]:  # noqa: A001
    """A list; shorter rows are filled with None, and without a function it gives the columns."""
    if not rows:
        raise TypeError("map() requires at least two args")
    if len(rows) == 1:
        return list(rows[0]) if function is None else [function(value) for value in rows[0]]
    columns = list(itertools.zip_longest(*rows))
    return columns if function is None else [function(*column) for column in columns]


def zip(*rows: Iterable[Any]) -> list[tuple[Any, ...]]:  # noqa: A001
    return list(_zip(*rows, strict=False))


def range(*words: int) -> list[int]:  # noqa: A001
    return list(xrange(*words))


def sorted(values: Iterable[Any], *words: Any, **named: Any) -> list[Any]:  # noqa: A001
    """With `cmp`, `key`, `reverse` in this order."""
    return _sorted(values, **py2_sort(*words, **named))


def py2_sort(
    cmp: Callable[[Any, Any], int] | None = None,
    key: Callable[[Any], Any] | None = None,
    reverse: bool = False,
) -> dict[str, Any]:
    """The words of Python 2's list.sort() as today's."""
    if cmp is None:
        return {"key": key, "reverse": reverse}
    compare = functools.cmp_to_key(cmp)
    return {"key": (lambda value: compare(key(value))) if key else compare, "reverse": reverse}


def apply(function: Callable[..., Any], words: Any = (), named: Any = None) -> Any:
    return function(*words, **(named or {}))


# --- text


class _AnyText(type):
    """isinstance(x, basestring) and isinstance(x, unicode) for every str."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, str)

    def __subclasscheck__(cls, kind: type) -> bool:
        return isinstance(kind, type) and (kind is cls or str in kind.__mro__)


class basestring(metaclass=_AnyText):
    """The kind of all strings."""


class unicode(metaclass=_AnyText):
    """The kind of all strings; unicode(x) and unicode(x, encoding) make one."""

    def __new__(cls, value: Any = "", encoding: str = "utf-8", errors: str = "strict") -> str:
        if isinstance(value, bytes | bytearray):
            return bytes(value).decode(encoding, errors)
        special = getattr(type(value), "__unicode__", None)
        return special(value) if special else str(value)


def py2_decode(value: Any, *words: Any, **named: Any) -> Any:
    """value.decode(): text is text already, but for codecs such as hex; json's decoders are asked as they were."""
    return _decode(value, *words, **named) if isinstance(value, str) else value.decode(*words, **named)


def _decode(value: str, encoding: str = "utf-8", errors: str = "strict") -> str:
    if encoding.lower().replace("-", "_") in _BYTE_CODECS:
        return to_text(_recode(codecs.decode, value, encoding))
    return str(codecs.decode(value, "rot13")) if encoding.lower() in ("rot13", "rot_13") else _escaped(value, encoding)


def _recode(function: Any, value: str, encoding: str) -> bytes:
    """By a codec from bytes to bytes."""
    result: bytes = function(to_bytes(value), encoding)
    return result


def _escaped(value: str, encoding: str) -> str:
    if encoding.lower().replace("-", "_") in ("string_escape", "unicode_escape"):
        return value.encode("latin-1", "backslashreplace").decode("unicode_escape")
    return value


def py2_encode(value: Any, *words: Any, **named: Any) -> Any:
    """value.encode(): text stays text, but for codecs such as hex and characters that the encoding has not."""
    return _encode(value, *words, **named) if isinstance(value, str) else value.encode(*words, **named)


def _encode(value: str, encoding: str = "utf-8", errors: str = "strict") -> str:
    name = encoding.lower().replace("-", "_")
    if name in _BYTE_CODECS:
        return to_text(_recode(codecs.encode, value, encoding))
    if name in ("rot13", "rot_13"):
        return codecs.encode(value, "rot13")
    if name in ("string_escape", "unicode_escape"):
        return value.encode("unicode_escape").decode("ascii")
    return value.encode(encoding, errors).decode(encoding)


def py2_setdefaultencoding(*_: Any) -> None:
    """sys.setdefaultencoding() has nothing to do any more."""


def to_bytes(value: Any) -> Any:
    """What a function of bytes is given where Python 2 gave it a string."""
    return value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value


def to_text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")


# --- files and modules


def open(name: Any, mode: str = "r", buffering: int = -1) -> Any:  # noqa: A001
    """Text of any bytes: what is read can be written again as it was; `b` gives bytes."""
    mode = mode.replace("U", "") or "r"
    if "b" in mode:
        return _open(name, mode, buffering)
    mode = mode if mode[0] in "rwax" else "r" + mode
    return _open(name, mode, 1 if buffering == 0 else buffering, encoding="utf-8", errors="surrogateescape", newline="")


class _AnyFile(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, io.IOBase)


class file(metaclass=_AnyFile):
    """The kind of all open files; file(name, mode) opens one."""

    def __new__(cls, name: Any, mode: str = "r", buffering: int = -1) -> Any:
        return open(name, mode, buffering)


def input(prompt: str = "") -> Any:  # noqa: A001
    """Evaluates what is typed, as Python 2 did."""
    return eval(raw_input(prompt))


def execfile(name: str, into: dict[str, Any] | None = None, local: dict[str, Any] | None = None) -> None:
    """Runs a file of Python 3 in the caller's names, or in those given."""
    frame = sys._getframe(1)
    names = frame.f_globals if into is None else into
    with _open(name, encoding="utf-8") as source:
        code = compile(source.read(), name, "exec")
    exec(code, names, names if local is None else local)


def reload(module: Any) -> Any:
    """sys is as it is: plugins reloaded it for setdefaultencoding only."""
    return module if module is sys else importlib.reload(module)


NAMES = (
    "StandardError apply basestring cmp execfile file filter input intern long map oct open py2_decode py2_divisor"
    " py2_encode py2_setdefaultencoding py2_sort range raw_input reduce reload round sorted unichr unicode xrange zip"
).split()
BUILTINS: dict[str, Any] = {name: globals()[name] for name in NAMES}
__all__ = [*NAMES]

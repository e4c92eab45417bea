"""Python 2's built-in functions on Python 3, for plugins that were written for Python 2.

Plugins that are converted when they are loaded find them as their builtins; those that `starcluster plugin port` has
written import the few that they use. The modules beside this one are Python 2's library where today's takes or gives
bytes, or has lost a name. Text is str everywhere, as Python 2's plain strings were.
"""

from __future__ import annotations

import builtins
import codecs
import functools
import importlib
import io
import itertools
import sys
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

from starcluster.python2.ordering import cmp, max, min, py2_ordered, py2_sort, py2_sort_list, sorted  # noqa: A004, F401

_bytes, _compile, _eval, _exec = bytes, compile, eval, exec
_filter, _map, _open, _zip = filter, map, open, zip
_OF_A_FUNCTION = 1  # inspect.CO_OPTIMIZED: its variables have places of their own
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


def coerce(left: Any, right: Any) -> tuple[Any, Any]:
    kind = type(left + right)
    return kind(left), kind(right)


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


def apply(function: Callable[..., Any], words: Any = (), named: Any = None) -> Any:
    return function(*words, **(named or {}))


# --- text


class _AnyText(type):
    """isinstance(x, basestring), isinstance(x, unicode) and type(x) == unicode for every str."""

    def __eq__(cls, other: object) -> bool:
        return other is cls or other is str

    def __hash__(cls) -> int:
        return hash(str)

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, str)

    def __subclasscheck__(cls, kind: type) -> bool:
        return isinstance(kind, type) and (kind is cls or str in kind.__mro__)


class basestring(metaclass=_AnyText):
    """The kind of all strings."""


class unicode(metaclass=_AnyText):
    """The kind of all strings; unicode(x) and unicode(x, encoding) make one."""

    def __new__(cls, value: Any = "", encoding: str = "utf-8", errors: str = "strict") -> str:
        if isinstance(value, _bytes | bytearray):
            return _bytes(value).decode(encoding, errors)
        special = getattr(type(value), "__unicode__", None)
        return special(value) if special else str(value)


class bytes(metaclass=_AnyText):  # noqa: A001
    """The kind of all strings, as str; bytes(x) makes one."""

    def __new__(cls, value: Any = "") -> str:
        return to_text(_bytes(value)) if isinstance(value, _bytes | bytearray) else str(value)


buffer = bytes


def py2_decode(value: Any, *words: Any, **named: Any) -> Any:
    """value.decode(): text is text already, but for codecs such as hex; json's decoders are asked as they were."""
    return _decode(value, *words, **named) if isinstance(value, str) else value.decode(*words, **named)


def _decode(value: str, encoding: str = "utf-8", errors: str = "strict") -> str:
    if encoding.lower().replace("-", "_") in _BYTE_CODECS:
        return to_text(_recode(codecs.decode, value, encoding))
    return str(codecs.decode(value, "rot13")) if encoding.lower() in ("rot13", "rot_13") else _escaped(value, encoding)


def _recode(function: Any, value: str, encoding: str) -> builtins.bytes:
    """By a codec from bytes to bytes."""
    result: builtins.bytes = function(to_bytes(value), encoding)
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


def to_text(value: builtins.bytes) -> str:
    return value.decode("utf-8", "surrogateescape")


# --- methods that ended


def py2_translate(value: Any, *words: Any) -> Any:
    """text.translate(table, letters to leave out)"""
    if not isinstance(value, str) or not 1 <= len(words) <= 2:
        return value.translate(*words)
    table, *out = words
    kept = value.translate(dict.fromkeys(_map(ord, out[0]))) if out else value
    return kept if table is None else kept.translate(table)


def py2_isAlive(value: Any) -> Any:
    return value.isAlive() if hasattr(value, "isAlive") else value.is_alive()


def py2_getchildren(value: Any) -> Any:
    return value.getchildren() if hasattr(value, "getchildren") else list(value)


def py2_getiterator(value: Any, *words: Any, **named: Any) -> Any:
    return value.getiterator(*words, **named) if hasattr(value, "getiterator") else list(value.iter(*words, **named))


def py2_getheader(value: Any, *words: Any, **named: Any) -> Any:
    return value.getheader(*words, **named) if hasattr(value, "getheader") else value.get(*words, **named)


def py2_tostring(value: Any, *words: Any, **named: Any) -> Any:
    """Of xml.etree and of arrays."""
    made = value.tostring(*words, **named) if hasattr(value, "tostring") else value.tobytes()
    return to_text(made) if isinstance(made, _bytes) else made


def py2_exc_clear(_: Any) -> None:
    """sys.exc_clear() has nothing to do any more."""


# --- print


def py2_print(*values: Any, end: str = "\n", file: Any = None) -> None:
    """`print >>file, a, b`, with `end` = " " for a comma behind it: the blank is written by the next print."""
    out: Any = sys.stdout if file is None else file
    soft = bool(getattr(out, "softspace", 0))
    for value in values:
        text = str(value)
        out.write(" " + text if soft else text)
        soft = not (isinstance(value, str) and text and text[-1].isspace() and text[-1] != " ")
    if end == "\n":
        out.write(end)
    try:
        out.softspace = int(soft and end == " ")
    except AttributeError:  # it takes no such note: then as good as can be
        out.write(" " if soft and end == " " else "")


# --- errors


def py2_message(error: Any) -> Any:
    """error.message"""
    if hasattr(error, "message") or not isinstance(error, BaseException):
        return error.message
    return error.args[0] if len(error.args) == 1 else ""


def py2_members(error: Any) -> Any:
    """What error[0] looks into."""
    return error.args if isinstance(error, BaseException) and not hasattr(error, "__getitem__") else error


def py2_raised(kind: Any, value: Any = None, trace: Any = None) -> BaseException:
    """The error of `raise kind, value, trace`."""
    error = kind if isinstance(kind, BaseException) else _error(kind, value)
    return error.with_traceback(trace) if trace is not None else error


def _error(kind: Any, value: Any) -> BaseException:
    if isinstance(value, kind):
        return value  # type: ignore[no-any-return]
    made: BaseException = kind() if value is None else kind(*value) if isinstance(value, tuple) else kind(value)
    return made


# --- files and modules


def open(name: Any, mode: str = "r", buffering: int = -1) -> Any:  # noqa: A001
    """Text of any bytes, with `b` too: what is read can be written again as it was."""
    mode = mode.replace("U", "").replace("b", "") or "r"
    mode = mode if mode[0] in "rwax" else "r" + mode
    return _open(name, mode, 1 if buffering == 0 else buffering, encoding="utf-8", errors="surrogateescape", newline="")


class _AnyFile(type):
    def __eq__(cls, other: object) -> bool:
        return other is cls or (isinstance(other, type) and issubclass(other, io.IOBase))

    def __hash__(cls) -> int:
        return hash(io.IOBase)

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, io.IOBase)


class file(metaclass=_AnyFile):
    """The kind of all open files; file(name, mode) opens one."""

    def __new__(cls, name: Any, mode: str = "r", buffering: int = -1) -> Any:
        return open(name, mode, buffering)


def input(prompt: str = "") -> Any:  # noqa: A001
    """Evaluates what is typed, as Python 2 did."""
    return _eval(raw_input(prompt))


def execfile(name: str, into: dict[str, Any] | None = None, local: Any = None) -> None:
    """Runs a file in the caller's names, or in those given."""
    from starcluster.python2.strings import run_file

    frame = sys._getframe(1)
    names = frame.f_globals if into is None else into
    inner = frame.f_locals if into is None else names
    run_file(name, names, inner if local is None else local)


def exec(code: Any, into: dict[str, Any] | None = None, local: Any = None) -> None:  # noqa: A001
    """Runs Python 2 in the caller's names, or in those given."""
    frame = sys._getframe(1)
    _in_names(_exec, code, "exec", frame, into, local)
    if into is None and local is None:
        _take_over(frame)


def _take_over(frame: Any) -> None:
    """The variables of a function become what its f_locals say; since Python 3.13 they are that already."""
    if sys.version_info < (3, 13) and frame.f_code.co_flags & _OF_A_FUNCTION:
        import ctypes

        ctypes.pythonapi.PyFrame_LocalsToFast(ctypes.py_object(frame), ctypes.c_int(0))


def eval(code: Any, into: dict[str, Any] | None = None, local: Any = None) -> Any:  # noqa: A001
    """The value of an expression of Python 2."""
    return _in_names(_eval, code, "eval", sys._getframe(1), into, local)


def _in_names(function: Any, code: Any, mode: str, frame: Any, into: dict[str, Any] | None, local: Any) -> Any:
    from starcluster.python2.strings import code_of, furnished

    if hasattr(code, "read"):
        code = code.read()
    if isinstance(code, str):
        code = code_of(code, "<string>", mode)
    if into is None:
        return function(code, furnished(frame.f_globals), frame.f_locals if local is None else local)
    return function(code, furnished(into), into if local is None else local)


def compile(source: Any, filename: str, mode: str, *words: Any, **named: Any) -> Any:  # noqa: A001
    """Of Python 2."""
    from starcluster.python2.strings import code_of

    if words or named or not isinstance(source, str):
        return _compile(source, filename, mode, *words, **named)
    return code_of(source, filename, mode)


def reload(module: Any) -> Any:
    """sys is as it is: plugins reloaded it for setdefaultencoding only."""
    return module if module is sys else importlib.reload(module)


NAMES = (
    "StandardError apply basestring buffer bytes cmp coerce compile eval exec execfile file filter input intern long"
    " map max min oct open py2_decode py2_divisor py2_encode py2_exc_clear py2_getchildren py2_getheader"
    " py2_getiterator py2_isAlive py2_members py2_message py2_ordered py2_print py2_raised py2_setdefaultencoding"
    " py2_sort py2_sort_list py2_tostring py2_translate range raw_input reduce reload round sorted unichr unicode"
    " xrange zip"
).split()
BUILTINS: dict[str, Any] = {name: globals()[name] for name in NAMES}
__all__ = [*NAMES]

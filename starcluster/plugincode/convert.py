"""Python 2 source to Python 3 source: by fissix's fixers, then by passes.py and the files that it stands beside.

What the fixers can not say in source is in starcluster/python2: Python 2's own map, range, open and so on. A converted
file runs with these as its builtins; a ported one imports them.
"""

from __future__ import annotations

import functools
import importlib
import threading
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starcluster import exception
from starcluster.plugincode import bygone, passes
from starcluster.plugincode.executing import with_declarations
from starcluster.plugincode.ordering import with_ordering
from starcluster.plugincode.outliving import with_outliving
from starcluster.plugincode.source import bare, expand_indents

if TYPE_CHECKING:
    from fissix.pytree import Base
    from fissix.refactor import RefactoringTool

VERSION = "8"  # of the conversion: another one makes cached conversions worthless
_FIXERS = (
    "asserts dict except exec exitfunc funcattrs getcwdu has_key metaclass methodattrs ne"
    " next nonzero numliterals operator paren print renames repr throw tuple_params xreadlines"
).split()
_OURS = (
    "ConfigParser base64 binascii cPickle cgi commands exceptions gzip hashlib hmac httplib imp md5 new pickle pipes"
    " popen2 sets sha string subprocess tempfile types urllib urllib2 zlib"
).split()
_MOVED = {
    "UserDict": "collections",
    "anydbm": "dbm",
    "whichdb": "dbm",
    "email.Encoders": "email.encoders",
    "email.MIMEBase": "email.mime.base",
    "email.MIMEImage": "email.mime.image",
    "email.MIMEMultipart": "email.mime.multipart",
    "email.MIMEText": "email.mime.text",
    "email.Utils": "email.utils",
    "xml.etree.cElementTree": "xml.etree.ElementTree",
}
_LOCK = threading.Lock()
_SHOWN = 80  # letters of a line that is wrong


@dataclass(frozen=True, kw_only=True)
class Converted:
    """Python 3 source; `lines[n]` is the line of the original that line n + 1 of it comes from."""

    text: str
    lines: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Neighbours:
    """Modules in the file's own folder; in a package, Python 2 looked there first."""

    names: frozenset[str] = frozenset()
    package: bool = False


def convert(text: str, file: str, neighbours: Neighbours | None = None) -> Converted:
    """PluginSyntaxError names the line at which Python 2 would have stopped."""
    around = neighbours or Neighbours()
    with _LOCK:
        tree = _refactored(_tool(), expand_indents(text) + "\n", file)
    siblings = around.names if around.package else frozenset()
    passes.all_of(tree, modules=_modules(around.names, bygone.modules(bare(text))), siblings=siblings)
    lines = tuple(_lines_of(tree))
    result = with_declarations(with_ordering(with_outliving(str(tree))))
    return Converted(text=result[:-1] if result.endswith("\n") else result, lines=lines)


def _refactored(tool: RefactoringTool, text: str, file: str) -> Any:
    from fissix.pgen2 import token
    from fissix.pgen2.parse import ParseError
    from fissix.pgen2.tokenize import TokenError

    try:
        return tool.refactor_string(text, file)
    except ParseError as error:
        line, found = min(error.context[1][0], max(text.count("\n") - 1, 1)), (error.value or "").strip()
        why = f"{found!r} is not expected there" if found else "something is missing"
        why = "it is indented, and nothing begins a block there" if error.type == token.INDENT else why
        raise _refuse(file, text, line, why) from error
    except TokenError as error:
        line = min(error.args[1][0], max(text.count("\n") - 1, 1))
        raise _refuse(file, text, line, str(error.args[0])) from error
    except IndentationError as error:
        raise _refuse(file, text, error.lineno or 1, str(error.msg)) from error
    except RecursionError as error:
        raise _refuse(file, text, 1, "it is nested too deeply") from error


def _refuse(file: str, text: str, line: int, why: str) -> exception.PluginSyntaxError:
    """The line itself is shown too, as far as there is one."""
    source = "".join(text.split("\n")[line - 1 : line]).strip()
    return exception.PluginSyntaxError(
        f"{file} line {line} is not valid Python 2: {why}{f': {source[:_SHOWN]}' if source else ''}",
        hint="if it is meant for Python 3, write `# python3` into its first line to see what is wrong with it",
    )


@functools.cache
def _tool() -> RefactoringTool:
    _make_grammar_in_memory()
    from fissix.refactor import RefactoringTool

    class Tool(RefactoringTool):  # type: ignore[misc]
        def get_fixers(self) -> tuple[list[Any], list[Any]]:
            fixers = sorted(_fixers(self), key=lambda one: one.run_order)
            return [one for one in fixers if one.order == "pre"], [one for one in fixers if one.order == "post"]

        def log_error(self, msg: str, *args: Any, **kwds: Any) -> None:
            raise  # the parser's own error, with its line

        def log_message(self, msg: str, *args: Any) -> None:
            """Hints of the fixers are no lines for users."""

        log_debug = log_message

    return Tool([])


def _make_grammar_in_memory() -> None:
    """Without the pickle that fissix keeps in the user's cache folder and would load again."""
    import fissix  # noqa: F401  patches the driver when it is imported
    from fissix.pgen2 import driver, pgen

    driver.load_grammar = lambda path, *args, **kwargs: pgen.generate_grammar(path)


def _fixers(tool: RefactoringTool) -> Iterable[Any]:
    for name in _FIXERS:
        module = importlib.import_module(f"fissix.fixes.fix_{name}")
        yield getattr(module, "Fix" + "".join(part.title() for part in name.split("_")))(tool.options, tool.fixer_log)


def _modules(siblings: Collection[str], bygone: Collection[str]) -> dict[str, str]:
    """Python 2's modules that have another name now, functions that took and gave text, or some that ended."""
    from fissix.fixes.fix_imports import MAPPING

    every = {**MAPPING, **_MOVED, **{name: f"starcluster.python2.{name}" for name in (*_OURS, *bygone)}}
    return {name: new for name, new in every.items() if name not in siblings}


def _lines_of(tree: Base) -> list[int]:
    """For each line of the result its line in the original: that of the first leaf on it which has one."""
    found: dict[int, int] = {}
    line = 1
    for leaf in tree.leaves():
        line += leaf.prefix.count("\n")
        rows = leaf.value.count("\n")
        if leaf.lineno:
            for row in range(rows + 1 if leaf.value.strip() else 1):
                found.setdefault(line + row, leaf.lineno + row)
        line += rows
    lines, last = [], 1
    for number in range(1, line + 1):
        last = found.get(number, last)
        lines.append(last)
    return lines

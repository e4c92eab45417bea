"""Imports from the user's own plugin folders: Python 2 files are converted as they are loaded.

Own folders are STARCLUSTER_HOME/plugins and those of PYTHONPATH that are neither this program's nor an installation's.
Everything else is imported as ever, and so is a Python 3 file in an own folder.
"""

from __future__ import annotations

import ast
import builtins
import functools
import importlib
import os
import re
import sys
import sysconfig
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from starcluster import exception, python2
from starcluster.logger import log
from starcluster.ownfolder import home
from starcluster.plugincode import boto2, cache, forks
from starcluster.plugincode.convert import VERSION, Converted, Neighbours, convert
from starcluster.plugincode.language import Language, Verdict, decide
from starcluster.plugincode.source import read

_importer: ContextVar[Language | None] = ContextVar("importer", default=None)
_fresh: set[str] = set()  # files whose conversion was not yet kept
_more: list[str] = []


def plugins_folder() -> Path:
    return home() / "plugins"


def own_folders() -> list[str]:
    """The plugin folder first, as on Python's path."""
    ours = Path(__file__).resolve().parents[2]
    words = os.environ.get("PYTHONPATH", "")
    # as Python's path has them: an empty one is where we are, and `plugins/` has no slash there
    named = [os.path.abspath(path) for path in words.split(os.pathsep)] if words else []
    known = {*_installations(), ours}
    return [
        *_more,
        str(plugins_folder()),
        *(path for path in named if not {Path(path).resolve(), *Path(path).resolve().parents} & known),
    ]


@functools.cache
def _installations() -> frozenset[Path]:
    """sysconfig imports a module when it is first asked, so that is to be done before imports go through here."""
    return frozenset(Path(path).resolve() for path in sysconfig.get_paths().values())


def own_folder(folder: Path) -> None:
    """Take one more folder as the user's own, before all others: that of a file which is named."""
    _more[:] = [str(folder), *(one for one in _more if one != str(folder))]
    if str(folder) in sys.path:
        sys.path.remove(str(folder))
    prepare()
    sys.path.insert(0, str(folder))


def prepare() -> None:
    """The plugin folder comes first on Python's path, and imports from own folders go through here."""
    folder = str(plugins_folder())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    _installations()
    if not any(isinstance(finder, Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, Finder())
    importlib.invalidate_caches()


class Finder:
    """Finds Python 2 files in own folders; leaves all others to Python."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name.partition(".")[0] == "starcluster":
            lent = forks.find(name, path, plugins_folder())
            return lent and _spec(name, lent)
        if name in sys.builtin_module_names:
            return None
        folders = own_folders()
        spec = PathFinder.find_spec(name, path if path is not None else [one for one in folders if one in sys.path])
        if spec is None or not spec.origin or type(spec.loader) is not SourceFileLoader:
            return None
        if path is not None and not _is_own(spec.origin, folders):
            return None
        return _spec(name, spec)


def _is_own(file: str, folders: Sequence[str]) -> bool:
    """In one of the user's folders, and not of an installation that lies in it, such as ~/.venv."""
    below = any(is_below(file, folder) for folder in folders)
    return below and not any(is_below(os.path.realpath(file), str(folder)) for folder in _installations())


def is_below(file: str, folder: str) -> bool:
    return os.path.commonpath([os.path.abspath(folder), os.path.abspath(file)]) == os.path.abspath(folder)


def _spec(name: str, spec: ModuleSpec) -> ModuleSpec | None:
    file = str(spec.origin)
    loader: SourceFileLoader
    if language_of(file, importer=_importer.get()).language is Language.PYTHON2:
        loader = Python2Loader(name, file)
    else:
        loader = Python3Loader(name, file)
    return spec_from_file_location(
        name, file, loader=loader, submodule_search_locations=spec.submodule_search_locations
    )


def language_of(file: str, *, importer: Language | None = None) -> Verdict:
    text = read(Path(file).read_bytes(), file)
    return decide(text, importer=importer, siblings=only_in_package(Path(file)))


def only_in_package(file: Path) -> frozenset[str]:
    """The neighbours that no folder of Python's path holds: their bare names mean them, as in Python 2."""
    around = neighbours(file)
    if not around.package:
        return frozenset()
    known = {*sys.builtin_module_names, *sys.stdlib_module_names}
    return frozenset(name for name in around.names - known if PathFinder.find_spec(name) is None)


class Python3Loader(SourceFileLoader):
    """A file as it is; what it imports is not asked for by a Python 2 file."""

    def exec_module(self, module: ModuleType) -> None:
        with _imported_by(Language.PYTHON3):
            super().exec_module(module)


class Python2Loader(SourceFileLoader):
    """A file that is converted, and has Python 2's functions as builtins."""

    def get_code(self, fullname: str) -> CodeType:
        text = read(Path(self.path).read_bytes(), self.path)
        return compile_converted(converted(text, self.path), self.path)

    def exec_module(self, module: ModuleType) -> None:
        code = self.get_code(module.__name__)
        _tell_if_fresh(self.path)
        module.__dict__["__builtins__"] = _builtins()
        exec(code, module.__dict__)


def _builtins() -> dict[str, Any]:
    return {**vars(builtins), **python2.BUILTINS, "__import__": _import}


def program_code(text: str, file: str, space: dict[str, Any]) -> CodeType:
    """The code of a program that is to run with these names, to which Python 2's builtins come if it is in that.

    SyntaxError, as Python 3 tells it, for what neither of them knows.
    """
    told: SyntaxError | None = None
    try:
        code = compile(text, file, "exec", dont_inherit=True)
        if decide(text).language is Language.PYTHON3:
            return code
    except SyntaxError as error:
        told = error
    try:
        old = compile_converted(convert(text, file), file)
    except exception.PluginError as error:
        raise told or error from None
    space["__builtins__"] = _builtins()
    return old


def _import(
    name: str,
    globals: Any = None,  # noqa: A002  the names of __import__
    locals: Any = None,  # noqa: A002
    fromlist: Sequence[str] = (),
    level: int = 0,
) -> ModuleType:
    if not level and boto2.is_absent(name):
        return boto2.imported(name, names=bool(fromlist))
    with _imported_by(Language.PYTHON2):
        return builtins.__import__(name, globals, locals, fromlist, level)


@contextmanager
def _imported_by(language: Language) -> Iterator[None]:
    token = _importer.set(language)
    try:
        yield
    finally:
        _importer.reset(token)


def converted(text: str, file: str) -> Converted:
    """From the cache if it is there."""
    around = neighbours(Path(file))
    named = around.names & {*re.findall(r"\w+", text)}  # one more plugin in the folder is no reason to convert all anew
    name = cache.key(VERSION, sys.version, text, str(around.package), *sorted(named))
    found = cache.look_up(name)
    if found is None:
        found = convert(text, file, around)
        cache.keep(name, found)
        if text.strip():
            _fresh.add(file)
    return found


def neighbours(file: Path) -> Neighbours:
    """The modules and packages in its folder."""
    names = {one.stem for one in file.parent.glob("*.py")}
    names |= {one.parent.name for one in file.parent.glob("*/__init__.py")}
    package = "__init__" in names
    return Neighbours(names=frozenset(names - {"__init__"}), package=package)


def compile_converted(source: Converted, file: str) -> CodeType:
    """Code whose lines are those of the user's file; PluginSyntaxError where Python 3 can not take it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            tree = ast.parse(source.text, file)
        except (SyntaxError, ValueError, RecursionError) as error:
            line = getattr(error, "lineno", None) or 1
            raise _refuse(file, source.lines[min(line, len(source.lines)) - 1], error) from error
        for node in ast.walk(tree):
            _place(node, source.lines)
        try:
            return compile(tree, file, "exec", dont_inherit=True)
        except (SyntaxError, ValueError, RecursionError) as error:
            raise _refuse(file, getattr(error, "lineno", None) or 1, error) from error


def _refuse(file: str, line: int, error: Exception) -> exception.PluginSyntaxError:
    return exception.PluginSyntaxError(
        f"{file} line {line} is Python 2 that can not be converted: {getattr(error, 'msg', None) or error}",
        hint="write that line in a way that Python 2 and Python 3 both know",
    )


def _place(node: Any, lines: Sequence[int]) -> None:
    """Columns are dropped: they would point into the converted text."""
    if hasattr(node, "lineno"):
        node.lineno = lines[node.lineno - 1]
        node.end_lineno = max(lines[(node.end_lineno or 1) - 1], node.lineno)
        node.col_offset = node.end_col_offset = -1


def _tell_if_fresh(file: str) -> None:
    """Once for each version of a file: the kept conversion says that it has been told."""
    if file in _fresh:
        _fresh.discard(file)
        log.info("%s is Python 2 and was converted; `starcluster plugin port` keeps the result", file)


def converted_files() -> list[str]:
    """The Python 2 files that this run has imported."""
    loaders = [getattr(module.__spec__, "loader", None) for module in list(sys.modules.values()) if _has_spec(module)]
    return sorted({one.path for one in loaders if isinstance(one, Python2Loader)})


def _has_spec(module: ModuleType | None) -> bool:
    return getattr(module, "__spec__", None) is not None

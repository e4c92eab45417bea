"""Keeping what the conversion makes of a Python 2 plugin: the text of the ported file, and the old one beside it."""

from __future__ import annotations

import ast
import hashlib
import re
import symtable
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from starcluster import exception, python2, wholefile
from starcluster.plugincode.convert import VERSION, Neighbours, convert
from starcluster.plugincode.importing import compile_converted, neighbours, only_in_package
from starcluster.plugincode.language import STAMP, Language, Verdict, decide
from starcluster.plugincode.source import read

_CODING = re.compile(r"^[ \t\f]*#.*?coding[:=][ \t]*[-\w.]+.*$")
_SAYS_2 = re.compile(r"^#[ \t]*python[ \t]?2[ \t]*$", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Port:
    """A file as it is and as it would be; `text` is "" where there is nothing to do.

    `undecided`: files that it imports, and that are Python 2 only because a Python 2 file imports them.
    """

    path: Path
    original: bytes
    verdict: Verdict
    text: str = ""
    undecided: tuple[Path, ...] = ()


def look(path: Path) -> Port:
    """Read and convert; PluginError where the file can not be read or converted."""
    try:
        path = path.resolve(strict=True)
        original = path.read_bytes()
    except OSError as error:
        raise exception.PluginError(
            f"{path} can not be read: {error.strerror}", hint="`starcluster plugin list` shows the files of yours"
        ) from error
    text = read(original, str(path))
    verdict = decide(text, siblings=only_in_package(path))
    if verdict.language is Language.PYTHON3:
        return Port(path=path, original=original, verdict=verdict)
    new = ported(text, original, str(path), neighbours(path))
    return Port(path=path, original=original, verdict=verdict, text=new, undecided=_undecided(path, new))


def _undecided(path: Path, text: str) -> tuple[Path, ...]:
    """Of the files that the ported text imports, and that those import in turn."""
    found: set[Path] = set()
    waiting = [(path, text)]
    while waiting:
        for file in _imported(*waiting.pop()) - found - {path}:
            if is_undecided(file):
                found.add(file)
                waiting.append((file, read(file.read_bytes(), str(file))))
    return tuple(sorted(found))


def _imported(path: Path, text: str) -> set[Path]:
    """The user's own files that a file imports, from its folder, its package, or the folder that holds the package."""
    above = [path.parent, *path.parent.parents]
    top = next(folder for folder in above if not (folder / "__init__.py").is_file())
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}." * bool(node.module) + alias.name for alias in node.names]
            roots = above[node.level - 1 : node.level] if node.level else [path.parent, top]
        elif isinstance(node, ast.Import):
            names, roots = [alias.name for alias in node.names], [path.parent, top]
        else:
            continue
        found |= {file for root in roots for name in names for file in _files(root, name.split("."))}
    return found


def _files(root: Path, parts: Sequence[str]) -> Iterator[Path]:
    """Of a dotted name: the packages on the way are imported, too."""
    for count in range(1, len(parts) + 1):
        place = root.joinpath(*parts[:count])
        yield from (one for one in (place.with_suffix(".py"), place / "__init__.py") if one.is_file())


def is_undecided(file: Path) -> bool:
    """Only who imports it says which language it is in; of an empty file it does not matter."""
    text = read(file.read_bytes(), str(file))
    return bool(text.strip()) and decide(text).language is not decide(text, importer=Language.PYTHON2).language


def ported(text: str, original: bytes, file: str, around: Neighbours) -> str:
    """The Python 3 file: stamped, and importing what it needs of starcluster.python2."""
    converted = convert(text, file, around)
    compile_converted(converted, file)
    lines = converted.text.split("\n")
    at = _line_for_imports(converted.text)
    needed = needed_names(converted.text)
    if needed:
        lines[at:at] = list(_import(needed))
    lines = [
        line for number, line in enumerate(lines) if not (number < 2 and (_CODING.match(line) or _SAYS_2.match(line)))
    ]
    digest = hashlib.sha256(original).hexdigest()
    stamp = f"{STAMP} (conversion {VERSION}) from Python 2 with SHA-256 {digest}"
    lines.insert(1 if lines and lines[0].startswith("#!") else 0, stamp)
    return "\n".join(lines)


def _import(names: list[str]) -> Iterator[str]:
    line = f"from starcluster.python2 import {', '.join(names)}"
    if len(line) <= 100:
        yield line
        return
    yield "from starcluster.python2 import ("
    yield from (f"    {name}," for name in names)
    yield ")"


def _line_for_imports(text: str) -> int:
    """Behind the docstring and what is imported from the future; comments at the top stay there."""
    body = ast.parse(text).body
    at = 0
    for number, node in enumerate(body):
        docstring = number == 0 and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if docstring or (isinstance(node, ast.ImportFrom) and node.module == "__future__"):
            at = node.end_lineno or node.lineno
    if at == 0 and body:
        first = body[0]
        at = min([first.lineno, *(one.lineno for one in getattr(first, "decorator_list", ()))]) - 1
    return at


def needed_names(text: str) -> list[str]:
    """The functions of starcluster.python2 that the file uses and does not define itself."""
    top = symtable.symtable(text, "<plugin>", "exec")
    own = {one.get_name() for one in top.get_symbols() if one.is_assigned() or one.is_imported() or one.is_namespace()}
    used = {name for scope in _scopes(top) for name in _globals_used(scope)}
    return sorted((used - own) & {*python2.NAMES})


def _scopes(scope: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    yield scope
    for child in scope.get_children():
        yield from _scopes(child)


def _globals_used(scope: symtable.SymbolTable) -> set[str]:
    top = scope.get_type() == "module"
    return {
        one.get_name()
        for one in scope.get_symbols()
        if one.is_referenced() and (one.is_global() or (top and not one.is_assigned()))
    }


def write(port: Port) -> Path:
    """Put the ported text into the file's place; the old file stays beside it, and this is its path."""
    kept = port.path.with_suffix(".py2")
    _keep_original(port, kept)
    wholefile.replace(port.path, port.text, mode=_mode(port))
    return kept


def _mode(port: Port) -> int:
    return port.path.stat().st_mode & 0o7777


def _keep_original(port: Port, kept: Path) -> None:
    """Never over another file; a port that was interrupted goes on."""
    if not kept.exists():
        wholefile.replace(kept, port.original, mode=_mode(port))
    elif kept.read_bytes() != port.original:
        raise exception.PluginError(
            f"{kept} is there already and holds something else: {port.path} stays as it is",
            hint="move it away, or print the result: starcluster plugin port -o - FILE",
        )


def write_elsewhere(port: Port, target: Path) -> None:
    """Into a file that is not there yet."""
    try:
        with open(target, "x", encoding="utf-8", newline="") as file:
            file.write(port.text)
    except FileExistsError:
        raise exception.PluginError(f"{target} is there already", hint="name another file") from None

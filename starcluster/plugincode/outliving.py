"""Variables of lists in brackets that are read behind the brackets, as Python 2 let them be.

    [node.alias for node in nodes]
    [node.alias for py2_each_node in nodes if [node := py2_each_node]]

The list of one is always true, and the name in it is bound in the function around. Python 3 allows that neither in the
body of a class nor in what another `for` in brackets goes through: there the variable stays inside.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator
from typing import Any

from starcluster.plugincode.edits import Edit, edited, offset
from starcluster.plugincode.scopes import Scopes, bound_by, targets

_TO_THE_NEXT_WORD = re.compile(r"(?:[)\s\\]|#[^\n]*)*")


def with_outliving(text: str) -> str:
    """The Python 3 text of a converted file, with such names bound around the brackets; no line moves."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return text  # who compiles it tells where
    lists = [node for node in ast.walk(tree) if isinstance(node, ast.ListComp)]
    scopes = Scopes(tree)
    return edited(text, [edit for one in lists for edit in _edits(text, one, _outliving(one, scopes))])


# --- which


def _outliving(one: ast.ListComp, scopes: Scopes) -> set[str]:
    home = scopes.around(one)
    if not isinstance(home, ast.FunctionDef | ast.Lambda | ast.Module) or _is_gone_through(one, scopes):
        return set()
    return {name for name in _variables(one) if _is_read_later(one, name, home, scopes)}


def _variables(one: ast.ListComp) -> set[str]:
    return {name for part in one.generators for name in targets(part.target)}


def _is_gone_through(one: ast.AST, scopes: Scopes) -> bool:
    """It is part of what a `for` in brackets goes through."""
    for parent, field, _ in scopes.way_up(one):
        if isinstance(parent, ast.FunctionDef):
            return False
        if isinstance(parent, ast.comprehension) and field == "iter":
            return True
    return False


def _is_read_later(one: ast.ListComp, name: str, home: ast.AST, scopes: Scopes) -> bool:
    if scopes.is_global(name, home):
        return True  # whatever is called may read it
    reads = [read for read in scopes.reads(name) if scopes.home(read, name) is home]
    return any(scopes.is_deferred(read, home) or _reaches(one, name, read, home, scopes) for read in reads)


def _reaches(one: ast.ListComp, name: str, read: ast.AST, home: ast.AST, scopes: Scopes) -> bool:
    """Whether nothing binds the name anew between the brackets and the read, be it further down or round a loop."""
    shared = {(parent, field) for parent, field, _ in scopes.way_up(one)}
    later = _start(read) >= _end(one)
    for parent, field, child in scopes.way_up(read, home):
        if isinstance(parent, ast.ListComp) and name in _variables(parent):
            if not scopes.is_made_outside(read, parent):
                return False
        elif _binds_inside(parent, field, name) and not (later and (parent, field) in shared):
            return False
        between = [before for before in _before(parent, field, child) if not later or _end(before) >= _end(one)]
        if any(name in bound_by(before) for before in between):
            return False
        if not later and _repeats(parent, field) and (parent, "body") in shared:
            return True
    return later


def _binds_inside(parent: ast.AST, field: str, name: str) -> bool:
    """A statement that binds the name before its body is run."""
    if field != "body":
        return False
    return name in (targets(parent.target) if isinstance(parent, ast.For) else bound_by(parent))


def _before(parent: ast.AST, field: str, child: ast.AST) -> list[ast.stmt]:
    """The statements that are run before it in the same block."""
    block = getattr(parent, field)
    return block[: block.index(child)] if isinstance(child, ast.stmt) and isinstance(block, list) else []


def _repeats(parent: ast.AST, field: str) -> bool:
    return (isinstance(parent, ast.For) and field == "body") or (
        isinstance(parent, ast.While) and field in ("body", "test")
    )


def _start(node: Any) -> tuple[int, int]:
    return node.lineno, node.col_offset


def _end(node: Any) -> tuple[int, int]:
    return node.end_lineno, node.end_col_offset


# --- how


def _edits(text: str, one: ast.ListComp, names: Collection[str]) -> Iterator[Edit]:
    for part in one.generators:
        leaves = [leaf for leaf in ast.walk(part.target) if isinstance(leaf, ast.Name) and leaf.id in names]
        leaves = [leaf for leaf in leaves if isinstance(leaf.ctx, ast.Store)]
        for leaf in leaves:
            yield offset(text, *_start(leaf)), offset(text, *_end(leaf)), f"py2_each_{leaf.id}"
        if leaves:
            found = _TO_THE_NEXT_WORD.match(text, offset(text, *_end(part.iter)))
            at = found.end() if found else 0
            before, behind = "" if text[at - 1].isspace() else " ", "" if text[at] == "]" else " "
            bindings = ", ".join(f"{name} := py2_each_{name}" for name in dict.fromkeys(leaf.id for leaf in leaves))
            yield at, at, f"{before}if [{bindings}]{behind}"

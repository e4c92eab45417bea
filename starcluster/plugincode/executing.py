"""Variables that only `exec` makes in a function: they are declared there, as the compiler goes by what it reads.

exec(code)
made: object; exec(code)
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator

from starcluster import python2
from starcluster.plugincode.edits import Edit, edited, offset
from starcluster.plugincode.scopes import Scopes

_KNOWN = {*vars(builtins), *python2.NAMES}


def with_declarations(text: str) -> str:
    """The Python 3 text of a converted file with such declarations; no line moves."""
    if "exec(" not in text:
        return text
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return text  # who compiles it tells where
    scopes = Scopes(tree)
    return text if _has_hidden_names(tree, scopes) else edited(text, _edits(text, tree, scopes))


def _has_hidden_names(tree: ast.AST, scopes: Scopes) -> bool:
    """Nobody can tell by reading which names the file itself has."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
            return True
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            name = node.func.id
            if name == "globals" or (name in ("exec", "execfile") and isinstance(scopes.around(node), ast.Module)):
                return True
    return False


def _edits(text: str, tree: ast.AST, scopes: Scopes) -> Iterator[Edit]:
    """At the first exec of each function."""
    seen: set[ast.AST] = set()
    for node in ast.walk(tree):
        home = scopes.around(node) if _is_exec(node) else None
        if isinstance(home, ast.FunctionDef) and home not in seen:
            seen.add(home)
            at = offset(text, node.lineno, node.col_offset)  # type: ignore[attr-defined]
            yield at, at, "".join(f"{name}: object; " for name in _only_made_by_exec(home, scopes))


def _is_exec(node: ast.AST) -> bool:
    """exec(code): a statement, without names of its own to run in."""
    call = node.value if isinstance(node, ast.Expr) else None
    return (
        isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id == "exec"
        and len(call.args) == 1
    )


def _only_made_by_exec(function: ast.AST, scopes: Scopes) -> list[str]:
    """The names that it reads and that nothing in the file binds."""
    read = {node.id for node in ast.walk(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    return sorted(name for name in read - _KNOWN if not name.startswith("__") and _is_unknown(name, function, scopes))


def _is_unknown(name: str, function: ast.AST, scopes: Scopes) -> bool:
    own = [one for one in scopes.reads(name) if scopes.around(one) is function]
    return bool(own) and not scopes.is_global(name, function) and all(scopes.home(one, name) is None for one in own)

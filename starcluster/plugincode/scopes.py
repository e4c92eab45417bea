"""Which scope a name of a Python file belongs to, as Python 2 saw it: `for` in a list in brackets binds around it."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator

Step = tuple[ast.AST, str, ast.AST]
"""A node, its field, and what of that field is on the way."""

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_OWN_VARIABLES = (ast.GeneratorExp, ast.SetComp, ast.DictComp)


class Scopes:
    """The names of one tree: where they are bound, and where they are read."""

    def __init__(self, tree: ast.AST) -> None:
        self._above: dict[ast.AST, tuple[ast.AST, str]] = {}
        self._bound: dict[ast.AST, set[str]] = defaultdict(set)
        self._global: dict[ast.AST, set[str]] = defaultdict(set)
        self._reads: dict[str, list[ast.AST]] = defaultdict(list)
        nodes = list(ast.walk(tree))
        for node in nodes:
            self._above.update((child, (node, field)) for field, child in _children(node))
        for node in nodes:
            self._enter(node)

    def _enter(self, node: ast.AST) -> None:
        if isinstance(node, ast.Global):
            self._global[self.around(node)] |= {*node.names}
        elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            self._reads[node.target.id].append(node.target)
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Store):
            self._reads[node.id].append(node)
        if isinstance(node, _FUNCTIONS):
            self._bound[node] |= {one.arg for one in ast.walk(node.args) if isinstance(one, ast.arg)}
        names = _binds(node)
        if names:
            self._bound[self.around(node)] |= names

    def way_up(self, node: ast.AST, top: ast.AST | None = None) -> Iterator[Step]:
        """The steps from the node to `top`, or to the file."""
        while node in self._above and node is not top:
            parent, field = self._above[node]
            yield parent, field, node
            node = parent

    def around(self, node: ast.AST) -> ast.AST:
        """The scope that the node lies in, where a name that it binds is bound."""
        return next(self._scopes(node))

    def _scopes(self, node: ast.AST) -> Iterator[ast.AST]:
        """The scopes around the node, from within."""
        for parent, field, _ in self.way_up(node):
            if isinstance(parent, _OWN_VARIABLES):
                if not self.is_made_outside(node, parent):
                    yield parent
            elif isinstance(parent, ast.Module) or (
                isinstance(parent, (*_FUNCTIONS, ast.ClassDef)) and field == "body"
            ):
                yield parent

    def is_made_outside(self, node: ast.AST, comprehension: ast.AST) -> bool:
        """What the first `for` goes through belongs to the scope around."""
        first = comprehension.generators[0]  # type: ignore[attr-defined]
        return any(parent is first and field == "iter" for parent, field, _ in self.way_up(node, comprehension))

    def home(self, read: ast.AST, name: str) -> ast.AST | None:
        """The scope whose variable is read; None where the file binds no such name there."""
        for at, scope in enumerate(self._scopes(read)):
            hidden = at > 0 and isinstance(scope, ast.ClassDef)  # from the functions in the class
            if name in self._bound[scope] and not hidden:
                return scope
        return None

    def reads(self, name: str) -> list[ast.AST]:
        return self._reads[name]

    def is_global(self, name: str, scope: ast.AST) -> bool:
        return name in self._global[scope]

    def is_deferred(self, read: ast.AST, home: ast.AST) -> bool:
        """A function within the scope reads it, whenever that is called."""
        steps = self.way_up(read, home)
        return any(
            isinstance(parent, _FUNCTIONS) and field == "body" and parent is not home for parent, field, _ in steps
        )


def _children(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    for field, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not isinstance(child, ast.expr_context | ast.operator):
                yield field, child


def _binds(node: ast.AST) -> set[str]:
    if isinstance(node, ast.Name):
        return set() if isinstance(node.ctx, ast.Load) else {node.id}
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {(alias.asname or alias.name).split(".")[0] for alias in node.names}
    if isinstance(node, ast.ExceptHandler):
        return {node.name or ""}
    return set()


def targets(node: ast.AST) -> set[str]:
    """The names that are bound in it, a target or several."""
    return {one.id for one in ast.walk(node) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)}


def bound_by(statement: ast.AST) -> set[str]:
    """The names that are bound for certain when the statement is over."""
    if isinstance(statement, ast.Assign):
        return {name for target in statement.targets for name in targets(target)}
    if isinstance(statement, ast.With):
        return {name for item in statement.items if item.optional_vars for name in targets(item.optional_vars)}
    return _binds(statement)

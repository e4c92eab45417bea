"""Comparisons of what may be None, or a setting, which is a text: Python 2 compared these with numbers.

    if self.slots > 2:
    if py2_ordered(self.slots) > 2:

Names tell which may be: those that the file gives None somewhere, parameters of constructors, and what is taken from
such. Other comparisons stay as they are, for ported files are read by people.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from starcluster.plugincode.edits import Edit, edited, offset

_ORDERS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


def with_ordering(text: str) -> str:
    """The Python 3 text of a converted file, with such comparisons made by starcluster.python2; no line moves."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return text  # who compiles it tells where
    doubtful = Doubtful(tree)
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Compare)]
    return edited(text, [edit for one in found for operand in _to_wrap(one, doubtful) for edit in _wrap(text, operand)])


def _to_wrap(one: ast.Compare, doubtful: Doubtful) -> Iterator[ast.expr]:
    """What stands left: it is asked first, and gives the right side to the other as it is."""
    operands = [one.left, *one.comparators]
    if all(isinstance(op, _ORDERS) for op in one.ops) and any(doubtful.is_so(operand) for operand in operands):
        yield from operands[:-1]


def _wrap(text: str, operand: ast.expr) -> Iterator[Edit]:
    start = offset(text, operand.lineno, operand.col_offset)
    end = offset(text, operand.end_lineno or 0, operand.end_col_offset or 0)
    yield start, start, "py2_ordered("
    yield end, end, ")"


class Doubtful:
    """The variables, and the attributes, of the whole file by their names."""

    def __init__(self, tree: ast.AST) -> None:
        self._names: set[str] = set()
        self._attributes: set[str] = set()
        nodes = list(ast.walk(tree))
        for node in nodes:
            self._names |= _parameters(node)
        bindings = [pair for node in nodes for pair in _bindings(node)]
        while any(self._bind(target, value) for target, value in bindings):
            pass

    def is_so(self, node: ast.expr) -> bool:
        if isinstance(node, ast.Constant):
            return node.value is None
        if isinstance(node, ast.Name):
            return node.id in self._names
        if isinstance(node, ast.Attribute):
            return node.attr in self._attributes
        if isinstance(node, ast.BoolOp):
            return any(map(self.is_so, node.values))
        if isinstance(node, ast.IfExp):
            return self.is_so(node.body) or self.is_so(node.orelse)
        return isinstance(node, ast.Call) and _may_find_none(node)

    def _bind(self, target: ast.expr, value: ast.expr) -> bool:
        """Whether that is news."""
        if not self.is_so(value):
            return False
        before = len(self._names) + len(self._attributes)
        if isinstance(target, ast.Name):
            self._names.add(target.id)
            self._attributes.add(target.id)  # of a class, or of a module
        elif isinstance(target, ast.Attribute):
            self._attributes.add(target.attr)
        return len(self._names) + len(self._attributes) > before


def _parameters(node: ast.AST) -> set[str]:
    """Those of a constructor, and those whose default is None."""
    if not isinstance(node, _FUNCTIONS):
        return set()
    every = [*node.args.posonlyargs, *node.args.args]
    if getattr(node, "name", "") == "__init__":
        return {one.arg for one in every[1:]}
    pairs = zip(reversed(every), reversed(node.args.defaults), strict=False)
    return {one.arg for one, default in pairs if isinstance(default, ast.Constant) and default.value is None}


def _bindings(node: ast.AST) -> Iterator[tuple[ast.expr, ast.expr]]:
    if not isinstance(node, ast.Assign):
        return
    for target in node.targets:
        if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
            yield from zip(target.elts, node.value.elts, strict=False)
        else:
            yield target, node.value


def _may_find_none(call: ast.Call) -> bool:
    """d.get(k), d.get(k, None), getattr(x, name, None)"""
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    last: Any = call.args[-1] if call.args else None
    has_none = isinstance(last, ast.Constant) and last.value is None
    return (name == "get" and len(call.args) == 1) or (name in ("get", "getattr", "pop", "setdefault") and has_none)

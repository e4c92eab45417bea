"""Words for fissix's trees, which the passes of passes.py, errors.py and bygone.py change."""

from __future__ import annotations

from typing import Any


def nodes_of(tree: Any, name: str) -> list[Any]:
    """Its nodes of a kind, the inner ones first."""
    from fissix.pygram import python_symbols

    return [node for node in tree.post_order() if node.type == getattr(python_symbols, name)]


def call(function: str, *words: str) -> Any:
    from fissix.fixer_util import Call, Comma, Name

    arguments: list[Any] = []
    for word in words:
        arguments += [Comma(), Name(word, prefix=" ")] if arguments else [Name(word)]
    return Call(Name(function), arguments)


def is_leaf(node: Any, value: str) -> bool:
    return getattr(node, "value", None) == value


def method(node: Any) -> str:
    """The name in a `.name`."""
    children = node.children
    return str(getattr(children[1], "value", "")) if len(children) == 2 and is_leaf(children[0], ".") else ""


def replace(old: Any, new: Any) -> None:
    new.prefix = old.prefix
    old.replace(new)


def scope_of(node: Any) -> Any:
    """The function that it is in, else the file."""
    from fissix.pygram import python_symbols

    scope = node.parent
    while scope.parent is not None and scope.type != python_symbols.funcdef:
        scope = scope.parent
    return scope

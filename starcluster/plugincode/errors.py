"""How Python 2 raised, and how it looked into what it caught; changes to a parsed file, as those of passes.py."""

from __future__ import annotations

from typing import Any

from starcluster.plugincode.tree import call, is_leaf, method, nodes_of, replace, scope_of


def all_of(tree: Any) -> None:
    for node in nodes_of(tree, "raise_stmt"):
        _raise(node)
    for clause in nodes_of(tree, "except_clause"):
        if _name(clause):
            _part(clause)
            _caught(clause)


def _name(clause: Any) -> str:
    children = clause.children
    return str(children[3]).strip() if len(children) == 4 and is_leaf(children[2], "as") else ""


# --- raise E, value, traceback


def _raise(node: Any) -> None:
    """raise E, "text" is raise E("text"); a value that may be an error itself is looked at when it is raised."""
    words = [child for child in node.children[1:] if not is_leaf(child, ",")]
    if len(words) < 2:
        return
    texts = [str(word).strip() for word in words]
    caught = {_name(clause) for clause in nodes_of(scope_of(node), "except_clause")}
    if len(words) == 2 and texts[1] not in {"None", *caught}:
        new = call(texts[0], *(_members(words[1]) or [texts[1]]))
    else:
        new = call("py2_raised", *texts)
    new.prefix = " "
    for child in list(node.children[1:]):
        child.remove()
    node.append_child(new)


def _members(value: Any) -> list[str]:
    """Of a tuple that is written out."""
    children = getattr(value, "children", [])
    inner = getattr(children[1], "children", []) if len(children) == 3 and is_leaf(children[0], "(") else []
    members = [str(one).strip() for one in inner if not is_leaf(one, ",")]
    return members if any(is_leaf(one, ",") for one in inner) else []


def _part(clause: Any) -> None:
    """`except E, (a, b): x = a` in one line: the fixer leaves its statement unparted from the next one."""
    from fissix.fixer_util import Name

    body = clause.next_sibling.next_sibling
    first = body.children[0]
    if is_leaf(first, "\n") or len(body.children) < 2 or not str(first).endswith(f"{_name(clause)}.args"):
        return
    if body.children[1].type == first.type or not is_leaf(body.children[1], ";"):
        first.prefix = " "
        first.append_child(Name(";"))


# --- e.message, e[0]


def _caught(clause: Any) -> None:
    """What was caught had a `message`, and could be indexed, under other names too."""
    scope = scope_of(clause)
    names = {_name(clause)}
    for node in nodes_of(scope, "expr_stmt"):
        if len(node.children) == 3 and is_leaf(node.children[1], "=") and is_leaf(node.children[2], _name(clause)):
            names.add(str(node.children[0]).strip())
    for node in nodes_of(scope, "power"):
        if getattr(node.children[0], "value", None) in names and not is_leaf(node.next_sibling, "="):
            _look_into(node, node.children[0].value)


def _look_into(node: Any, name: str) -> None:
    first = node.children[1]
    if method(first) == "message":
        first.remove()
        replace(node.children[0], call("py2_message", name))
    elif first.children and is_leaf(first.children[0], "["):
        replace(node.children[0], call("py2_members", name))

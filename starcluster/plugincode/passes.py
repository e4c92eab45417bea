"""Changes to a parsed Python 2 file that no fixer of fissix makes. Each keeps the meaning that Python 2 gave it.

The names that begin with py2_ are functions of starcluster/python2.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from starcluster.plugincode import bygone, errors
from starcluster.plugincode.dictorder import python2_order
from starcluster.plugincode.tree import is_leaf as _is
from starcluster.plugincode.tree import method as _method
from starcluster.plugincode.tree import nodes_of as _nodes

_NOW_KEYWORDS = {"async", "await", "nonlocal"}
_OCTAL = re.compile(r"^0\d*[1-7]\d*$")
_ESCAPES = "\n\\'\"abfnrtv01234567x"  # what may stand after a backslash
_FLOAT = re.compile(r"^(?:\d+\.\d*|\.\d+|\d+(?=[eEjJ]))")


def all_of(tree: Any, *, modules: Mapping[str, str], siblings: Collection[str]) -> None:
    """In place; `modules` have another name now, `siblings` are those that an import in a package finds beside it."""
    _imports(tree, modules, () if "absolute_import" in tree.future_features else siblings)
    errors.all_of(tree)
    bygone.all_of(tree)
    if "division" not in tree.future_features:
        _divisions(tree)
    _calls(tree)
    _int_dicts(tree)
    _kept_exceptions(tree)
    _literals(tree)
    _keywords(tree)


def _call(name: str, node: Any) -> Any:
    """name(node), where the node stood; the node is cut out of the tree first."""
    from fissix.fixer_util import Call, Name

    prefix, node.prefix = node.prefix, ""
    return Call(Name(name), [node], prefix=prefix)


# --- division


def _divisions(tree: Any) -> None:
    """a / b is a / py2_divisor(b), which divides as Python 2 did; so is a /= b."""
    for node in _nodes(tree, "term"):
        for at, child in enumerate(list(node.children)):
            if _is(child, "/") and not (_is_float(node.children[at + 1]) or (at == 1 and _is_float(node.children[0]))):
                _wrap(node.children[at + 1])
    for node in _nodes(tree, "expr_stmt"):
        if len(node.children) == 3 and _is(node.children[1], "/=") and not _is_float(node.children[2]):
            _wrap(node.children[2])


def _wrap(node: Any) -> None:
    copy = node.clone()
    node.replace(_call("py2_divisor", copy))


def _is_float(node: Any) -> bool:
    return bool(_FLOAT.match(getattr(node, "value", "")))


# --- calls of methods


def _calls(tree: Any) -> None:
    """text.decode(x), text.encode(x), list.sort() and list.sort(f), which Python 3's types have not, or not so."""
    for node in _nodes(tree, "power"):
        at = 1
        while at < len(node.children) - 1:
            method, arguments = _method(node.children[at]), node.children[at + 1]
            if method in bygone.AS_FUNCTIONS and _is_call(arguments):
                node, at = _to_function(node, at, f"py2_{method}"), 0
            elif method == "sort" and _is_call(arguments) and not _has_key(arguments):
                node, at = _to_function(node, at, "py2_sort_list"), 0
            at += 1


def _is_call(node: Any) -> bool:
    return bool(node.children) and _is(node.children[0], "(")


def _has_key(arguments: Any) -> bool:
    """Who says what to sort by has things that can be compared."""
    return bool(re.match(r"\(\s*(key\s*=|\*)", str(arguments).strip()))


def _to_function(node: Any, at: int, name: str) -> Any:
    """head.method(args) tail -> name(head, args) tail; the new node."""
    from fissix.fixer_util import ArgList, Comma, Name
    from fissix.pytree import Node

    children = [child.clone() for child in node.children]
    head, given = children[:at], children[at + 1].children[1:-1]
    subject = head[0] if len(head) == 1 else Node(node.type, head)
    subject.prefix = ""
    for child in given:
        child.remove()
        child.prefix = " "
    words = [subject, Comma(), *given] if given else [subject]
    new = Node(node.type, [Name(name, prefix=node.prefix), ArgList(words), *children[at + 2 :]])
    node.replace(new)
    return new


# --- dicts


def _int_dicts(tree: Any) -> None:
    """{3: a, 1: b} is written in the order in which Python 2 went through it."""
    for node in _nodes(tree, "dictsetmaker"):
        children = node.children
        if len(children) < 7 or not all(_is(colon, ":") for colon in children[1::4]):
            continue
        keys = [_whole(key) for key in children[0::4]]
        if None in keys or len({*keys}) < len(keys):
            continue
        order = python2_order([key for key in keys if key is not None])
        if order != list(range(len(keys))):
            _reorder(node, order)


def _whole(node: Any) -> int | None:
    try:
        return int(str(node).strip(), 0)
    except ValueError:
        return None


def _reorder(node: Any, order: list[int]) -> None:
    pairs = [(node.children[at].clone(), node.children[at + 2].clone()) for at in range(0, len(node.children) - 2, 4)]
    for place, source in enumerate(order):
        for at, new in zip((4 * place, 4 * place + 2), pairs[source], strict=True):
            old = node.children[at]
            new = new.clone()
            new.prefix = old.prefix
            old.replace(new)


# --- names


def _keywords(tree: Any) -> None:
    """Names that are keywords now get a low line."""
    from fissix.pgen2 import token

    for leaf in tree.leaves():
        if leaf.type == token.NAME and leaf.value in _NOW_KEYWORDS:
            leaf.value += "_"


# --- strings and numbers


def _literals(tree: Any) -> None:
    from fissix.pgen2 import token

    unicode_literals = "unicode_literals" in tree.future_features
    for leaf in tree.leaves():
        if leaf.type == token.STRING:
            leaf.value = today(leaf.value, unicode_literals=unicode_literals)
        elif leaf.type == token.NUMBER and _OCTAL.match(leaf.value):
            leaf.value = f"0o{leaf.value[1:]}"  # which fissix leaves of 0777L


def today(literal: str, *, unicode_literals: bool = False) -> str:
    """A string literal of Python 2 that means the same now: in plain ones \\u, \\U and \\N were no escapes.

    What never was one, such as \\$, is written out: later Pythons warn of it.
    """
    prefix = re.split("['\"]", literal, maxsplit=1)[0].lower()
    rest = literal[len(prefix) :]
    if prefix == "ur":
        return "r" + re.sub(r"\\u([0-9a-fA-F]{4})", lambda found: chr(int(found[1], 16)), rest)
    if prefix == "u" or (prefix == "" and unicode_literals):
        return _written_out(rest, _ESCAPES + "uUN")
    if prefix == "br":
        return "r" + rest
    return _written_out(rest, _ESCAPES) if prefix in ("", "b") else literal


def _written_out(text: str, escapes: str) -> str:
    return re.sub(r"\\(.)", lambda found: found[0] if found[1] in escapes else "\\" + found[0], text, flags=re.DOTALL)


# --- exceptions


def _kept_exceptions(tree: Any) -> None:
    """Python 2 kept the exception's name after its clause: where it is used there, so it stays."""
    for clause in _nodes(tree, "except_clause"):
        if len(clause.children) == 4 and _is(clause.children[2], "as"):
            name = clause.children[3]
            if _used_after(clause, name.value):
                _keep(clause, name)


def _used_after(clause: Any, name: str) -> bool:
    scope = clause.parent
    while scope.parent is not None and not _is_function(scope):
        scope = scope.parent
    inside = {id(leaf) for body in _bodies(scope, name) for leaf in body.leaves()}
    inside |= {id(one.children[3]) for one in _nodes(scope, "except_clause") if len(one.children) == 4}
    return any(_is(leaf, name) and id(leaf) not in inside for leaf in scope.leaves())


def _is_function(node: Any) -> bool:
    from fissix.pygram import python_symbols

    return bool(node.type == python_symbols.funcdef)


def _bodies(scope: Any, name: str) -> list[Any]:
    """What is run when an exception is caught under that name."""
    clauses = [one for one in _nodes(scope, "except_clause") if len(one.children) == 4 and _is(one.children[3], name)]
    return [one.next_sibling.next_sibling for one in clauses]


def _keep(clause: Any, name: Any) -> None:
    from fissix.fixer_util import Name
    from fissix.pgen2 import token

    caught = f"{name.value}_caught"
    body = clause.next_sibling.next_sibling
    indents = [at for at, child in enumerate(body.children) if child.type == token.INDENT]
    if indents:
        at = indents[0]
        body.insert_child(at + 1, Name(f"{name.value} = {caught}\n{body.children[at].value}"))
    else:
        body.prefix = ""
        body.insert_child(0, Name(f" {name.value} = {caught}; "))
    new = Name(caught, prefix=" ")
    new.lineno = name.lineno
    name.replace(new)


# --- imports


def _imports(tree: Any, names: Mapping[str, str], siblings: Collection[str]) -> None:
    """Modules under their names of today, and those of the package from the package."""
    for node in _nodes(tree, "import_from"):
        module = node.children[1]
        name = str(module).strip()
        first = name.split(".")[0]
        if first in siblings:
            _rename(module, f".{name}")
        elif name in names:
            _rename(module, names[name])
    for node in _nodes(tree, "import_name"):
        words = [word.strip() for word in "".join(str(child) for child in node.children[1:]).split(",")]
        statements = [_import(word, names, siblings) for word in words]
        if statements != [f"import {word}" for word in words]:
            _rename(node, "; ".join(statements))


def _rename(node: Any, text: str) -> None:
    from fissix.fixer_util import Name

    new = Name(text, prefix=node.prefix)
    new.lineno = node.get_lineno()
    node.replace(new)


def _import(word: str, names: Mapping[str, str], siblings: Collection[str]) -> str:
    """One module of an import: a -> from . import a; b.c as d -> from .b import c as d; Queue -> queue as Queue."""
    name, _, alias = re.sub(r"\s+as\s+", " as ", word).partition(" as ")
    first, (folder, _, last) = name.split(".")[0], name.rpartition(".")
    if first in siblings:
        if alias:
            return f"from .{folder} import {last} as {alias}"
        return f"from .{folder} import {last} as _{last}; from . import {first}" if folder else f"from . import {name}"
    if name in names and (alias or not folder):
        return f"import {names[name]} as {alias or name}"
    return f"import {word}"

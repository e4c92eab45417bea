"""Methods, functions and forms that ended with Python 2; changes to a parsed file, as those of passes.py."""

from __future__ import annotations

import re
from typing import Any

from starcluster.plugincode.tree import is_leaf, method, nodes_of, replace

AS_FUNCTIONS = frozenset(
    "decode encode exc_clear getchildren getheader getiterator isAlive setdefaultencoding tostring translate".split()
)
_GONE = {  # what of a module is only in its likeness in starcluster/python2
    "collections": "Callable Container Hashable ItemsView Iterable Iterator KeysView Mapping MutableMapping"
    " MutableSequence MutableSet Sequence Set Sized ValuesView",
    "fractions": "gcd",
    "inspect": "getargspec",
    "itertools": "ifilter ifilterfalse imap izip izip_longest",
    "operator": "div isCallable isMappingType isNumberType isSequenceType sequenceIncludes",
    "os": "fdopen popen2 popen3 popen4 read tempnam tmpnam write path.walk",
    "platform": "dist linux_distribution",
    "re": "escape",
    "time": "clock",
}
_STOPS = re.compile(r"\b_stop\s*=[^=]")
_EXC_INFO = ("exc_type", "exc_value", "exc_traceback")
_OPENING = re.compile(r"^(['\"])([rwa]\+?)b(\+?)\1$|^(['\"])([rwa])b(\+)\4$")


def modules(text: str) -> set[str]:
    """Those of Python's library that the file wants as they were."""
    return {name for name, words in _GONE.items() if _wants(text, name, words.split())}


def _wants(text: str, module: str, names: list[str]) -> bool:
    some = "|".join(map(re.escape, names))
    return bool(
        re.search(rf"\b{module}\.(?:{some})\b", text)
        or re.search(rf"^[ \t]*from[ \t]+{module}[ \t]+import\b[^\n]*\b(?:{some})\b", text, re.MULTILINE)
        or re.search(rf"^[ \t]*import[ \t]+{module}[ \t]+as\b", text, re.MULTILINE)
    )


def all_of(tree: Any) -> None:
    if "print_function" not in tree.future_features:
        _print_softly(tree)
    if _STOPS.search(str(tree)):
        _rename_stop(tree)
    for node in nodes_of(tree, "lambdef"):
        _unpack(node)
    for node in nodes_of(tree, "power"):
        _exc_info(node)
        _has_key(node)
        for trailer, arguments in zip(node.children[1:], node.children[2:], strict=False):
            _open_text(method(trailer), arguments)
            _drop_encoding(method(trailer), arguments)
    for node in nodes_of(tree, "classdef"):
        _compare(node)


def _print_softly(tree: Any) -> None:
    """print x, leaves it to the next print whether there is a blank: in a file with such, all of them heed that."""
    calls = [node for node in nodes_of(tree, "power") if is_leaf(node.children[0], "print")]
    if any(str(one).strip() == "end=' '" for node in calls for one in nodes_of(node, "argument")):
        for node in calls:
            node.children[0].value = "py2_print"


def _rename_stop(tree: Any) -> None:
    """self._stop = ... of threads, who have a method of that name now."""
    for leaf in tree.leaves():
        if leaf.value == "_stop":
            leaf.value = "_stop_"


def _unpack(node: Any) -> None:
    """lambda (a, b), c: a + c is lambda a_b, c: a_b[0] + c"""
    parameters = node.children[1]
    for child in list(getattr(parameters, "children", [])):
        places = _places(child)
        if places:
            name = "_".join(places)
            replace(child, _leaf(name))
            for leaf in list(node.children[3].leaves()):
                if leaf.value in places and not _is_attribute(leaf):
                    replace(leaf, _leaf(name + places[leaf.value]))


def _places(node: Any) -> dict[str, str]:
    """Where in a tuple of parameters a name stands: {"a": "[0]", "b": "[1]"}."""
    children = getattr(node, "children", [])
    if len(children) != 3 or not is_leaf(children[0], "("):
        return {}
    inner = children[1]
    members = [one for one in getattr(inner, "children", [inner]) if not is_leaf(one, ",")]
    if is_leaf(getattr(inner, "children", [None])[0], "("):
        members = [inner]
    found: dict[str, str] = {}
    for at, member in enumerate(members):
        for name, rest in (_places(member) or {str(member).strip(): ""}).items():
            found[name] = f"[{at}]{rest}"
    return found


def _leaf(text: str) -> Any:
    from fissix.fixer_util import Name

    return Name(text)


def _is_attribute(leaf: Any) -> bool:
    return is_leaf(leaf.prev_sibling, ".") or (is_leaf(leaf.next_sibling, "=") and leaf.parent is not None)


def _exc_info(node: Any) -> None:
    """sys.exc_type"""
    if is_leaf(node.children[0], "sys") and method(node.children[1]) in _EXC_INFO:
        leaf = node.children[1].children[1]
        leaf.value = f"exc_info()[{_EXC_INFO.index(leaf.value)}]"


def _has_key(node: Any) -> None:
    """filter(d.has_key, names); the fixers know calls of it only."""
    if method(node.children[-1]) == "has_key":
        node.children[-1].children[1].value = "__contains__"


def _open_text(name: str, arguments: Any) -> None:
    """remote_file(path, "wb") was given text as well as any other."""
    if name == "remote_file":
        for leaf in arguments.leaves():
            if _OPENING.match(leaf.value):
                leaf.value = leaf.value.replace("b", "")


def _drop_encoding(name: str, arguments: Any) -> None:
    """json.loads(text, encoding="utf-8")"""
    if name not in ("dump", "dumps", "load", "loads"):
        return
    for one in nodes_of(arguments, "argument"):
        if is_leaf(one.children[0], "encoding") and is_leaf(one.prev_sibling, ","):
            one.prev_sibling.remove()
            one.remove()


def _compare(node: Any) -> None:
    """A class that says by __cmp__ how it compares."""
    names = {str(one.children[1]).strip() for one in nodes_of(node, "funcdef")}
    if "__cmp__" not in names or names & {"__lt__", "__eq__"}:
        return
    from fissix.fixer_util import Name

    body = node.children[-1]
    for at, child in enumerate(body.children):
        if child.type == _indent():
            methods = f"from starcluster.python2.comparing import {', '.join(_COMPARING)}"
            body.insert_child(at + 1, Name(f"{methods}\n{child.value}"))
            return


_COMPARING = ("__eq__", "__ge__", "__gt__", "__hash__", "__le__", "__lt__", "__ne__")


def _indent() -> int:
    from fissix.pgen2 import token

    return int(token.INDENT)

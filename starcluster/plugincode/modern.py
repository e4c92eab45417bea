"""Syntax that Python 2 never had, found in a tree or, where Python 3 can not compile the file, in its text."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from starcluster.plugincode.source import tokens

_UNDERSCORE = re.compile(r"(?<![\w.])\d[\d]*_\d")
_IN_CODE = (
    (r"(?m)^[ \t]*nonlocal[ \t]+\w", "nonlocal"),
    (r"(?m)(?:^|[:;])[ \t]*async[ \t]+(?:def|for|with)\b", "async"),
    (r":=", "the walrus"),
    (r"\bdef[ \t]+\w+[ \t]*\([^()]*(?:\([^()]*\)[^()]*)*\)[ \t]*->", "annotations"),
    (r"\bdef[ \t]+\w+[ \t]*\((?:(?!lambda)[^(){}\[\]:])*\b(?!lambda\b)\w+[ \t]*:", "annotations"),
    (r"\bdef[ \t]+\w+[ \t]*\((?:[^()]*,)?\s*\*\s*,", "keyword-only arguments"),
    (r"\byield[ \t]+from\b", "yield from"),
    (r"(?m)^[ \t]*raise[ \t][^\n]*[ \t]from[ \t]+\w", "raise ... from"),
    (r"(?m)^[ \t]*class[ \t]+\w+[ \t]*\([^()]*\bmetaclass[ \t]*=", "metaclass="),
)
_PATTERNS = tuple((re.compile(pattern), feature) for pattern, feature in _IN_CODE)
_PRINT_WORDS = {"file", "end", "sep", "flush"}
_KINDS: dict[type[ast.AST], str] = {
    ast.JoinedStr: "f-strings",
    ast.AnnAssign: "annotations",
    ast.Nonlocal: "nonlocal",
    ast.AsyncFunctionDef: "async",
    ast.AsyncFor: "async",
    ast.AsyncWith: "async",
    ast.Await: "await",
    ast.NamedExpr: "the walrus",
    ast.YieldFrom: "yield from",
    ast.MatMult: "the operator @",
    ast.Match: "match",
    ast.TryStar: "except*",
}


def in_text(text: str, code: str) -> str:
    """The first such feature of a file that can not be compiled, or ""; `code` is the text without its strings."""
    if any(kind in ("f", "fr", "rf") for kind, _, _ in tokens(text)):
        return "f-strings"
    return next((feature for pattern, feature in _PATTERNS if pattern.search(code)), "")


def in_tree(tree: ast.Module, text: str) -> str:
    """The first such feature of a file that Python 3 compiles, or ""."""
    own_print = any(
        isinstance(node, ast.ImportFrom)
        and node.module == "__future__"
        and any(alias.name == "print_function" for alias in node.names)
        for node in tree.body
    )
    for node in ast.walk(tree):
        feature = next(_of(node, own_print), "")
        if feature:
            return feature
    numbers = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and type(node.value) in (int, float))
    lines = text.split("\n")
    if any(_UNDERSCORE.match(lines[node.lineno - 1].encode()[node.col_offset :].decode()) for node in numbers):
        return "underscores in numbers"
    return ""


def _of(node: ast.AST, own_print: bool) -> Iterator[str]:
    if type(node) in _KINDS:
        yield _KINDS[type(node)]
    if isinstance(node, ast.arguments):
        yield from _of_arguments(node)
    elif isinstance(node, ast.FunctionDef) and node.returns:
        yield "annotations"
    elif isinstance(node, ast.ClassDef) and node.keywords:
        yield "keywords of a class"
    elif isinstance(node, ast.Raise) and node.cause:
        yield "raise ... from"
    elif isinstance(node, ast.Call):
        yield from _of_call(node, own_print)
    else:
        yield from _of_the_rest(node)


def _of_the_rest(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Tuple | ast.List | ast.Set) and any(isinstance(one, ast.Starred) for one in node.elts):
        yield "a star in a list"
    elif isinstance(node, ast.Dict) and None in node.keys:
        yield "two stars in a dict"
    elif isinstance(node, ast.Name) and not node.id.isascii():
        yield "names with letters beyond ASCII"
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and node.value.value is ...:
        yield "... as a statement"
    elif getattr(node, "type_params", None) or type(node).__name__ == "TypeAlias":
        yield "type parameters"


def _of_arguments(node: ast.arguments) -> Iterator[str]:
    if node.kwonlyargs:
        yield "keyword-only arguments"
    if node.posonlyargs:
        yield "positional-only arguments"
    every = [*node.args, *(one for one in (node.vararg, node.kwarg) if one)]
    if any(one.annotation for one in every):
        yield "annotations"


def _of_call(node: ast.Call, own_print: bool) -> Iterator[str]:
    if not isinstance(node.func, ast.Name):
        return
    if node.func.id == "super" and not node.args:
        yield "super() without arguments"
    if node.func.id == "print" and not own_print and _PRINT_WORDS & {word.arg for word in node.keywords}:
        yield "print with keywords"

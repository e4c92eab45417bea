"""Mutation test of the planner: each small break of its source must make a test of tests/unit/supervisor fail.

One mutant is one process: forked where nothing of the planner is loaded yet, it loads the broken source instead of
the file (no file is changed) and runs the tests up to the first failure. Words that only the user reads are not
broken. Ends non-zero when fewer than LEAST per cent are noticed. Takes about ten minutes.
"""

from __future__ import annotations

import ast
import copy
import importlib.abc
import importlib.machinery
import importlib.util
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "starcluster.supervisor"
FILES = ("plan", "case", "noderules", "runrules")
TESTS = ("test_rules.py", "test_plan.py", "test_plan_properties.py")
LEAST = 90.0
LIMIT = 60.0  # seconds; a mutant that hangs is noticed
_WORDS = ("because", "hint", "why")

_SWAPS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.Pow: ast.Mult,
}


@dataclass(frozen=True, kw_only=True)
class Mutant:
    module: str
    line: int
    what: str
    tree: ast.Module


Change = tuple[str, Callable[[ast.AST], None]]


def _is_words(node: ast.AST, parents: dict[int, ast.AST]) -> bool:
    """Part of a sentence, a docstring or an annotation."""
    above = node
    while id(above) in parents:
        if isinstance(above, ast.JoinedStr):
            return True
        below, above = above, parents[id(above)]
        if isinstance(above, ast.keyword) and above.arg in _WORDS:
            return True
        if isinstance(above, ast.Expr) or (isinstance(above, ast.AnnAssign) and above.annotation is below):
            return True
        if isinstance(above, ast.FunctionDef) and above.returns is below:
            return True
        if isinstance(above, ast.arg):
            return True
    return False


def _operators(node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.Compare):
        for index, operator in enumerate(node.ops):
            other = _SWAPS[type(operator)]

            def swap(one: ast.AST, index: int = index, other: type[ast.AST] = other) -> None:
                one.ops[index] = other()  # type: ignore[attr-defined]

            yield f"{type(operator).__name__} -> {other.__name__}", swap
    if isinstance(node, ast.BoolOp | ast.BinOp) and type(node.op) in _SWAPS:
        kind = _SWAPS[type(node.op)]
        yield f"{type(node.op).__name__} -> {kind.__name__}", lambda one: setattr(one, "op", kind())
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield "no Not", lambda one: setattr(one, "operand", ast.UnaryOp(op=ast.Not(), operand=node.operand))


def _branches(node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.If | ast.IfExp | ast.comprehension):
        conditions = node.ifs if isinstance(node, ast.comprehension) else [node.test]
        for index, _ in enumerate(conditions):

            def negate(one: ast.AST, index: int = index) -> None:
                if isinstance(one, ast.comprehension):
                    one.ifs[index] = ast.UnaryOp(op=ast.Not(), operand=one.ifs[index])
                elif isinstance(one, ast.If | ast.IfExp):
                    one.test = ast.UnaryOp(op=ast.Not(), operand=one.test)

            yield "the condition is turned round", negate
    if isinstance(node, ast.Return) and not _is_none(node.value):
        yield "return None", lambda one: setattr(one, "value", ast.Constant(None))


def _is_none(node: ast.AST | None) -> bool:
    return node is None or (isinstance(node, ast.Constant) and node.value is None)


def _values(node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.Constant):
        value = node.value
        if isinstance(value, bool):
            yield f"{value} -> {not value}", lambda one: setattr(one, "value", not value)
        elif isinstance(value, int | float):
            for step in (1, -1):
                yield f"{value} -> {value + step}", lambda one, step=step: setattr(one, "value", value + step)
        elif isinstance(value, str):
            yield f"{value!r} -> {value + 'x'!r}", lambda one: setattr(one, "value", value + "x")
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("min", "max", "any", "all"):
        other = {"min": "max", "max": "min", "any": "all", "all": "any"}[node.func.id]
        yield f"{node.func.id} -> {other}", lambda one: setattr(one, "func", ast.Name(other, ast.Load()))


def _rules(node: ast.AST) -> Iterator[Change]:
    """A rule that is missing, and two neighbours that have changed places."""
    if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "RULES" and isinstance(node.value, ast.Tuple):
        for index, rule in enumerate(node.value.elts):
            yield f"without {ast.unparse(rule)}", lambda one, index=index: one.value.elts.pop(index)  # type: ignore[attr-defined]


def _changes(node: ast.AST, parents: dict[int, ast.AST]) -> Iterator[Change]:
    if _is_words(node, parents):
        return
    for kind in (_operators, _branches, _values, _rules):
        yield from kind(node)


def mutants(module: str) -> Iterator[Mutant]:
    tree = ast.parse(_path(module).read_text(encoding="utf-8"))
    parents = {id(below): above for above in ast.walk(tree) for below in ast.iter_child_nodes(above)}
    for number, node in enumerate(ast.walk(tree)):
        for what, change in _changes(node, parents):
            broken = copy.deepcopy(tree)
            change(list(ast.walk(broken))[number])
            line = getattr(node, "lineno", 0) or getattr(getattr(node, "target", None), "lineno", 0)
            yield Mutant(module=module, line=line, what=what, tree=ast.fix_missing_locations(broken))


def _path(module: str) -> Path:
    return ROOT / f"{PACKAGE.replace('.', '/')}/{module}.py"


class _Broken(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Loads the mutant where its module is asked for."""

    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant
        self._name = f"{PACKAGE}.{mutant.module}"

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        return importlib.util.spec_from_loader(fullname, self) if fullname == self._name else None

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self._mutant.tree, str(_path(self._mutant.module)), "exec"), module.__dict__)


def is_noticed(mutant: Mutant | None) -> bool:
    """Whether the tests fail with it; None = nothing is broken."""
    child = os.fork()
    if not child:
        _be_tested(mutant)
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status) != 0
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return True


def _be_tested(mutant: Mutant | None) -> None:
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    if mutant:
        sys.meta_path.insert(0, _Broken(mutant))
    status = 1
    try:
        tests = [str(ROOT / "tests/unit/supervisor" / one) for one in TESTS]
        status = int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", "-m", "not long", *tests]))
    finally:
        os._exit(status)


def main(arguments: Sequence[str]) -> int:
    os.chdir(ROOT)
    if is_noticed(None):
        print("the tests fail already: there is nothing to learn from breaking more")
        return 2
    noticed, missed = 0, []
    for module in arguments or FILES:
        for mutant in mutants(Path(module).stem):
            if is_noticed(mutant):
                noticed += 1
                continue
            missed.append(mutant)
            print(f"not noticed: {mutant.module}.py:{mutant.line}: {mutant.what}", flush=True)
    total = noticed + len(missed)
    share = 100 * noticed / total
    print(f"{total} mutants, {noticed} noticed ({share:.1f} %), {len(missed)} not")
    return 0 if share >= LEAST else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Mutation test of the planner: each small break of its source must make a test of tests/unit/supervisor fail.

The tests are collected once; then each mutant is a forked process, which gives the loaded functions the broken code
(no file is changed) and runs the tests up to the first failure. Words that only the user reads are not broken.
Ends non-zero when fewer than LEAST per cent are noticed.
"""

from __future__ import annotations

import ast
import copy
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType

import pytest
from _pytest.runner import runtestprotocol

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "starcluster.supervisor"
FILES = ("plan", "case", "noderules", "runrules", "homerules", "successorrules", "driverules", "placing")
TESTS = (
    "test_rules.py",
    "test_homerules.py",
    "test_plan.py",
    "test_plan_properties.py",
    "test_successor.py",
    "test_sights.py",
    "test_driverules.py",
    "test_placing.py",
)
LEAST = 90.0
LIMIT = 60.0  # seconds; a mutant that hangs is noticed
_WORDS = ("because", "hint", "why")
_SAYS = ("case.wait",)

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
        if isinstance(above, ast.Call) and ast.unparse(above.func) in _SAYS and above.args[:1] == [below]:
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


def apply(mutant: Mutant) -> None:
    """Put the mutant into the loaded module, and into whoever has imported its names."""
    module = sys.modules[f"{PACKAGE}.{mutant.module}"]
    fresh = {"__name__": module.__name__, "__file__": module.__file__}
    spare = sys.modules[module.__name__]
    exec(compile(mutant.tree, str(_path(mutant.module)), "exec"), fresh)
    sys.modules[module.__name__] = spare
    for name, new in fresh.items():
        old = vars(module).get(name)
        if isinstance(new, FunctionType) and isinstance(old, FunctionType):
            _give_code(old, new)
        elif isinstance(new, type) and isinstance(old, type) and new.__module__ == module.__name__:
            _give_methods(old, new)
        elif isinstance(new, str | int | float | tuple) and new != old and name.isupper() and name != "RULES":
            _rebind(name, old, new)
        elif name == "RULES" and isinstance(old, tuple) and isinstance(new, tuple):
            named = {one.__name__: one for one in old}
            setattr(module, name, tuple(named[one.__name__] for one in new))


def _give_code(old: FunctionType, new: FunctionType) -> None:
    if new.__module__ == old.__module__ and old.__code__.co_freevars == new.__code__.co_freevars:
        old.__code__, old.__defaults__, old.__kwdefaults__ = new.__code__, new.__defaults__, new.__kwdefaults__


def _function(member: object) -> FunctionType | None:
    for inner in (member, getattr(member, "fget", None), getattr(member, "func", None)):
        if isinstance(inner, FunctionType):
            return inner
    return None


def _give_methods(old: type, new: type) -> None:
    for name, member in vars(new).items():
        mine, theirs = _function(vars(old).get(name)), _function(member)
        if mine and theirs:
            _give_code(mine, theirs)


def _rebind(name: str, old: object, new: object) -> None:
    for module in list(sys.modules.values()):
        if module.__name__.startswith(PACKAGE) and vars(module).get(name) == old:
            setattr(module, name, new)


def is_noticed(run: Callable[[], int]) -> bool:
    """Whether what is run in a process of its own ends with a failure, or does not end."""
    child = os.fork()
    if not child:
        status = 1
        try:
            quiet = os.open(os.devnull, os.O_WRONLY)
            os.dup2(quiet, 1)
            os.dup2(quiet, 2)
            status = run()
        finally:
            os._exit(status)
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status) != 0
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return True


class Mutation:
    """A plugin of pytest that runs the collected tests once for each mutant."""

    def __init__(self, modules: Sequence[str]) -> None:
        self.modules = modules
        self.share = 0.0

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        def tested(mutant: Mutant | None) -> int:
            if mutant:
                apply(mutant)
            for item in session.items:
                reports = runtestprotocol(item, log=False, nextitem=None)
                if any(one.failed for one in reports):
                    return 1
            return 0

        if is_noticed(lambda: tested(None)):
            print("the tests fail already: there is nothing to learn from breaking more")
            return True
        with session.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
            self.share = judge(self.modules, tested)
        return True


def judge(modules: Sequence[str], tested: Callable[[Mutant], int]) -> float:
    """How many per cent of the mutants are noticed; tells those that are not."""
    noticed, missed = 0, 0
    for module in modules:
        for mutant in mutants(module):
            if is_noticed(lambda mutant=mutant: tested(mutant)):  # type: ignore[misc]
                noticed += 1
                continue
            missed += 1
            print(f"not noticed: {mutant.module}.py:{mutant.line}: {mutant.what}", flush=True)
    share = 100 * noticed / max(noticed + missed, 1)
    print(f"{noticed + missed} mutants, {noticed} noticed ({share:.1f} %), {missed} not")
    return share


def main(arguments: Sequence[str]) -> int:
    os.chdir(ROOT)
    mutation = Mutation([Path(one).stem for one in arguments] or FILES)
    tests = [f"tests/unit/supervisor/{one}" for one in TESTS]
    pytest.main(["-q", "-p", "no:cacheprovider", "--hypothesis-seed=0", *tests], plugins=[mutation])
    return 0 if mutation.share >= LEAST else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

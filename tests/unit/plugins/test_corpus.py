"""The corpus of old plugins uses every name of the plugin API: what is missing there is tried by nobody."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from starcluster.plugincode.convert import convert
from tests.plugins.api_names import NAMES

CORPUS = Path(__file__).parents[2] / "plugins" / "corpus"
Use = tuple[str, str]  # by what it is reached, and the name

# section of docs/plugin-api.md -> what the corpus calls such a thing; "" is a definition in the class
REACHED_BY = {
    "Hooks": {""},
    "Node: attributes": {"node", "master"},
    "Node: methods": {"node", "master", "n", "other"},
    "node.ssh": {"ssh"},
    "remote_file()": {"f", "again", "reading"},
    "starcluster.sshutils": {"sshutils"},
    "DefaultClusterSetup": {"self", "super()"},
    "starcluster.threadpool": {"threadpool"},
    "Pool": {"pool"},
    "starcluster.logger": {"logger"},
    "starcluster.utils": {"utils"},
    "starcluster.static": {"static"},
    "starcluster.spinner": {"spinner"},
    "starcluster.exception": {"exception"},
    "node.ec2": {"ec2"},
    "node.ec2.conn": {"conn"},
    "Volume": {"vol"},
    "Instance": {"machine"},
    "starcluster.config": {"config"},
    "starcluster.templates.sge": {"sge"},
    "starcluster.templates.condor": {"condor"},
    "Group": {"group", "parent_cluster", "cluster"},
}


def name_of(value: ast.expr) -> str:
    """`a.b` and `b` are called b, `b[0]` too, and the result of b() is b()."""
    if isinstance(value, ast.Subscript):
        return name_of(value.value)
    if isinstance(value, ast.Call):
        return name_of(value.func) + "()"
    return value.attr if isinstance(value, ast.Attribute) else getattr(value, "id", "")


def uses(text: str) -> Iterator[Use]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Attribute):
            yield name_of(node.value), node.attr
        elif isinstance(node, ast.ImportFrom):
            yield from ((str(node.module).rpartition(".")[2], one.name) for one in node.names)
        elif isinstance(node, ast.ClassDef):
            yield from (("", one.name) for one in node.body if isinstance(one, ast.FunctionDef))


def missing(found: Iterable[Use]) -> list[str]:
    known = set(found)
    return [
        f"{section}: {name}"
        for section, names in NAMES.items()
        for name in names
        if not any((by, name) in known for by in REACHED_BY[section])
    ]


@pytest.fixture(scope="module")
def found() -> set[Use]:
    return {use for path in CORPUS.glob("*.py") for use in uses(convert(path.read_text(), str(path)).text)}


def test_every_name_of_the_plugin_api_is_used_by_the_corpus(found: set[Use]) -> None:
    assert missing(found) == []


def test_a_name_that_is_used_of_something_else_does_not_count() -> None:
    text = (
        "from starcluster import utils\nnode.start()\npool.wait()\nclass A:\n    def run(self): self.ssh.execute(1)\n"
    )
    told = missing(uses(text))
    assert "Node: methods: wait" in told
    for one in ("Node: methods: start", "Pool: wait", "node.ssh: execute", "Hooks: run"):
        assert one not in told


def test_it_is_large_and_old_enough() -> None:
    new = []
    for path in CORPUS.glob("*.py"):
        try:
            compile(path.read_text(), str(path), "exec")
            new.append(path.name)
        except SyntaxError:
            pass
    assert len(list(CORPUS.glob("*.py"))) >= 25 + 1
    assert len(new) <= 22, f"of these only the imports tell that they are for Python 2: {new}"

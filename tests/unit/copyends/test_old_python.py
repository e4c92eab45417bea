"""The end on the node runs on the Python of the node."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

import starcluster.copyends
from starcluster.cluster.copylink import _PARTS

FOLDER = Path(starcluster.copyends.__file__).parent


@pytest.mark.parametrize("name", _PARTS)
def test_python_3_8_reads_it_and_has_all_it_imports(name: str) -> None:
    tree = ast.parse((FOLDER / f"{name}.py").read_text(), feature_version=(3, 8))
    assert any(isinstance(one, ast.ImportFrom) and one.module == "__future__" for one in tree.body)
    for node in ast.walk(tree):
        module = node.module if isinstance(node, ast.ImportFrom) else ""
        for word in [one.name for one in node.names] if isinstance(node, ast.Import) else [module or ""]:
            known = word.split(".")[0] in sys.stdlib_module_names or word.startswith("starcluster.copyends")
            assert not word or known, word


@pytest.mark.parametrize("name", _PARTS)
def test_it_uses_no_newer_method(name: str) -> None:
    text = (FOLDER / f"{name}.py").read_text()
    newer = (
        "removeprefix",
        "removesuffix",
        "match ",
        "strict=",
        "kw_only",
        "slots=",
        "pairwise",
        "file_digest",
        "to_bytes()",
    )
    assert [word for word in newer if word in text] == []


def test_all_modules_go_to_the_node_in_the_order_of_their_imports() -> None:
    seen: set[str] = set()
    for name in _PARTS:
        tree = ast.parse((FOLDER / f"{name}.py").read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("starcluster.copyends."):
                assert (node.module or "").rpartition(".")[2] in seen
        seen.add(name)
    assert seen == {path.stem for path in FOLDER.glob("*.py")} - {"__init__"}

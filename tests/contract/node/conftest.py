"""A running node for the tests of this folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.node.standin_node import Node

ALICE = """#cloud-config
disable_root: false
users:
- default
- {name: alice, groups: [staff], ssh_authorized_keys: ["KEY"]}
"""


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """One node for a module's tests, which leave it usable. In it nothing was ever imported late."""
    one = Node(tmp_path_factory.mktemp("node"))
    one.boot(ALICE.replace("KEY", one.public_key).encode())
    yield one
    one.stop()
    assert (one.folder / "late").read_text() == ""
    assert "late import" not in one.console


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Node]:
    """A node that is not booted yet, for one test."""
    one = Node(tmp_path)
    yield one
    one.stop()

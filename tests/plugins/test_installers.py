"""pkginstaller and pypkginstaller: what they read from their settings, and on which nodes they install."""

from __future__ import annotations

import pytest

from starcluster.plugins.pkginstaller import PackageInstaller
from starcluster.plugins.pypkginstaller import PyPkgInstaller, requirements
from tests.plugins.machines import Machine, call


def test_packages_go_to_all_nodes_and_to_a_new_one_alone() -> None:
    plugin = PackageInstaller("htop, tree\nvim")
    nodes = [Machine("master"), Machine("node001")]
    call(plugin, "run", *nodes)
    assert [node.done for node in nodes] == [[("install", "htop", "tree", "vim")]] * 2
    late = Machine("node002")
    call(plugin, "on_add_node", *nodes, late)
    assert [len(node.done) for node in [*nodes, late]] == [1, 1, 1]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("flask, SQLAlchemy", ["flask", "SQLAlchemy"]),
        ("pyzmq,\nmsgpack,\ngit+https://host/a.git", ["pyzmq", "msgpack", "git+https://host/a.git"]),
        ("numpy>=1,<2, jax[cpu,x]==1", ["numpy>=1,<2", "jax[cpu,x]==1"]),
        ("", []),
        (" , \n", []),
    ],
)
def test_requirements(text: str, found: list[str]) -> None:
    assert requirements(text) == found


def test_python_packages_go_into_the_venv_or_as_the_user_says() -> None:
    node = Machine("master")
    call(PyPkgInstaller("a, b"), "run", node)
    call(PyPkgInstaller("a", install_command="conda install %s"), "run", node)
    call(PyPkgInstaller(""), "run", node)
    assert node.done == [("python", "a", "b"), ("by", "conda install %s", "a")]

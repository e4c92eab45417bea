"""What `starcluster plugin new` writes: a plugin to begin with, and its test."""

from __future__ import annotations

import json
import re
from pathlib import Path

from starcluster import exception

_PLUGIN = '''\
"""{title}: says in one line what the plugin does; `starcluster plugin show {name}` shows it.

    [plugin {name}]
    SETUP_CLASS = {name}.{kind}
    TOOLS = htop, tree          # settings are the arguments of __init__, and always text
    NODES =                     # alice, bob; empty: all nodes
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starcluster.nodeplugin import Facts, NodePlugin, is_named, words

if TYPE_CHECKING:
    from starcluster.cluster.node import Node


class {kind}(NodePlugin):
    # What is asked of each node: a name, and a shell command whose lines are the fact. Asking changes nothing.
    facts = {{"programs": "ls /usr/bin"}}

    def __init__(self, tools: str, nodes: str = "") -> None:
        self.tools = words(tools)
        self.aliases = words(nodes)

    def is_mine(self, node: Node) -> bool:
        """Which nodes get it: the new ones of addnode are asked about too."""
        return is_named(node, self.aliases) if self.aliases else True

    def commands(self, facts: Facts) -> list[str]:
        """What is run on a node, as root, in this order. It may be asked again for the same node: do nothing twice.

        It only computes, so {name}.json tests it without a node: `starcluster plugin test {name}`.
        """
        missing = [tool for tool in self.tools if tool not in facts["programs"]]
        if not missing:
            return []
        return [f"DEBIAN_FRONTEND=noninteractive apt-get install -y {{' '.join(missing)}}"]

    def leaving_commands(self, facts: Facts) -> list[str]:
        """What is run before a node goes, or stops."""
        return []

    # For more than commands, write set_up(self, node, user) and leave(self, node) instead: they are given the node,
    # with node.ssh, node.apt_install and so on, and run for several nodes at once. The hooks of StarCluster (run,
    # on_add_node, on_remove_node, on_restart, on_shutdown) may be overridden as well. docs/plugins.md tells all of it.
'''


def kind_of(name: str) -> str:
    """my_tools -> MyTools"""
    return "".join(part.capitalize() for part in name.split("_"))


def write(name: str, folder: Path) -> tuple[Path, Path]:
    """The plugin's file and its test's; PluginError where one of them is there already."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise exception.PluginError(
            f"'{name}' can not be a plugin's name", hint="use small letters, digits and _, a letter first: my_tools"
        )
    texts = {folder / f"{name}.py": _plugin(name), folder / f"{name}.json": _cases(name)}
    for path in texts:
        if path.exists() or path.is_symlink():
            raise exception.PluginError(f"{path} is there already", hint="choose another name, or another --folder")
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in texts.items():
        with open(path, "x", encoding="utf-8") as file:
            file.write(text)
    plugin, test = texts
    return plugin, test


def _plugin(name: str) -> str:
    return _PLUGIN.format(name=name, kind=kind_of(name), title=kind_of(name))


def _cases(name: str) -> str:
    settings = {"tools": "htop, tree"}
    install = "DEBIAN_FRONTEND=noninteractive apt-get install -y"
    cases = [
        {
            "about": "a node gets what it has not yet",
            "class": kind_of(name),
            "settings": settings,
            "hook": "run",
            "nodes": {
                "master": {"facts": {"programs": ["bash", "htop", "tree"]}},
                "node001": {"facts": {"programs": ["bash", "tree"]}},
            },
            "commands": {"node001": [f"{install} htop"]},
        },
        {
            "about": "a node that is added, and is not among NODES, gets nothing",
            "class": kind_of(name),
            "settings": {**settings, "nodes": "alice"},
            "hook": "on_add_node",
            "node": "node001",
            "nodes": {"node001": {"facts": {"programs": []}}},
            "commands": {},
        },
    ]
    return json.dumps(cases, indent=2) + "\n"

"""A program as users wrote them for StarCluster 0.95.6: it reads what the listing verbs print, and knows nothing else.

It knows runs of dashes, `key: value` blocks, indented node lines as words, and what follows a `$`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_DASHES = re.compile(r"-{4,}")
_KEYPAIR = re.compile(r" *(\S.*?)  (\S+)")
_IMAGE = re.compile(r"\[(\d+)\] (ami-\w+) (\S+) (\S.*) \(((?:HVM-)?EBS)\)")


@dataclass
class Node:
    alias: str
    state: str
    id: str
    address: str
    spot: str = ""


@dataclass
class Cluster:
    tag: str
    uptime: str
    facts: dict[str, str]
    nodes: list[Node] = field(default_factory=list)


def clusters(text: str) -> list[Cluster]:
    """listclusters"""
    parts = [part.strip("\n") for part in _DASHES.split(text)][1:]
    return [_cluster(title, body) for title, body in zip(parts[::2], parts[1::2], strict=True)]


def _cluster(title: str, body: str) -> Cluster:
    lines = body.splitlines()
    uptime = next(line for line in lines if line.startswith("Uptime"))
    facts = dict(line.split(": ", 1) for line in lines if ": " in line and not line.startswith(" "))
    start = lines.index("Cluster nodes:") if "Cluster nodes:" in lines else len(lines)
    nodes = [_node(line.split()) for line in lines[start:] if line.startswith("    ")]
    return Cluster(
        tag=title.split(" (security group: ")[0], uptime=uptime.rpartition(",")[2].strip(), facts=facts, nodes=nodes
    )


def _node(words: list[str]) -> Node:
    node = Node(*words[:4])
    if words[4:5] == ["(spot"]:
        node.spot = words[5].rstrip(")")
    return node


def blocks(text: str) -> list[dict[str, str]]:
    """Everything that is `key: value`, in blocks between empty lines; the total at the end is none."""
    found = []
    for part in text.split("\n\n"):
        pairs = [line.split(":", 1) for line in part.splitlines() if ":" in line and not line.startswith("Total")]
        if pairs:
            found.append({key: value.strip() for key, value in pairs})
    return found


def count(text: str) -> int:
    """The last line: `Total: N`."""
    return int(text.splitlines()[-1].removeprefix("Total: "))


def prices(text: str) -> dict[str, float]:
    """spothistory: the three lines with a dollar."""
    lines = [line.removeprefix(">>> ") for line in text.splitlines() if "$" in line]
    return {line.split(":")[0]: float(line.partition("$")[2]) for line in lines}


def keypairs(text: str) -> dict[str, str]:
    return {found[1]: found[2] for line in text.splitlines() if (found := _KEYPAIR.fullmatch(line))}


def images(text: str) -> dict[str, str]:
    """listimages and listpublic: id -> name."""
    return {found[2]: found[4] for line in text.splitlines() if (found := _IMAGE.fullmatch(line))}

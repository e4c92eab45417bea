"""What the metadata service tells each node, kept over the agent's death."""

import logging
import threading
from typing import Any

from starcluster.localcloud.hosts.files import read_json, write_json
from starcluster.localcloud.hosts.nodes import Nodes
from starcluster.localcloud.places import Places

log = logging.getLogger("metadata")


class Metadata:
    """Metadata trees by instance id."""

    def __init__(self, places: Places, nodes: Nodes) -> None:
        self._places = places
        self._nodes = nodes
        self._trees: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()

    def put(self, instance_id: str, tree: dict[str, Any]) -> None:
        """Replace a node's tree."""
        directory = self._places.nodes / instance_id
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._lock:
            self._trees[instance_id] = tree
            try:
                write_json(directory / "metadata.json", tree)
            except OSError as error:  # the node is told all the same, as of its interruption
                log.error("the metadata of %s cannot be written: %s", instance_id, error)

    def of_address(self, address: str) -> dict[str, Any] | None:
        """The tree of the running node that asks from this address."""
        node = self._nodes.by_address(address)
        return None if node is None else self._of(node.id)

    def _of(self, instance_id: str) -> dict[str, Any] | None:
        with self._lock:
            if instance_id not in self._trees:
                tree = read_json(self._places.nodes / instance_id / "metadata.json")
                if tree is None:
                    return None
                self._trees[instance_id] = tree
            return self._trees[instance_id]

    def drop(self, instance_id: str) -> None:
        """The node is forgotten."""
        with self._lock:
            self._trees.pop(instance_id, None)

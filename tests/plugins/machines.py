"""Nodes that write down what plugins have them do; scripts answer what the test says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from starcluster.clustersetup import ClusterSetup

Answer = Callable[[str, str], list[str]]


class Machine:
    """`answer(what, text)` is what a script prints. `scripts`: (what, text); `done`: calls of methods."""

    cluster_tag, region, package_provider, num_processors = "mycluster", "us-east-1", "apt", 2
    private_ip_address, dns_name = "10.0.0.1", "master.example.org"

    def __init__(self, alias: str, *, answer: Answer = lambda what, text: [], has: Sequence[str] = ()) -> None:
        self.alias, self.up = alias, True
        self.scripts: list[tuple[str, str]] = []
        self.secret: list[str] = []
        self.done: list[tuple[Any, ...]] = []
        self._answer = answer
        self.ssh = SimpleNamespace(script=self._script, which=lambda name: [name] if name in has else [])
        self.software = SimpleNamespace(
            install=lambda names: self.done.append(("install", *names)),
            install_python=self._install_python,
            install_by=lambda command, names: self.done.append(("by", command, *names)),
        )
        self.described = SimpleNamespace(instance_profile="")
        self.ec2 = SimpleNamespace(
            region="us-east-1",
            cloud=SimpleNamespace(public=True),
            api=SimpleNamespace(credentials=lambda: ("AKIAKEY", "very-secret", "")),
        )

    def _script(self, text: str, *, what: str, secret: bool = False) -> list[str]:
        self.scripts.append((what, text))
        if secret:
            self.secret.append(what)
        return self._answer(what, text)

    def _install_python(self, names: Sequence[str]) -> str:
        self.done.append(("python", *names))
        return "/opt/starcluster/python/bin/python"

    @contextmanager
    def together(self) -> Iterator[None]:
        yield

    def is_master(self) -> bool:
        return self.alias == "master"

    def is_running(self) -> bool:
        return self.up

    def is_ssh_up(self) -> bool:
        return self.up

    def __getattr__(self, name: str) -> Any:
        def note(*words: Any, **more: Any) -> list[str]:
            self.done.append((name, *words))
            return ["private", "key", "public"] if name == "make_key_for_user" else []

        return note

    @property
    def whats(self) -> list[str]:
        return [what for what, _ in self.scripts]


def call(plugin: ClusterSetup, hook: str, *nodes: Machine) -> None:
    """`nodes` begins with the master; a hook for one node is for the last."""
    first = (nodes[-1],) if hook in ("on_add_node", "on_remove_node") else ()
    getattr(plugin, hook)(*first, list(nodes), nodes[0], "alice", "bash", {})

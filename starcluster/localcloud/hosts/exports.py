"""exports(5): which directories a node shares, and with whom."""

import fnmatch
import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Client:
    """Who may mount: a host name, a pattern of names, an address, a network, or * for everybody."""

    pattern: str
    options: frozenset[str]

    @property
    def read_only(self) -> bool:
        """Exports are read-only unless they say rw."""
        return "rw" not in self.options


@dataclass(frozen=True, kw_only=True)
class Export:
    """One exported directory."""

    path: str
    clients: tuple[Client, ...]

    def covers(self, path: str) -> bool:
        """Whether the path is the exported directory or lies below it."""
        return path == self.path or path.startswith(self.path.rstrip("/") + "/")


_WORD = re.compile(r'(?:"[^"]*"|\S)+')


def parse(text: str) -> tuple[list[Export], list[str]]:
    """The exports in a table, and complaints about lines that make no sense."""
    exports: list[Export] = []
    complaints: list[str] = []
    for line in text.replace("\\\n", " ").splitlines():
        words = [word.replace('"', "") for word in _WORD.findall(line.partition("#")[0])]
        if not words:
            continue
        if not words[0].startswith("/"):
            complaints.append(f"no absolute path: {line.strip()}")
            continue
        path = words[0].replace("\\040", " ")
        exports.append(Export(path=path.rstrip("/") or "/", clients=tuple(_clients(words[1:]))))
    return exports, complaints


def _clients(words: list[str]) -> Iterator[Client]:
    default = ""
    found = False
    for word in words:
        if word.startswith("-"):
            default = word[1:]
            continue
        found = True
        name, _, options = word.rstrip(")").partition("(")
        yield Client(pattern=name or "*", options=frozenset((options or default).split(",")))
    if not found:
        yield Client(pattern="*", options=frozenset(default.split(",")))


def permitted(exports: list[Export], path: str, address: str, names: Mapping[str, frozenset[str]]) -> Client | None:
    """By which entry the host with that address may mount `path`; None when by none.

    `names` is the server's view of host names: address -> names. The deepest export decides.
    """
    covering = sorted((one for one in exports if one.covers(path)), key=lambda one: len(one.path), reverse=True)
    for export in covering:
        for client in export.clients:
            if _matches(client.pattern, address, names.get(address, frozenset())):
                return client
    return None


def _matches(pattern: str, address: str, names: frozenset[str]) -> bool:
    if pattern == "*":
        return True
    try:
        return ipaddress.ip_address(address) in ipaddress.ip_network(pattern, strict=False)
    except ValueError:
        return any(fnmatch.fnmatch(name.lower(), pattern.lower()) for name in names)


def names_by_address(hosts: str) -> dict[str, frozenset[str]]:
    """A hosts(5) text, turned round."""
    found: dict[str, frozenset[str]] = {}
    for line in hosts.splitlines():
        address, *names = line.partition("#")[0].split() or [""]
        if names:
            found[address] = found.get(address, frozenset()) | frozenset(names)
    return found

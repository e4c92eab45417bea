"""Who a node is: its SSH host keys, read from the console and kept by instance id.

Addresses are reused and a named node has another key after every launch, so the file
`known_hosts` is written and asked by instance id (HostKeyAlias), never by address.
cloud-init prints the public keys to the console, which only EC2 can serve: that makes even the
first connection safe.
"""

from __future__ import annotations

import contextlib
import fcntl
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from starcluster import wholefile
from starcluster.clock import Clock, wait_until
from starcluster.ownfolder import home

_BLOCK = re.compile(
    r"-----BEGIN SSH HOST KEY KEYS-----(.*?)-----END SSH HOST KEY KEYS-----",
    re.DOTALL,
)
_KEY = re.compile(r"((?:ssh|ecdsa)-[a-z0-9-]+) (AAAA[0-9A-Za-z+/]+={0,2})")


@dataclass(frozen=True, kw_only=True)
class HostKey:
    """A public host key: its type (`ssh-ed25519`) and the key in base64, as in known_hosts."""

    kind: str
    blob: str


def parse_console(text: str) -> list[HostKey]:
    """The host keys of the last whole block that cloud-init printed; [] when there is none (yet)."""
    blocks = _BLOCK.findall(text)
    if not blocks:
        return []
    return [HostKey(kind=kind, blob=blob) for kind, blob in _KEY.findall(blocks[-1])]


class KnownHosts:
    """The file of host keys by instance id, shared by the programs of one user."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or home() / "known_hosts"

    def keys(self, instance_id: str) -> list[HostKey]:
        """What is known of this instance; [] when nothing is."""
        return [key for name, key in self._entries() if name == instance_id]

    def add(self, instance_id: str, keys: Iterable[HostKey]) -> None:
        """Remember keys; the ones already known are not written again."""
        with self._locked():
            known = set(self.keys(instance_id))
            lines = [f"{instance_id} {key.kind} {key.blob}\n" for key in keys if key not in known]
            with self.path.open("a", encoding="utf-8") as file:
                file.writelines(lines)

    def forget(self, instance_ids: Iterable[str]) -> None:
        """Drop what is known of instances that are gone."""
        gone = set(instance_ids)
        with self._locked():
            if not any(name in gone for name, _ in self._entries()):
                return
            kept = [f"{name} {key.kind} {key.blob}\n" for name, key in self._entries() if name not in gone]
            wholefile.replace(self.path, "".join(kept))

    def _entries(self) -> list[tuple[str, HostKey]]:
        try:
            lines = self.path.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []
        words = [line.split() for line in lines]
        return [(word[0], HostKey(kind=word[1], blob=word[2])) for word in words if len(word) >= 3]

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with open(self.path.with_name(self.path.name + ".lock"), "w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def learn(
    instance_id: str,
    *,
    known: KnownHosts,
    console: Callable[[], str],
    clock: Clock,
    limit: float,
    pause: float = 5.0,
) -> list[HostKey]:
    """The instance's keys, from the file or else from its console, asked until `limit` EC2 seconds are over.

    Returns [] when the console told none.
    """
    keys = known.keys(instance_id)
    if keys:
        return keys
    found = wait_until(lambda: parse_console(console()), limit=limit, pause=pause, clock=clock)
    if found:
        known.add(instance_id, found)
    return found or []

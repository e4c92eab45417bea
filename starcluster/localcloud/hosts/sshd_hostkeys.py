"""A node's SSH host keys: kept on its disk, made on its first boot unless it was given some."""

import os
from collections.abc import Mapping
from pathlib import Path

import asyncssh

KINDS = ("ed25519", "ecdsa", "rsa")


def private_path(directory: Path, kind: str) -> Path:
    """Where the private key of that kind lies; the public one has .pub added."""
    return directory / f"ssh_host_{kind}_key"


def host_keys(directory: Path) -> list[Path]:
    """The private host keys that are there, the preferred kind first."""
    return [path for kind in KINDS if (path := private_path(directory, kind)).is_file()]


def ensure_host_keys(directory: Path, *, comment: str = "") -> list[Path]:
    """The node's host keys; one ed25519 key is made where there is none."""
    present = host_keys(directory)
    if present:
        return present
    key = asyncssh.generate_private_key("ssh-ed25519", comment=comment or None)
    write_host_key(directory, "ed25519", key.export_private_key(), key.export_public_key())
    return host_keys(directory)


def write_host_key(directory: Path, kind: str, private: bytes, public: bytes) -> None:
    """Put a key pair in its place, the private half readable by root only."""
    directory.mkdir(parents=True, exist_ok=True)
    path = private_path(directory, kind)
    _write(path, private, 0o600)
    _write(Path(f"{path}.pub"), public, 0o644)


def public_keys(directory: Path) -> Mapping[str, str]:
    """Public host keys, `type base64 comment`, by their SHA256 fingerprint."""
    lines: dict[str, str] = {}
    for path in host_keys(directory):
        key = asyncssh.read_private_key(path)
        lines[key.get_fingerprint()] = key.export_public_key().decode().strip()
    return lines


def _write(path: Path, data: bytes, mode: int) -> None:
    fresh = path.with_name(path.name + ".new")
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(fd, "wb") as file:
        os.fchmod(file.fileno(), mode)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)

"""Python 2's hashlib: strings are hashed."""

from __future__ import annotations

import hashlib as _today
from hashlib import *  # noqa: F403
from typing import Any

from starcluster.python2 import to_bytes


class _Hash:
    """A hash that takes text."""

    def __init__(self, hash_: Any) -> None:
        self._hash = hash_

    def update(self, data: Any) -> None:
        self._hash.update(to_bytes(data))

    def copy(self) -> _Hash:
        return _Hash(self._hash.copy())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._hash, name)


def new(name: str, data: Any = "") -> _Hash:
    return _Hash(_today.new(name, to_bytes(data), usedforsecurity=False))


def md5(data: Any = "") -> _Hash:
    return new("md5", data)


def sha1(data: Any = "") -> _Hash:
    return new("sha1", data)


def sha224(data: Any = "") -> _Hash:
    return new("sha224", data)


def sha256(data: Any = "") -> _Hash:
    return new("sha256", data)


def sha384(data: Any = "") -> _Hash:
    return new("sha384", data)


def sha512(data: Any = "") -> _Hash:
    return new("sha512", data)

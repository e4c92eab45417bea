"""A new key pair, whose private key goes into a new file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starcluster.aws.network import Network
    from starcluster.model import KeyPair


def create(network: Network, name: str, path: Path, *, tags: Mapping[str, str]) -> KeyPair:
    """The file is made before the key, for EC2 tells the private key once only; OSError, AWSError."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
    with os.fdopen(handle, "w") as file:
        try:
            pair, secret = network.create_key(name, tags=tags)
        except BaseException:
            path.unlink()
            raise
        file.write(secret)
    return pair

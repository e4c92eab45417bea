"""StarCluster's name for what is in starcluster.ssh: plugins import from here."""

from starcluster.ssh.client import Connection, SSHClient
from starcluster.ssh.keys import (
    generate_rsa_key,
    get_dsa_key,
    get_private_rsa_fingerprint,
    get_public_key,
    get_public_rsa_fingerprint,
    get_rsa_key,
)

__all__ = [
    "Connection",
    "SSHClient",
    "generate_rsa_key",
    "get_dsa_key",
    "get_private_rsa_fingerprint",
    "get_public_key",
    "get_public_rsa_fingerprint",
    "get_rsa_key",
]

"""Addresses of instances: private ones in their subnet, public ones in the cloud's part of 127.77.0.0/16 only."""

from __future__ import annotations

import ipaddress
from collections.abc import Container
from dataclasses import dataclass, field

from starcluster.localcloud import parts

PUBLIC_PREFIX = "127.77"
# EC2 keeps the first four addresses of every subnet and the last for itself.
RESERVED_LOW = 4


class AddressesExhausted(Exception):
    """Every address of the range is in use."""


@dataclass(kw_only=True)
class Addresses:
    """Hands out addresses in order; a freed one is not given again before the range has been gone through."""

    part: int = 0
    next_public: int = 1
    next_private: dict[str, int] = field(default_factory=dict)

    def public(self, taken: Container[str]) -> str:
        """The next free public address."""
        for step in range(parts.SIZE - 2):
            offset = (self.next_public + step - 1) % (parts.SIZE - 2) + 1
            number = self.part * parts.SIZE + offset
            address = f"{PUBLIC_PREFIX}.{number >> 8}.{number & 255}"
            if address not in taken:
                self.next_public = offset + 1
                return address
        raise AddressesExhausted(f"{PUBLIC_PREFIX}.{self.part * parts.SIZE >> 8}.0/22")

    def private(self, subnet_id: str, cidr: str, taken: Container[str]) -> str:
        """The next free private address of a subnet."""
        network = ipaddress.ip_network(cidr)
        usable = network.num_addresses - RESERVED_LOW - 1
        start = self.next_private.get(subnet_id, 0)
        for step in range(max(0, usable)):
            offset = (start + step) % usable
            address = str(network[RESERVED_LOW + offset])
            if address not in taken:
                self.next_private[subnet_id] = offset + 1
                return address
        raise AddressesExhausted(cidr)


def public_dns(address: str | None) -> str:
    """The public DNS name of a public address; only this cloud's dialer knows it."""
    return f"ec2-{address.replace('.', '-')}.compute-1.localcloud" if address else ""


def private_dns(address: str | None, region: str) -> str:
    """EC2's private DNS name of a private address."""
    if not address:
        return ""
    domain = "ec2.internal" if region == "us-east-1" else f"{region}.compute.internal"
    return f"ip-{address.replace('.', '-')}.{domain}"


def short_host(address: str) -> str:
    """The host name that EC2 gives to an instance with this private address."""
    return f"ip-{address.replace('.', '-')}"

"""SSH_CIDR and SSH_PROXY: what may be written there. Pure functions; ValueError for anything else."""

from __future__ import annotations

import re

AUTO = "auto"
SSM = "ssm"
_PROXY = re.compile(
    r"(?:(?P<user>[A-Za-z0-9_][A-Za-z0-9._-]*)@)?(?P<host>[A-Za-z0-9][A-Za-z0-9.-]*)(?::(?P<port>\d+))?\Z"
)
_LAST_PORT = 65535


def cidr(text: str) -> str:
    """An IPv4 range; a single address is the range that holds it alone, `auto` is where this machine is."""
    import iptools

    if text.lower() == AUTO:
        return AUTO
    if iptools.ipv4.validate_ip(text) and text.count(".") == 3:
        return f"{text}/32"
    if not iptools.ipv4.validate_cidr(text):
        raise ValueError(text)
    return text


def proxy(text: str) -> str:
    """`[user@]host[:port]` of a bastion, or `ssm`."""
    if text.lower() == SSM:
        return SSM
    parts(text)
    return text


def parts(text: str) -> tuple[str, str, int | None]:
    """A bastion's (user, host, port); "" and None where ssh's own settings decide."""
    found = _PROXY.match(text)
    if found is None:
        raise ValueError(text)
    port = int(found["port"]) if found["port"] else None
    if port is not None and not 1 <= port <= _LAST_PORT:
        raise ValueError(text)
    return found["user"] or "", found["host"], port

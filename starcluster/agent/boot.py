"""Which boot of the machine this is."""

from __future__ import annotations


def boot_id() -> str:
    """The kernel's name for this boot; "" where there is none."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""

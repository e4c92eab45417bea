"""Everything that the server will ever need, loaded and used once while the packages can still be read."""

import importlib
import logging

import asyncssh

from starcluster.localcloud.hosts import cloudinit_userdata

# loaded at their first use only, by the standard library or by asyncssh
LATE = (
    "asyncio.subprocess",
    "concurrent.futures.thread",
    "encodings.ascii",
    "encodings.idna",
    "encodings.latin_1",
    "encodings.raw_unicode_escape",
    "encodings.unicode_escape",
    "encodings.utf_8",
    "grp",
    "linecache",
    "pwd",
    "starcluster.localcloud.hosts.cloudinit",
    "stringprep",
    "traceback",
)


def preload() -> None:
    """Load all modules. To be called in the process that nodes are forked from, before any pivot_root."""
    for name in LATE:
        importlib.import_module(name)
    cloudinit_userdata.preload()
    asyncssh.set_log_level(logging.WARNING)

"""A quick import of moto: a third of its time goes to the garbage collector, another to files read again and again."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def quickly() -> Iterator[None]:
    """Around imports: nothing is looked for garbage, and what botocore reads is read once for all of moto's sessions.

    What is there at the end is taken for what stays until the process ends.
    """
    gc.disable()
    try:
        with _reading_once():
            yield
    finally:
        gc.freeze()
        gc.enable()


@contextmanager
def _reading_once() -> Iterator[None]:
    """Each session that moto makes has a loader of its own, and each of those would parse the same large files."""
    from botocore.loaders import JSONFileLoader

    where: Any = JSONFileLoader
    read, known = where.load_file, dict[str, Any]()

    def read_once(loader: Any, path: str) -> Any:
        if path not in known:
            known[path] = read(loader, path)
        return known[path]

    where.load_file = read_once
    try:
        yield
    finally:
        where.load_file = read

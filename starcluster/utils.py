"""StarCluster's odds and ends that plugins import; this program itself uses none of them."""

from __future__ import annotations

import functools
import re
import secrets
import shutil
import string
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlparse

from starcluster.cluster.accounts import GroupEntry as struct_group
from starcluster.cluster.accounts import PasswdEntry as struct_passwd
from starcluster.exception import CommandNotFound
from starcluster.logger import log

__all__ = [
    "AttributeDict",
    "check_required",
    "chunk_list",
    "generate_passwd",
    "get_fq_class_name",
    "has_required",
    "is_url",
    "is_valid_device",
    "is_valid_hostname",
    "is_valid_partition",
    "print_timing",
    "string_to_file",
    "struct_group",
    "struct_passwd",
    "which",
]
T = TypeVar("T")
_DEVICE = re.compile(r"/dev/sd[a-z]\Z")
_PARTITION = re.compile(r"/dev/sd[a-z][1-9][0-9]?\Z")
_HOST_LABEL = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)\Z")


class AttributeDict(dict[str, Any]):
    """A dict whose keys are attributes too."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value


def print_timing(message: Any = None) -> Any:
    """Decorator that logs how long a call took; with or without a message of its own."""

    def wrap(func: Callable[..., Any], what: str) -> Callable[..., Any]:
        @functools.wraps(func)
        def timed(*args: Any, **kwargs: Any) -> Any:
            began = time.monotonic()
            result = func(*args, **kwargs)
            log.info("%s took %.3f mins", what, (time.monotonic() - began) / 60)
            return result

        return timed

    if callable(message):
        return wrap(message, message.__name__)
    return lambda func: wrap(func, message or func.__name__)


def chunk_list(items: Sequence[T], size: int = 8) -> Iterator[Sequence[T]]:
    """Pieces of at most `size` items."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def generate_passwd(length: int) -> str:
    letters = string.ascii_letters + string.digits
    return "".join(secrets.choice(letters) for _ in range(length))


def get_fq_class_name(thing: object) -> str:
    return f"{type(thing).__module__}.{type(thing).__name__}"


def is_valid_device(device: str) -> bool:
    return bool(_DEVICE.match(device))


def is_valid_partition(partition: str) -> bool:
    return bool(_PARTITION.match(partition))


def is_valid_hostname(name: str) -> bool:
    return len(name) <= 255 and all(_HOST_LABEL.match(label) for label in name.rstrip(".").split("."))


def is_url(text: str) -> bool:
    return bool(urlparse(text).scheme and urlparse(text).netloc)


def which(program: str) -> list[str]:
    """[path] of a program on this machine, or []."""
    found = shutil.which(program)
    return [found] if found else []


def has_required(programs: Sequence[str]) -> bool:
    return all(which(program) for program in programs)


def check_required(programs: Sequence[str]) -> None:
    """CommandNotFound for the first program that this machine has not."""
    for program in programs:
        if not which(program):
            raise CommandNotFound(f"there is no program '{program}' on this machine")


def string_to_file(text: str, filename: str) -> str:
    """Write a text to a file, return its name."""
    Path(filename).write_text(text, encoding="utf-8")
    return filename

"""StarCluster's odds and ends that plugins import; this program itself uses none of them."""

from __future__ import annotations

import functools
import io
import re
import secrets
import shutil
import string
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import urlparse

from starcluster.cluster.accounts import GroupEntry as struct_group
from starcluster.cluster.accounts import PasswdEntry as struct_passwd
from starcluster.exception import CommandNotFound
from starcluster.logger import INFO, log, log_level
from starcluster.spinner import Spinner

__all__ = [
    "AttributeDict",
    "check_required",
    "chunk_list",
    "datetime_tuple_to_iso",
    "generate_passwd",
    "get_elapsed_time",
    "get_fq_class_name",
    "get_spinner",
    "has_required",
    "is_url",
    "is_valid_device",
    "is_valid_hostname",
    "is_valid_partition",
    "iso_to_datetime_tuple",
    "iso_to_javascript_timestamp",
    "iso_to_localtime_tuple",
    "iso_to_unix_time",
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


def get_spinner(msg: str) -> Spinner:
    """Tell what goes on, and let a spinner turn behind it; the caller stops it."""
    log.info("%s", msg)
    spinner = Spinner()
    if log_level() == INFO:  # debug lines would run into it
        spinner.start()
    return spinner


def chunk_list(ls: Sequence[T], items: int = 8) -> Iterator[Sequence[T]]:
    """Pieces of at most `items` each."""
    for start in range(0, len(ls), items):
        yield ls[start : start + items]


def generate_passwd(length: int) -> str:
    letters = string.ascii_letters + string.digits
    return "".join(secrets.choice(letters) for _ in range(length))


def get_fq_class_name(obj: object) -> str:
    """module.Class of an object."""
    return f"{type(obj).__module__}.{type(obj).__name__}"


# --- EC2's times, such as node.launch_time: 2026-01-31T12:00:00.000Z


def iso_to_datetime_tuple(iso: str) -> datetime:
    """The moment, in UTC and without a zone, as StarCluster had it."""
    return datetime.fromisoformat(iso).astimezone(UTC).replace(tzinfo=None)


def datetime_tuple_to_iso(tup: datetime) -> str:
    return tup.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def iso_to_unix_time(iso: str) -> int:
    """Whole seconds since 1970."""
    return int(iso_to_datetime_tuple(iso).replace(tzinfo=UTC).timestamp())


def iso_to_javascript_timestamp(iso: str) -> int:
    """Milliseconds since 1970."""
    return iso_to_unix_time(iso) * 1000


def iso_to_localtime_tuple(iso: str) -> datetime:
    """The moment by this machine's clock, without a zone."""
    return datetime.fromtimestamp(iso_to_unix_time(iso))


def get_elapsed_time(past_time: str) -> str:
    """`D days, HH:MM:SS` since then."""
    seconds = max(int(time.time() - iso_to_unix_time(past_time)), 0)
    hours, rest = divmod(seconds % 86400, 3600)
    return f"{seconds // 86400} days, {hours:02d}:{rest // 60:02d}:{rest % 60:02d}"


def is_valid_device(device: str) -> bool:
    return bool(_DEVICE.match(device))


def is_valid_partition(partition: str) -> bool:
    return bool(_PARTITION.match(partition))


def is_valid_hostname(hostname: str) -> bool:
    return len(hostname) <= 255 and all(_HOST_LABEL.match(label) for label in hostname.rstrip(".").split("."))


def is_url(url: str) -> bool:
    return bool(urlparse(url).scheme and urlparse(url).netloc)


def which(program: str) -> str | None:
    """The path of a program on this machine, None if there is none."""
    return shutil.which(program)


def has_required(programs: Sequence[str]) -> bool:
    return all(which(program) for program in programs)


def check_required(programs: Sequence[str]) -> bool:
    """True, or CommandNotFound for the first program that this machine has not."""
    for program in programs:
        if not which(program):
            raise CommandNotFound(f"there is no program '{program}' on this machine")
    return True


def string_to_file(string: str, filename: str) -> io.StringIO:
    """The text as an open file of that name; nothing is written to the disk."""
    file = io.StringIO(string)
    file.name = filename
    return file

"""What s3sync needs on a node, in one archive: the program, and botocore with what it stands on, from this very venv.

Of botocore's data only S3's and STS's come along. Nothing is imported here: the files are looked up and packed.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib.metadata
import io
import re
import tarfile
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import starcluster.s3sync
from starcluster import exception

LIBRARIES = {"botocore": "botocore", "jmespath": "jmespath", "urllib3": "urllib3", "dateutil": "python-dateutil"}
MODULES = {"six": "six"}
_DATA = ("data/s3/", "data/sts/")
_LEFT_OUT = re.compile(r"__pycache__|\.pyc$|/contrib/emscripten/|zoneinfo/.*\.tar\.gz|\.c$|\.so$")
_LOWEST = re.compile(r">=\s*3\.(\d+)")
_MAIN = """import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from starcluster.s3sync.main import run

run()
"""


@cache
def lowest_python() -> tuple[int, int]:
    """The oldest Python that all of it runs on."""
    wanted = [importlib.metadata.metadata(name).json.get("requires_python", "") for name in LIBRARIES.values()]
    return 3, max([8, *(int(one) for text in wanted for one in _LOWEST.findall(str(text)))])


@cache
def version() -> str:
    """Twelve letters that name these very contents."""
    digest = hashlib.sha256(f"{_LEFT_OUT.pattern} {_DATA} {_MAIN}".encode())
    for name in sorted([*LIBRARIES.values(), *MODULES.values()]):
        digest.update(f"{name} {importlib.metadata.version(name)}\n".encode())
    for name, path in _own():
        digest.update(name.encode() + path.read_bytes())
    return digest.hexdigest()[:12]


@cache
def archive() -> bytes:
    """A tar file, gzipped; the same sources give the same bytes."""
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as zipped, tarfile.open(fileobj=zipped, mode="w") as tar:
        _add(tar, "__main__.py", _MAIN.encode())
        _add(tar, "starcluster/__init__.py", b"")
        for name, path in [*_own(), *_libraries()]:
            _add(tar, name, path.read_bytes())
    return packed.getvalue()


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    about = tarfile.TarInfo(name)
    about.size, about.mode = len(content), 0o644
    tar.addfile(about, io.BytesIO(content))


def _own() -> Iterator[tuple[str, Path]]:
    folder = Path(starcluster.s3sync.__file__).parent
    for path in sorted(folder.glob("*.py")):
        yield f"starcluster/s3sync/{path.name}", path


def _libraries() -> Iterator[tuple[str, Path]]:
    for name in MODULES:
        yield f"{name}.py", _place(name)
    for name in LIBRARIES:
        root = _place(name).parent
        for path in sorted(root.rglob("*")):
            inner = str(path.relative_to(root))
            if path.is_file() and _is_wanted(f"/{inner}"):
                yield f"{name}/{inner}", path


def _is_wanted(inner: str) -> bool:
    if _LEFT_OUT.search(inner):
        return False
    in_folder = inner.startswith("/data/") and inner.count("/") > 2
    return not in_folder or inner.lstrip("/").startswith(_DATA)


def _place(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise exception.BaseException(f"the library {name} is missing here", hint="install starcluster-spot anew")
    return Path(spec.origin)

"""Package registries of a test's own: a PyPI index and a Debian archive in a folder, served on the loopback."""

from __future__ import annotations

import base64
import functools
import hashlib
import importlib.metadata
import re
import subprocess
import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from packaging.requirements import Requirement


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        """Silence."""


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """The address at which the folder is served."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def add_thing(folder: Path) -> None:
    """`lctestthing`, as a wheel in folder/simple and as a Debian package in folder/debian."""
    about = "Metadata-Version: 2.1\nName: lctestthing\nVersion: 1.0\n"
    files = {
        "lctestthing.py": b"word = 'installed'\n",
        "lctestthing-1.0.dist-info/METADATA": about.encode(),
        "lctestthing-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    _add_wheel(folder, "lctestthing", "lctestthing-1.0", "py3-none-any", files)
    _add_archive(folder / "debian")


def add_installed(folder: Path, name: str) -> None:
    """What is installed here under that name, and what it needs, as wheels in folder/simple."""
    wanted, seen = [name], set()
    while wanted:
        one = _plain(wanted.pop())
        if one in seen:
            continue
        seen.add(one)
        found = importlib.metadata.distribution(one)
        _add_installed(folder, one, found)
        needs = [Requirement(text) for text in found.requires or ()]
        wanted += [need.name for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})]


def _add_installed(folder: Path, name: str, found: importlib.metadata.Distribution) -> None:
    inside = [path for path in found.files or () if ".." not in path.parts and path.suffix != ".pyc"]
    files = {
        str(path): Path(str(path.locate())).read_bytes()
        for path in inside
        if path.name not in ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")
    }
    tags = re.findall(r"^Tag: (\S+)", found.read_text("WHEEL") or "", re.MULTILINE)
    parts = [".".join(dict.fromkeys(part)) for part in zip(*(tag.split("-") for tag in tags), strict=True)]
    stem = next(path.parts[0] for path in inside if path.name == "METADATA").removesuffix(".dist-info")
    _add_wheel(folder, name, stem, "-".join(parts), files)


def _add_wheel(folder: Path, name: str, stem: str, tags: str, files: Mapping[str, bytes]) -> None:
    place = folder / "simple" / name
    place.mkdir(parents=True)
    record = ""
    with zipfile.ZipFile(place / f"{stem}-{tags}.whl", "w") as wheel:
        for path, content in files.items():
            wheel.writestr(path, content)
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            record += f"{path},sha256={digest},{len(content)}\n"
        wheel.writestr(f"{stem}.dist-info/RECORD", f"{record}{stem}.dist-info/RECORD,,\n")
    (place / "index.html").write_text(f'<a href="{stem}-{tags}.whl">{stem}-{tags}.whl</a>')


def _add_archive(folder: Path) -> None:
    tree = folder / "tree"
    (tree / "DEBIAN").mkdir(parents=True)
    about = (
        "Package: lctestthing\nVersion: 1\nArchitecture: all\nMaintainer: nobody <n@example.org>\nDescription: test\n"
    )
    (tree / "DEBIAN/control").write_text(about)
    (tree / "usr/share/lctestthing").mkdir(parents=True)
    (tree / "usr/share/lctestthing/word").write_text("installed\n")
    package = folder / "lctestthing.deb"
    subprocess.run(
        ["dpkg-deb", "--build", "--root-owner-group", str(tree), str(package)], check=True, capture_output=True
    )
    content = package.read_bytes()
    facts = f"Filename: ./lctestthing.deb\nSize: {len(content)}\nSHA256: {hashlib.sha256(content).hexdigest()}\n"
    (folder / "Packages").write_text(about + facts)


def _plain(name: str) -> str:
    """As an index has it."""
    return re.sub(r"[-_.]+", "-", name).lower()

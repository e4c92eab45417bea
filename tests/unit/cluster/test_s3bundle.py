"""The S3 client that is brought to a node: what is in it, and what a node without a Python for it is told."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from starcluster import exception
from starcluster.cluster import s3bundle
from starcluster.cluster.s3program import S3Program

_PLACES = ("/usr/local/lib/starcluster", "/usr/local/bin")
_CLAIMS = """case "$1" in
-V) echo Python {words};;
*) exec {real} -c "import sys; sys.version_info = {version}; $2";;
esac"""


def claims(*version: int) -> str:
    """A Python that says it is of that version, whatever looks at it."""
    return _CLAIMS.format(real=sys.executable, version=version, words=".".join(map(str, version)))


class Machine:
    """A node's shell: real sh, whose folders lie below `folder` and whose only Pythons are those in `bin`."""

    alias = "bob"

    def __init__(self, folder: Path) -> None:
        self.folder, self.bin = folder, folder / "path"
        self.bin.mkdir()
        self.torn = False
        self.s3 = S3Program(cast("Any", SimpleNamespace(alias=self.alias, ssh=self)))
        for name in ("sh", "cat", "tar", "gzip", "mkdir", "mv", "rm", "touch", "chmod", "wc", "dirname", "grep"):
            place = next(one for one in (f"/bin/{name}", f"/usr/bin/{name}") if os.path.exists(one))
            (self.bin / name).symlink_to(place)

    def python(self, name: str, body: str) -> None:
        (self.bin / name).write_text(f"#!/bin/sh\n{body}\n")
        (self.bin / name).chmod(0o755)

    def run(self, command: str, *, data: bytes = b"", timeout: float | None = None) -> tuple[int, bytes, bytes]:
        for place in _PLACES:
            command = command.replace(place, f"{self.folder}{place}")
        data = data[:1000] if self.torn else data
        done = subprocess.run(
            [self.bin / "sh", "-c", command], input=data, capture_output=True, env={"PATH": str(self.bin)}, check=False
        )
        return done.returncode, done.stdout, done.stderr

    @property
    def program(self) -> Path:
        return self.folder / "usr/local/bin/starcluster-s3sync"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_it_has_the_client_with_s3_only_and_nothing_compiled() -> None:
    with tarfile.open(fileobj=io.BytesIO(s3bundle.archive())) as tar:
        names = tar.getnames()
    services = {match[1] for name in names if (match := re.match(r"botocore/data/([^/]+)/", name))}
    assert services == {"s3", "sts"}
    assert {"__main__.py", "six.py", "starcluster/s3sync/main.py", "botocore/session.py"} <= set(names)
    assert "botocore/data/endpoints.json" in names
    own = {name for name in names if name.startswith("starcluster/")}
    assert own == {"starcluster/__init__.py", *(name for name in own if name.startswith("starcluster/s3sync/"))}
    assert [name for name in names if name.endswith((".pyc", ".so", ".c"))] == []


def test_the_same_sources_give_the_same_bytes() -> None:
    first = s3bundle.archive()
    s3bundle.archive.cache_clear()
    assert s3bundle.archive() == first
    assert int.from_bytes(first[4:8], "little") == 0, "no time of the packing in gzip's header"


def test_it_runs_on_a_node_that_has_nothing_but_python_and_no_role(machine: Machine) -> None:
    machine.python("python3", f'exec {sys.executable} -S "$@"')
    machine.s3.install()
    settings = {"name": "results", "bucket": "my-bucket", "path": "/work", "region": "us-east-1"}
    done = subprocess.run(
        [machine.program, "check", "--stdin"],
        input=json.dumps(settings).encode(),
        capture_output=True,
        env={"AWS_EC2_METADATA_DISABLED": "true", "HOME": str(machine.folder)},
        check=False,
    )
    assert done.returncode == 1, done.stderr
    told = json.loads(done.stdout)
    assert (told["kind"], told["error"]) == ("keys", "this node has no keys for s3://my-bucket")
    assert "IAM_PROFILE" in told["hint"]


def test_what_is_there_is_not_brought_again(machine: Machine) -> None:
    machine.python("python3", "exit 0")
    machine.s3.install()
    before = machine.program.stat().st_mtime_ns
    machine.s3.install()
    assert machine.program.stat().st_mtime_ns == before


def test_a_later_python_beside_an_old_one_is_taken(machine: Machine) -> None:
    machine.python("python3", claims(3, 6, 8))
    machine.python("python3.11", claims(3, 11, 2))
    machine.s3.install()
    assert "/python3.11" in machine.program.read_text()


def test_a_node_whose_python_is_just_too_old_is_told_so(machine: Machine) -> None:
    major, minor = s3bundle.lowest_python()
    machine.python("python3", claims(major, minor - 1, 9))
    words = rf"needs Python {major}\.{minor} or later on bob: it has Python {major}\.{minor - 1}\.9"
    with pytest.raises(exception.SyncError, match=words):
        machine.s3.install()
    assert not machine.program.exists()


def test_the_lowest_python_will_do(machine: Machine) -> None:
    machine.python("python3", claims(*s3bundle.lowest_python(), 0))
    machine.s3.install()
    assert machine.program.exists()


def test_what_is_cut_off_on_its_way_is_not_put_in_place(machine: Machine) -> None:
    machine.python("python3", "exit 0")
    machine.torn = True
    with pytest.raises(exception.SyncError, match="cut off on its way"):
        machine.s3.install()
    assert not machine.program.exists()
    assert list((machine.folder / "usr/local/lib/starcluster").iterdir()) == []

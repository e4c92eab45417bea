"""Which client mounts a bucket, and with which words; what s3fs does with them is seen in tests/rehearsal/train."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from starcluster import exception
from starcluster.cluster.bucketmounts import CLIENTS, BucketMount, BucketMounts, client_script, mount_script, preferred

WISH = BucketMount(bucket="my-bucket", path="/permanent")


class Shell:
    """A node's SSH that keeps the scripts and answers what it was told to."""

    def __init__(self, *, client: str = "s3fs", failure: exception.RemoteCommandFailed | None = None) -> None:
        self.client, self.failure, self.scripts = client, failure, [""]

    def run(self, command: str, *, data: bytes, timeout: float) -> tuple[int, bytes, bytes]:
        if self.client:
            return 0, f"{self.client}\n".encode(), b""
        return 1, b"", b"E: no network\n"

    def script(self, text: str, *, what: str) -> list[str]:
        self.scripts.append(text)
        if self.failure:
            raise self.failure
        return []


class Look:
    """`node.s3`: what s3sync says about the bucket."""

    def __init__(self, trouble: str = "", install: str = "") -> None:
        self.trouble, self.no_install = trouble, install

    def install(self) -> None:
        if self.no_install:
            raise exception.SyncError(self.no_install)

    def need(self, verb: str, *, settings: dict[str, Any]) -> dict[str, Any]:
        assert verb == "check"
        assert settings["bucket"] == "my-bucket"
        if self.trouble:
            raise exception.SyncError(self.trouble)
        return {}


def mounts(shell: Shell, look: Look | None = None, *, local: bool = False) -> BucketMounts:
    environment = {"AWS_ENDPOINT_URL_S3": "http://169.254.169.253:9000"} if local else {}
    ec2 = SimpleNamespace(region="eu-central-1", cloud=SimpleNamespace(node_environment=environment))
    return BucketMounts(SimpleNamespace(alias="alice", ssh=shell, s3=look or Look(), ec2=ec2))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("client", "at_home", "order"),
    [
        ("auto", True, ["mount-s3", "s3fs"]),
        ("auto", False, ["s3fs", "mount-s3"]),
        ("s3fs", True, ["s3fs"]),
        ("mount-s3", False, ["mount-s3"]),
    ],
)
def test_which_client_is_looked_for(client: str, at_home: bool, order: list[str]) -> None:
    assert list(preferred(client, at_home=at_home)) == order


def bin_folder(folder: Path, **programs: str) -> str:
    folder.mkdir(exist_ok=True)
    for name, text in programs.items():
        path = folder / name.replace("_", "-")
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
    return str(folder)


def ask(path: str) -> subprocess.CompletedProcess[str]:
    script = client_script(CLIENTS)
    return subprocess.run(["/bin/bash", "-s"], input=script, env={"PATH": path}, text=True, capture_output=True)


def test_a_client_that_is_there_is_taken(tmp_path: Path) -> None:
    assert ask(bin_folder(tmp_path, s3fs="", apt_get="exit 9")).stdout == "s3fs\n"


def test_where_the_first_can_not_be_had_the_second_is_installed(tmp_path: Path) -> None:
    install = f'case "$*" in *s3fs*) /bin/cp /bin/true {tmp_path}/s3fs ;; esac; echo chatter'
    done = ask(bin_folder(tmp_path, curl="echo no network >&2; exit 6", apt_get=install, uname="echo x86_64"))
    assert (done.stdout, done.returncode) == ("s3fs\n", 0)
    assert "no network" in done.stderr


def test_where_none_can_be_had_it_says_so(tmp_path: Path) -> None:
    done = ask(bin_folder(tmp_path, curl="exit 6", apt_get="echo E: nothing >&2; exit 100", uname="echo x86_64"))
    assert (done.stdout, done.returncode) == ("", 1)
    assert "E: nothing" in done.stderr


def test_no_client_at_all() -> None:
    with pytest.raises(exception.SyncError, match=r"alice has no client .*\(mount-s3, s3fs\): E: no network"):
        mounts(Shell(client="")).mount(WISH, "sgeadmin")


def test_the_words_for_mountpoint() -> None:
    shell = Shell(client="mount-s3")
    wish = BucketMount(bucket="my-bucket", path="/permanent", prefix="a/b", read_only=True, region="us-west-2")
    mounts(shell).mount(wish, "sgeadmin")
    line = next(one for one in shell.scripts[-1].splitlines() if one.startswith("mount-s3 "))
    assert "--region us-west-2" in line
    assert "--prefix a/b/" in line
    assert "--read-only" in line
    assert "--allow-delete" not in line
    assert "--endpoint-url" not in line
    assert "my-bucket /permanent" in line


def test_mountpoint_may_change_what_is_there_and_is_told_the_way() -> None:
    shell = Shell(client="mount-s3")
    mounts(shell, local=True).mount(WISH, "sgeadmin")
    for words in ("--allow-delete --allow-overwrite", "--endpoint-url http://169.254.169.253:9000 --force-path-style"):
        assert words in shell.scripts[-1]


def test_s3fs_is_told_the_region_of_the_cluster() -> None:
    shell = Shell()
    mounts(shell).mount(WISH, "sgeadmin")
    assert "endpoint=eu-central-1," in shell.scripts[-1]
    assert "url=https://s3.eu-central-1.amazonaws.com" in shell.scripts[-1]
    assert "-o ro" not in shell.scripts[-1]
    mounts(shell).mount(BucketMount(bucket="my-bucket", path="/permanent", read_only=True), "sgeadmin")
    assert " -o ro " in shell.scripts[-1]


@pytest.mark.parametrize(("there", "status"), [("1 0 0", 0), ("1 0 1 1", 1)])
def test_a_client_that_is_refused_and_goes_away_has_mounted_nothing(tmp_path: Path, there: str, status: int) -> None:
    """`there`: what each look at /proc/mounts finds; the folder itself can be listed all the time."""
    answers = tmp_path / "answers"
    answers.write_text("\n".join([*there.split(), *["1"] * 9]))
    look = f"answer=$(head -n1 {answers}); sed -i 1d {answers}; exit $answer"
    path = f"{bin_folder(tmp_path / 'bin', awk=look, sleep='exit 9')}:/usr/bin:/bin"
    wish = BucketMount(bucket="my-bucket", path=str(tmp_path / "permanent"))
    script = mount_script(wish, "true", user="root")
    for place in ("/run/starcluster", "/var/log/starcluster", "/run/lock"):
        script = script.replace(place, f"{tmp_path}{place}")
    whole = f"set -eu\nmain() {{\n{script}\n}}\nmain\n"
    done = subprocess.run(["/bin/bash", "-s"], input=whole, env={"PATH": path}, text=True, capture_output=True)
    assert bool(done.returncode) == bool(status), done.stderr


def failed(output: str, status: int = 1) -> exception.RemoteCommandFailed:
    return exception.RemoteCommandFailed("mount", "mount", status, output)


def test_why_it_could_not_be_mounted() -> None:
    shell = Shell(failure=failed("s3fs: something"))
    with pytest.raises(exception.SyncError, match="no keys"):
        mounts(shell, Look(trouble="no keys")).mount(WISH, "sgeadmin")
    with pytest.raises(exception.SyncError, match="could not be mounted at /permanent on alice: s3fs: something"):
        mounts(shell).mount(WISH, "sgeadmin")
    with pytest.raises(exception.SyncError, match="s3fs: something"):
        mounts(shell, Look(install="no Python")).mount(WISH, "sgeadmin")
    with pytest.raises(exception.InvalidOperation, match="which the bucket would hide"):
        mounts(Shell(failure=failed("", 5))).mount(WISH, "sgeadmin")

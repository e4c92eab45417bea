"""scp, sftp and streams of files: with the rights of the user, and an exit status that scripts can use."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.contract.node.standin_node import Node

BOTH = pytest.mark.parametrize("mode", ["-s", "-O"], ids=["sftp", "legacy"])


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data file"
    path.write_bytes(os.urandom(3_000_001))
    return path


@BOTH
def test_scp_there_and_back(node: Node, data: Path, mode: str) -> None:
    name = f"/home/alice/up{mode}"
    assert node.run("scp", mode, "-p", str(data), f"alice@node:{name}").returncode == 0
    assert node.run("scp", mode, "-p", f"alice@node:{name}", f"{data}.back").returncode == 0
    back = Path(f"{data}.back")
    assert back.read_bytes() == data.read_bytes()
    assert int(back.stat().st_mtime) == int(data.stat().st_mtime)
    assert node.out(f"stat -c %U:%G {name}") == "alice:alice"


@BOTH
def test_scp_of_a_directory(node: Node, tmp_path: Path, mode: str) -> None:
    tree = tmp_path / "tree"
    (tree / "deep" / "er").mkdir(parents=True)
    (tree / "deep" / "er" / "file").write_text("x")
    assert node.run("scp", mode, "-r", str(tree), f"alice@node:tree{mode}").returncode == 0
    assert node.run("scp", mode, "-r", f"alice@node:tree{mode}", str(tmp_path / "back")).returncode == 0
    assert (tmp_path / "back" / "deep" / "er" / "file").read_text() == "x"


@BOTH
def test_scp_has_the_users_rights(node: Node, data: Path, mode: str) -> None:
    put = node.run("scp", mode, str(data), "alice@node:/root/stolen")
    get = node.run("scp", mode, "alice@node:/etc/shadow", f"{data}.shadow")
    assert (put.returncode, get.returncode) == (1, 1)
    assert b"Permission denied" in put.stderr
    assert b"Permission denied" in get.stderr
    assert not Path(f"{data}.shadow").exists()
    assert node.ssh("test -e /root/stolen").returncode == 1


@BOTH
def test_scp_of_what_is_not_there(node: Node, tmp_path: Path, mode: str) -> None:
    result = node.run("scp", mode, "alice@node:nothing", str(tmp_path))
    assert result.returncode == 1
    assert b"No such file" in result.stderr


def batch(node: Node, *lines: str, user: str = "alice") -> subprocess.CompletedProcess[bytes]:
    return node.run("sftp", "-b", "-", f"{user}@node", given="\n".join(lines).encode())


def test_an_sftp_session(node: Node, data: Path) -> None:
    result = batch(
        node,
        "mkdir work",
        "cd work",
        f'put "{data}" one',
        "symlink one link",
        "rename one two",
        "chmod 600 two",
        "ln two hard",
        "ls -l",
        "rm hard",
        f'get two "{data}.back"',
        "df .",
        "pwd",
    )
    assert result.returncode == 0, result.stderr
    assert b"/home/alice/work" in result.stdout
    assert b"-rw-------    2 alice    alice" in result.stdout
    assert Path(f"{data}.back").read_bytes() == data.read_bytes()
    assert node.out("readlink work/link; ls work; rm -r work", user="alice") == "one\nlink\ntwo"


def test_sftp_resumes_a_transfer(node: Node, data: Path) -> None:
    half = data.with_name("half")
    half.write_bytes(data.read_bytes()[:1_000_000])
    node.run("scp", str(half), "alice@node:resumed")
    assert batch(node, f'reput "{data}" resumed').returncode == 0
    assert node.ssh("cat resumed", user="alice").stdout == data.read_bytes()


def test_sftp_cannot_give_files_away(node: Node) -> None:
    node.ssh("touch mine", user="alice")
    result = batch(node, "chown 0 mine")
    assert result.returncode == 1
    assert node.out("stat -c %U mine", user="alice") == "alice"


def test_root_may(node: Node) -> None:
    node.ssh("touch /run/given")
    assert batch(node, "chown 65534 /run/given", user="root").returncode == 0
    assert node.out("stat -c %U /run/given") == "nobody"


def test_the_sftp_server_is_the_user_altogether(node: Node) -> None:
    process = subprocess.Popen(
        node.words("sftp", "alice@node"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdin is not None
    try:
        node.wait_for("ps -u alice -o pid= | grep -q .")
        lines = node.out("for p in $(ps -u alice -o pid=); do grep -E '^(Uid|Gid|Groups|CapEff)' /proc/$p/status; done")
        fields = {line.split(":")[0]: line.split(":")[1].split() for line in lines.splitlines()}
        alice = node.out("id -u alice")
        assert set(fields["Uid"]) == {alice}
        assert fields["CapEff"] == ["0000000000000000"]
        assert "0" not in fields["Groups"]
        opened = node.out("ls -l /proc/$(ps -u alice -o pid= | head -1)/fd | grep -c socket: || true")
        assert opened == "0"
    finally:
        process.communicate(b"quit\n", timeout=10)


def test_a_tree_as_a_stream(node: Node, tmp_path: Path) -> None:
    """What rsync and our own bulk transfer need: both directions of one command, clean and closed in time."""
    tree = tmp_path / "tree"
    tree.mkdir()
    for number in range(50):
        (tree / f"file {number}").write_bytes(os.urandom(20_000))
    packed = subprocess.run(["tar", "-C", tree, "-cf", "-", "."], capture_output=True, check=True).stdout
    put = node.ssh("mkdir stream && tar -C stream -xf -", user="alice", given=packed)
    assert (put.returncode, put.stderr) == (0, b"")
    back = node.ssh("tar -C stream --sort=name -cf - . | sha256sum; rm -r stream", user="alice")
    again = node.ssh("cat | tee /dev/stderr | wc -c", given=packed)
    assert back.returncode == 0
    assert (int(again.stdout), again.stderr) == (len(packed), packed)

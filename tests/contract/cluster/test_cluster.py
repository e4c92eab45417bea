"""A cluster's whole life through the public commands, on real hosts. One cluster serves the tests of this file."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.cluster.conftest import Ran, Shell, everything


@pytest.fixture(scope="module")
def cluster(shell: Shell, aws: Any) -> Iterator[str]:
    before = everything(aws)
    shell("start", "-s", "2", "one")
    yield "one"
    shell("terminate", "-c", "one")
    assert everything(aws) == before


def test_home_is_shared_both_ways(shell: Shell, cluster: str) -> None:
    shell.on(cluster, "master", "echo from-master > /home/a")
    assert shell.on(cluster, "node001", "cat /home/a; echo from-worker > /home/b") == "from-master\n"
    assert shell.on(cluster, "master", "cat /home/b") == "from-worker\n"


def test_nodes_know_each_other(shell: Shell, cluster: str) -> None:
    hop = "ssh -o BatchMode=yes -o StrictHostKeyChecking=yes"
    assert shell.on(cluster, "master", f"{hop} node001 hostname") == "node001\n"
    assert shell.on(cluster, "node001", f"{hop} master hostname") == "master\n"
    assert shell.on(cluster, "node001", f"su - alice -c '{hop} master id -un'") == "alice\n"


def test_the_user_is_the_same_everywhere(shell: Shell, cluster: str) -> None:
    assert shell.on(cluster, "master", "id alice") == shell.on(cluster, "node001", "id alice")
    assert shell("sshmaster", cluster, "-u", "alice", "pwd; touch /scratch/alice/x").out == "/home/alice\n"
    assert shell("sshmaster", cluster, "-u", "ubuntu", "id -un").out == "ubuntu\n"


def test_exit_codes_output_and_input_pass_through(shell: Shell, cluster: str) -> None:
    ran = shell("sshnode", cluster, "node001", 'echo "it\'s  here"; echo bad >&2; exit 7', check=False)
    assert (ran.code, ran.out) == (7, "it's  here\n")
    assert ran.err.endswith("bad\n")
    assert shell("sshnode", cluster, "1", "--", "ls", "-d", "/home").out == "/home\n"
    echoed = shell("sshmaster", cluster, "cat", stdin=b"\x00\xff binary").out
    assert echoed.encode(errors="surrogateescape") == b"\x00\xff binary"
    assert shell("sshmaster", cluster, "ls", "-l", check=False).code == 2


def test_unknown_names_are_told(shell: Shell, cluster: str) -> None:
    ran = shell("sshnode", cluster, "nobody", check=False)
    assert ran.code == 1
    assert "has no node 'nobody'" in ran.err
    assert "master, node001" in ran.err
    other = shell("sshmaster", "none", check=False)
    assert other.code == 1
    assert "active clusters: one" in other.err


def test_put_and_get_keep_modes_and_times(shell: Shell, cluster: str) -> None:
    code = shell.folder / "code"
    (code / "deep").mkdir(parents=True)
    (code / "deep" / "run me.sh").write_bytes(b"\x00\x01" * 5000)
    (code / "deep" / "run me.sh").chmod(0o750)
    os.utime(code / "deep" / "run me.sh", (981173106, 981173106))
    shell("put", cluster, "code", "/home/there")
    shell("get", cluster, "/home/there", "back")
    back = shell.folder / "back" / "deep" / "run me.sh"
    assert back.read_bytes() == b"\x00\x01" * 5000
    assert stat.S_IMODE(back.stat().st_mode) == 0o750
    assert back.stat().st_mtime == 981173106
    shell("put", cluster, "code/deep/run me.sh", "config", "/home/there")
    shell("get", cluster, "/home/there/r*", "/home/there/conf?g", str(back.parent))
    assert sorted(path.name for path in back.parent.iterdir()) == ["config", "run me.sh"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("put", "one", "missing", "/home"), "missing does not exist"),
        (("put", "one", "config", "/none/x"), "there is no folder /none"),
        (("put", "one", "config", "home/plugins", "/home/new"), "is not a folder"),
        (("put", "-u", "alice", "one", "config", "/root/"), "alice may not write to /root/ on the node"),
        (("put", "-u", "alice", "one", "config", "/root/x"), "alice may not write to /root on the node"),
        (("get", "-u", "alice", "one", "/root/.ssh/id_rsa", "."), "alice may not look into /root on the node"),
        (("get", "-u", "alice", "one", "/etc/shadow", "."), "alice may not read /etc/shadow on the node"),
        (("get", "one", "/home/no*", "."), "does not exist"),
        (("get", "one", "/etc/hosts", "none/x"), "there is no folder none"),
        (("get", "one", "/etc/hosts", "/etc/fstab", "new"), "need a folder"),
    ],
)
def test_copies_that_can_not_be_are_told(shell: Shell, cluster: str, words: tuple[str, ...], told: str) -> None:
    ran = shell(*words, check=False)
    assert ran.code == 1
    assert told in ran.err
    assert not (shell.folder / "new").exists()


def test_names_that_are_no_text_and_what_is_there_already(shell: Shell, cluster: str) -> None:
    folder = os.fsencode(shell.folder / "odd")
    os.mkdir(folder)
    for name in (b"a\nb", b"\xff", b"-rf *"):
        with open(os.path.join(folder, name), "wb") as file:
            file.write(name)
    assert "3 files (9 bytes) copied and compared" in shell("put", cluster, "odd", "/home").out
    assert "0 files (0 bytes) copied and compared; 3 were there already" in shell("put", cluster, "odd", "/home").out
    shell("get", cluster, "/home/odd", "odd-back")
    assert sorted(os.listdir(os.fsencode(shell.folder / "odd-back"))) == sorted(os.listdir(folder))


@pytest.fixture
def cut(shell: Shell, tmp_path: Path) -> Callable[..., Ran]:
    """Runs a verb whose ssh program breaks its connections, see cutting_ssh.sh."""
    (tmp_path / "ssh").symlink_to(Path(__file__).with_name("cutting_ssh.sh"))
    data = shell.folder / "big"
    if not data.exists():
        data.write_bytes(os.urandom(6_000_000))

    def run(*words: str, check: bool = True, **how: str) -> Ran:
        (tmp_path / "count").unlink(missing_ok=True)
        more = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "CUT_COUNT": str(tmp_path / "count"), **how}
        return Shell(folder=shell.folder, env=shell.env | more)(*words, check=check)

    return run


@pytest.mark.parametrize(
    ("words", "way"),
    [(("put", "one", "big", "/home/big-up"), "CUT_UP"), (("get", "one", "/home/big-there", "big-down"), "CUT_DOWN")],
)
def test_a_copy_goes_on_after_a_break(
    shell: Shell, cluster: str, cut: Callable[..., Ran], words: tuple[str, ...], way: str
) -> None:
    shell("put", cluster, "big", "/home/big-there")
    ran = cut(*words, **{way: "2500000", "CUT_TIMES": "2"})
    assert ran.err.count("the connection to master broke; the copy goes on where it was") == 2
    assert "1 went on where they had broken off" in ran.out
    shell("get", cluster, "/home/big-up", "big-down") if way == "CUT_UP" else None
    assert (shell.folder / "big-down").read_bytes() == (shell.folder / "big").read_bytes()
    (shell.folder / "big-down").unlink()


def test_a_connection_that_always_breaks_is_given_up(shell: Shell, cluster: str, cut: Callable[..., Ran]) -> None:
    ran = cut("put", cluster, "big", "/home/big-never", CUT_UP="62000", CUT_TIMES="99", check=False)
    assert ran.code == 1
    assert "the connection to master broke 5 times in a row" in ran.err
    assert "the same command, given again, goes on from there" in ran.err
    assert shell.on(cluster, "master", "ls /home | grep big-never; true") == ""
    shell("put", cluster, "big", "/home/big-never")
    assert shell.on(cluster, "master", "ls -A /home | grep big-never") == "big-never\n"


def test_a_node_without_python_gets_a_tar_stream(shell: Shell, cluster: str, cut: Callable[..., Ran]) -> None:
    ran = cut("put", cluster, "big", "/home/by-tar", NO_PYTHON="1")
    assert "master has no Python 3.8: the files go as one tar stream" in ran.err
    cut("get", cluster, "/home/by-tar", "big-tar", NO_PYTHON="1")
    assert (shell.folder / "big-tar").read_bytes() == (shell.folder / "big").read_bytes()


def test_an_interrupted_copy_leaves_nothing_torn(shell: Shell, cluster: str, cut: Callable[..., Ran]) -> None:
    with open(shell.folder / "huge", "wb") as file:
        file.write(os.urandom(1_000_000) * 200)
    held = "while [ ! -s /home/.huge.starcluster-part ]; do sleep 0.05; done"
    program = [sys.executable, "-m", "starcluster"]
    look = subprocess.Popen([*program, "sshmaster", cluster, held], cwd=shell.folder, env=shell.env)
    words = [*program, "put", cluster, "huge", "/home/huge"]
    process = subprocess.Popen(words, cwd=shell.folder, env=shell.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    look.wait(60)
    process.send_signal(signal.SIGINT)
    told = process.communicate(timeout=60)[1]
    assert (process.returncode, b"Interrupted" in told) == (1, True)
    assert shell.on(cluster, "master", "test -e /home/huge || echo none") == "none\n"
    assert "1 went on where they had broken off" in shell("put", cluster, "huge", "/home/huge").out
    shell.on(cluster, "master", "rm /home/huge")


def test_a_full_disk_of_the_node_is_told(shell: Shell, cluster: str, cut: Callable[..., Ran]) -> None:
    shell.on(cluster, "master", "mkdir -p /small && mount -t tmpfs -o size=1m none /small")
    ran = shell("put", cluster, "big", "/small", check=False)
    assert ran.code == 1
    assert "the disk of /small on the node is too full: 6 MB are to come, and it has room for 1.0" in ran.err
    assert shell.on(cluster, "master", "ls -A /small; umount /small") == ""


def test_a_node_comes_and_goes(shell: Shell, cluster: str) -> None:
    shell("addnode", "-a", "Carol", "-b", "1", cluster)
    assert shell.on(cluster, "carol", "cat /home/a 2>/dev/null; hostname").endswith("Carol\n")
    taken = shell("addnode", "-a", "carol", cluster, check=False)
    assert taken.code == 1
    assert "already" in taken.err
    shell("removenode", "-c", "-a", "carol", cluster)
    left = shell.on(cluster, "master", "cat /etc/hosts /etc/exports /root/.ssh/known_hosts")
    assert "carol" not in left.lower()


def test_a_dead_node_is_removed_at_once(shell: Shell, cluster: str) -> None:
    shell("addnode", "-a", "dave", "-b", "1", cluster)
    shell("sshnode", cluster, "dave", "kill -STOP -1; true", check=False)
    shell("local", "interrupt", cluster, "dave", "--notice", "0")
    shell("removenode", "-c", "-f", "-a", "dave", cluster, check=False)
    assert "dave" not in shell("listclusters", cluster).out


def test_start_is_refused_for_what_exists(shell: Shell, cluster: str) -> None:
    ran = shell("start", cluster, check=False)
    assert ran.code == 1
    assert "exists already" in ran.err


def test_restart_comes_back_with_home(shell: Shell, cluster: str) -> None:
    shell.on(cluster, "master", "echo kept > /home/kept")
    before = shell.on(cluster, "node001", "cat /proc/sys/kernel/random/boot_id")
    shell.on(cluster, "node001", "cd /home; nohup sleep 900 > /dev/null 2>&1 < /dev/null & sleep 0.2; echo")
    said = shell("restart", cluster).out
    assert "The master's /home is in use on node001" in said, "what is at work there is not ended for this"
    assert said.index("Rebooting node: node001") < said.index("Rebooting node: master")
    after = shell.on(cluster, "node001", "cat /proc/sys/kernel/random/boot_id; cat /home/kept")
    assert before not in after
    assert after.endswith("kept\n")


def test_stop_and_start_x(shell: Shell, cluster: str) -> None:
    shell.on(cluster, "master", "echo kept > /home/kept")
    shell("stop", "-c", cluster)
    shown = shell("listclusters", cluster).out
    assert shown.count(" stopped ") == 2
    stopped = shell("sshmaster", cluster, "true", check=False)
    assert stopped.code == 1
    assert "start -x" in shell("start", cluster, check=False).err
    shell("start", "-x", cluster)
    assert shell.on(cluster, "node001", "cat /home/kept") == "kept\n"


def test_host_keys_are_the_consoles(shell: Shell, cluster: str, aws: Any) -> None:
    """A node that shows another key than its console told is not talked to."""
    known = Path(shell.env["STARCLUSTER_HOME"]) / "known_hosts"
    lines = known.read_text()
    node = shell("listclusters", cluster).out.split("node001 running ")[1].split()[0]
    console = aws.get_console_output(InstanceId=node)["Output"]
    keys = [line.split()[2] for line in lines.splitlines() if line.startswith(node)]
    assert keys
    assert all(key in console for key in keys)
    try:
        known.write_text(
            "".join(line[:-3] + "AAA\n" if line.startswith(node) else line + "\n" for line in lines.splitlines())
        )
        ran = shell("sshnode", cluster, "node001", "echo in", check=False)
        assert ran.code == 255
        assert "in\n" not in ran.out
    finally:
        known.write_text(lines)

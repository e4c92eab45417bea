"""SSH_PROXY: the words of the programs, their pipe as a socket, and what is said when it does not get through."""

from __future__ import annotations

import shlex
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from starcluster import exception
from starcluster.ssh import login
from starcluster.ssh.access import Access
from starcluster.ssh.hostkeys import KnownHosts
from starcluster.ssh.proxy import BastionDialer, SsmDialer

Program = Callable[[str, str], Path]
GREET = 'printf "SSH-2.0-there\\r\\n"; exec cat'


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """program(name, script) puts one on the PATH; its words are written to the file that is returned."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setenv("STARCLUSTER_HOME", str(tmp_path / "home"))

    def make(name: str, script: str) -> Path:
        words = tmp_path / f"{name}.words"
        path = folder / name
        path.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {words}\n{script}\n')
        path.chmod(0o755)
        return words

    return make


def test_a_bastion_is_asked_for_the_node_and_its_bytes_come(program: Program) -> None:
    words = program("ssh", GREET)
    dialer = BastionDialer(host="gate", user="me", port=2222, key_file=Path("/k"))
    with dialer.dial("10.0.0.5", 22, 5) as sock:
        assert sock.recv(100) == b"SSH-2.0-there\r\n"
        sock.sendall(b"hello")
        assert sock.recv(100) == b"hello"
    asked = words.read_text().splitlines()
    assert asked[asked.index("-W") + 1] == "10.0.0.5:22"
    assert asked[-8:] == ["-p", "2222", "-l", "me", "-i", "/k", "--", "gate"]
    assert "StrictHostKeyChecking=accept-new" in asked


def test_the_program_ends_with_its_socket(program: Program) -> None:
    program("ssh", GREET.replace("cat", "sleep 60"))
    dialer = BastionDialer(host="gate")
    sock = dialer.dial("h", 22, 5)
    [child] = dialer.children
    assert child.poll() is None
    sock.close()
    assert child.wait(5) != 0
    dialer.dial("h", 22, 5).close()
    assert child not in dialer.children


def test_a_bastion_that_refuses_is_quoted(program: Program) -> None:
    program("ssh", "echo 'ssh: connect to host gate port 22: Connection refused' >&2; exit 255")
    with pytest.raises(OSError, match=r"the bastion gate does not get through: .*Connection refused"):
        BastionDialer(host="gate").dial("h", 22, 5)


def test_silence_has_a_limit_and_leaves_no_program(program: Program) -> None:
    program("ssh", "exec sleep 60")
    dialer = BastionDialer(host="gate")
    before = time.monotonic()
    with pytest.raises(TimeoutError, match="no answer within 0 s"):
        dialer.dial("h", 22, 0.2)
    assert time.monotonic() - before < 5
    assert dialer.children[0].wait(5) != 0


def test_the_ssh_program_and_paramiko_go_the_same_way(program: Program, tmp_path: Path) -> None:
    """The ProxyCommand, read as ssh reads it, runs the very words of a dial."""
    words = program("ssh", GREET)
    odd = tmp_path / "a key of 100%"
    dialer = BastionDialer(host="gate", user="me", key_file=odd, strict=True)
    dialer.dial("10.0.0.5", 22, 5).close()
    dialed = words.read_text()
    command = dialer.proxy_command().replace("%h", "10.0.0.5").replace("%p", "22").replace("%%", "%")
    subprocess.run(["sh", "-c", command], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True, timeout=10)
    assert words.read_text() == dialed
    assert "StrictHostKeyChecking=yes" in dialed


def test_real_ssh_understands_the_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STARCLUSTER_HOME", str(tmp_path / "my home"))
    command = BastionDialer(host="gate.invalid", user="me", port=2222).proxy_command()
    program, *words = shlex.split(command.replace("%h:%p", "10.0.0.5:22"))
    told = subprocess.run([program, "-G", *words], capture_output=True, text=True, check=True).stdout.splitlines()
    assert {"user me", "port 2222", "hostname gate.invalid", "stricthostkeychecking accept-new"} <= set(told)
    [known] = [line for line in told if line.startswith("userknownhostsfile ")]
    assert f"{tmp_path}/my home/known_bastions" in known
    assert "/.ssh/known_hosts" in known


def test_the_address_of_a_bastion_is_the_one_that_ssh_would_take(program: Program) -> None:
    program("ssh", "echo 'user me'; echo 'hostname 127.0.0.9'")
    assert BastionDialer(host="alias").address() == "127.0.0.9"


# -- the Session Manager: its words only, for it can not be had here


def test_the_session_manager_is_asked_for_the_instance_by_its_id(program: Program) -> None:
    words = program("aws", GREET)
    access = Access(key_file=None, dialer=SsmDialer(region="eu-west-1", profile="work"), known=KnownHosts())
    with access.way_to("i-1").dial("10.0.0.5", 22, 5) as sock:
        assert sock.recv(4) == b"SSH-"
    asked = words.read_text().split()
    assert asked[:4] == ["ssm", "start-session", "--target", "i-1"]
    assert asked[4:8] == ["--region", "eu-west-1", "--profile", "work"]
    assert asked[8:] == ["--document-name", "AWS-StartSSHSession", "--parameters", "portNumber=22"]


def test_the_ssh_program_goes_through_the_session_manager_too(program: Program) -> None:
    program("aws", GREET)
    access = Access(key_file=None, dialer=SsmDialer(region="eu-west-1"), known=KnownHosts())
    [proxy] = [word for word in login.argv(access, instance_id="i-1", host="h") if word.startswith("ProxyCommand=")]
    assert "--target i-1 " in proxy
    assert proxy.endswith("--parameters portNumber=%p")


def test_without_the_aws_program_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(exception.CommandNotFound, match="'aws'") as caught:
        SsmDialer(region="r", target="i-1").dial("h", 22, 1)
    assert "session-manager-plugin" in caught.value.hint

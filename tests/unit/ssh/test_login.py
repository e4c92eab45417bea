"""The ssh program's words, read back by a real shell where quoting matters."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from starcluster import exception
from starcluster.cluster.tarstream import shell_pattern
from starcluster.ssh import login
from starcluster.ssh.access import Access
from starcluster.ssh.client import with_profile
from starcluster.ssh.hostkeys import HostKey, KnownHosts
from starcluster.ssh.words import exit_status, plain_command
from tests.unit.ssh.server import PairDialer


@pytest.fixture
def access(known: KnownHosts, key_file: Path, dialer: PairDialer) -> Access:
    return Access(key_file=key_file, dialer=dialer, known=known)


def test_the_node_is_known_by_its_instance(access: Access) -> None:
    access.known.add("i-1", [HostKey(kind="ssh-ed25519", blob="AAAA")])
    words = login.argv(access, instance_id="i-1", host="203.0.113.9", user="alice")
    assert "HostKeyAlias=i-1" in words
    assert f"UserKnownHostsFile={access.known.path}" in words
    assert "StrictHostKeyChecking=yes" in words
    assert "ProxyCommand=dial %h %p" in words
    assert words[-3:] == ["-l", "alice", "203.0.113.9"]


def test_an_unknown_node_is_accepted_once_unless_strict(access: Access, key_file: Path, dialer: PairDialer) -> None:
    assert "StrictHostKeyChecking=accept-new" in login.argv(access, instance_id="i-2", host="h")
    strict = Access(key_file=key_file, dialer=dialer, known=access.known, strict=True)
    assert "StrictHostKeyChecking=yes" in login.argv(strict, instance_id="i-2", host="h")


def test_flags(access: Access) -> None:
    words = login.argv(access, instance_id="i", host="h", forward_x11=True, forward_agent=True, pseudo_tty=True)
    assert {"-Y", "-A", "-t"} <= set(words)
    assert {"-t", "-T"}.isdisjoint(login.argv(access, instance_id="i", host="h"))
    assert "-T" in login.argv(access, instance_id="i", host="h", pseudo_tty=False)


def test_much_goes_by_the_cipher_that_the_processor_knows(access: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    def ciphers(*, aes: bool, bulk: bool = True) -> list[str]:
        monkeypatch.setattr(login, "_aes_in_hardware", lambda: aes)
        words = login.argv(access, instance_id="i", host="h", bulk=bulk)
        return [word for word in words if word.startswith("Ciphers=")]

    (chosen,) = ciphers(aes=True)

    def asked(*words: str) -> list[str]:
        told = subprocess.run(["ssh", "-G", "-F", "/dev/null", *words, "h"], capture_output=True, text=True, check=True)
        return next(line[8:].split(",") for line in told.stdout.splitlines() if line.startswith("ciphers "))

    assert sorted(asked("-o", chosen)) == sorted(asked())
    assert asked("-o", chosen)[0] == "aes128-gcm@openssh.com"
    assert ciphers(aes=False) == ciphers(aes=True, bulk=False) == []


@pytest.mark.parametrize(("text", "has"), [("flags\t: fpu aes avx2\n", True), ("flags\t: fpu vaes_x\n", False)])
def test_whether_there_are_aes_instructions(monkeypatch: pytest.MonkeyPatch, text: str, has: bool) -> None:
    monkeypatch.setattr(Path, "read_text", lambda *_: text)
    assert login._aes_in_hardware() is has


@pytest.mark.parametrize("command", ["echo 'it''s'", 'printf %s "a  b"', "exit 7", 'echo $((1+1)) "$0"; false'])
def test_a_command_survives_its_quoting(command: str) -> None:
    plain = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    wrapped = subprocess.run(
        ["bash", "-c", with_profile(command)],
        capture_output=True,
        text=True,
        check=False,
        env={"SHELL": "/bin/bash", "PATH": "/usr/bin:/bin"},
    )
    assert wrapped.returncode == plain.returncode
    assert wrapped.stdout.replace("/bin/bash", "bash") == plain.stdout


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["'qsub -cwd -b y run'"], "qsub -cwd -b y run"),
        (["'qstat", "-f'"], "qstat -f"),
        (["'hostname'"], "'hostname'"),
        (["'echo a' 'b'"], "'echo a' 'b'"),
        (["echo 'a b'"], "echo 'a b'"),
        (["'"], "'"),
        (["bash", "run.sh"], "bash run.sh"),
        ([], ""),
    ],
)
def test_quotes_around_the_whole_of_a_command_are_nobodys(words: list[str], text: str) -> None:
    assert plain_command(words) == text


@pytest.mark.parametrize(
    ("shell", "command", "printed"),
    [
        ("bash", "module load R", "loaded R\n"),  # a function of the profile's, which nobody exports
        ("bash", '\n# a comment\necho "[$1$#]" $0', "[x2] bash\n"),
        ("bash", "false || echo $EXPORTED $plain", "yes also\n"),
        ("sh", "echo $EXPORTED $0", "yes {sh}\n"),
    ],
)
def test_a_command_has_what_the_profile_made(tmp_path: Path, shell: str, command: str, printed: str) -> None:
    profile = tmp_path / "profile"
    lines = ['module() { echo "loaded $2"; }', "export EXPORTED=yes", "plain=also", "echo noise", "set -- x y", "false"]
    profile.write_text("\n".join(lines))
    path = shutil.which(shell)
    done = subprocess.run(
        ["sh", "-c", with_profile(command).replace("/etc/profile", str(profile))],
        capture_output=True,
        text=True,
        check=True,
        env={"SHELL": str(path), "PATH": "/usr/bin:/bin"},
    )
    assert done.stdout == printed.format(sh=path)


def test_a_long_command_with_many_quotes_fits(tmp_path: Path) -> None:
    profile = tmp_path / "profile"
    profile.write_text("module() { wc -c; }")
    command = f"echo {repr('x') * 40_000} | module"
    sent = with_profile(command).replace("/etc/profile", str(profile))
    done = subprocess.run(["bash", "-c", sent], capture_output=True, text=True, check=True, env={"SHELL": "/bin/bash"})
    assert int(done.stdout) == 40_001


def test_wildcards_live_and_all_else_is_quoted(tmp_path: Path) -> None:
    for name in ("a b1.txt", "a b2.txt", "$(touch evil).txt"):
        (tmp_path / name).touch()

    def shown(pattern: str) -> list[str]:
        script = f"for path in {shell_pattern(pattern)}; do printf '%s\\n' \"$path\"; done"
        run = subprocess.run(["sh", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
        return run.stdout.splitlines()

    assert shown("a b*.txt") == ["a b1.txt", "a b2.txt"]
    assert shown("a b[12].txt") == ["a b1.txt", "a b2.txt"]
    assert shown("$(touch evil).txt") == ["$(touch evil).txt"]
    assert not (tmp_path / "evil").exists()
    assert shell_pattern("~/x y") == "~/'x y'"


def test_a_key_that_others_can_read_is_told_of_by_us(access: Access, key_file: Path) -> None:
    key_file.chmod(0o640)
    with pytest.raises(exception.KeyFileError, match="can be read by others") as caught:
        login.argv(access, instance_id="i", host="h")
    assert caught.value.hint == f"chmod 600 {key_file}"


@pytest.mark.parametrize(
    ("status", "command", "ends"), [(0, "", 0), (3, "", 0), (255, "", 255), (3, "false", 3), (255, "exit 255", 255)]
)
def test_a_command_hands_its_status_on_and_a_login_does_not(status: int, command: str, ends: int) -> None:
    assert exit_status(status, command) == ends

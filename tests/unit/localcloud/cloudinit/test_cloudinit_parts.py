"""The smaller decisions of the stages: words of useradd, merged keys, decoded files, scripts, shim."""

import base64
import gzip
import subprocess
from pathlib import Path

import pytest

from starcluster.localcloud.hosts.cloudinit_config import KNOWN_KEYS, decode_content, install_script, shell_script
from starcluster.localcloud.hosts.cloudinit_journal import Journal, Paths
from starcluster.localcloud.hosts.cloudinit_shims import SHIMS
from starcluster.localcloud.hosts.cloudinit_users import merge_keys, root_prefix, useradd_command


def test_useradd_has_the_words_of_the_entry() -> None:
    user = {"name": "bob", "uid": 7, "gecos": "B", "primary_group": "staff", "homedir": "/h", "shell": "/bin/sh"}
    command = useradd_command(user, ["a", "b"])
    assert command[0] == "useradd"
    assert command[-1] == "bob"
    for option, value in (("--uid", "7"), ("--gid", "staff"), ("--home-dir", "/h"), ("--groups", "a,b")):
        assert command[command.index(option) + 1] == value
    assert "--create-home" in command


@pytest.mark.parametrize(
    ("entry", "word"),
    [
        ({"system": True}, "--system"),
        ({"no_create_home": True}, "--no-create-home"),
        ({"no_user_group": True}, "--no-user-group"),
        ({"hashed_passwd": "$6$x", "lock_passwd": False}, "$6$x"),
    ],
)
def test_useradd_takes_switches(entry: dict[str, object], word: str) -> None:
    assert word in useradd_command({"name": "bob", **entry}, [])
    assert word not in useradd_command({"name": "bob"}, [])


def test_a_password_stays_locked_unless_asked_otherwise() -> None:
    assert "$6$x" not in useradd_command({"name": "bob", "passwd": "$6$x"}, [])


def test_a_key_that_is_there_gets_its_new_options() -> None:
    blocked = root_prefix("ubuntu") + "ssh-ed25519 AAAAone me"
    assert merge_keys(["ssh-ed25519 AAAAone me", "ssh-rsa AAAAtwo"], [blocked]) == ["ssh-rsa AAAAtwo", blocked]
    assert merge_keys([blocked], ["ssh-ed25519 AAAAone me"]) == ["ssh-ed25519 AAAAone me"]
    assert merge_keys(["# note"], ["ssh-rsa AAAAtwo", "ssh-rsa AAAAtwo"]) == ["# note", "ssh-rsa AAAAtwo"]


@pytest.mark.parametrize(
    ("content", "encoding", "expected"),
    [
        ("x", "", b"x"),
        ("x", "text/plain", b"x"),
        (base64.b64encode(b"y\0").decode(), "b64", b"y\0"),
        (base64.b64encode(gzip.compress(b"z", mtime=0)).decode(), "gz+b64", b"z"),
        (gzip.compress(b"w", mtime=0), "gzip", b"w"),
        (None, "", b""),
    ],
)
def test_content_is_decoded(content: object, encoding: str, expected: bytes) -> None:
    assert decode_content(content, encoding) == expected


def test_an_unknown_encoding_is_an_error() -> None:
    with pytest.raises(ValueError, match="rot13"):
        decode_content("x", "rot13")


def test_commands_become_a_script_that_quotes_words(tmp_path: Path) -> None:
    text = shell_script(["echo $((1 + 1))", ["printf", "%s\n", "it's $HOME"], None])
    path = install_script(tmp_path / "deep" / "script", text.encode())
    assert subprocess.run([path], capture_output=True, check=True).stdout == b"2\nit's $HOME\n"


@pytest.mark.parametrize("text", [b"echo hi\n", b"\n#!/bin/sh\necho hi\n", b"#cloud-boothook\n#!/bin/bash\necho hi\n"])
def test_scripts_run_whatever_their_first_line(tmp_path: Path, text: bytes) -> None:
    path = install_script(tmp_path / "script", text)
    assert subprocess.run([path], capture_output=True, check=True).stdout == b"hi\n"


def journal(tmp_path: Path) -> tuple[Journal, list[str]]:
    told: list[str] = []
    return Journal(Paths(root=tmp_path), told.append), told


def test_the_console_gets_whole_lines_of_what_programs_say(tmp_path: Path) -> None:
    one, told = journal(tmp_path)
    one.line("first")
    assert one.run(["sh", "-c", "echo out; echo err >&2; printf unfinished; exit 4"]) == 4
    one.line(" end")
    assert "\n".join(told) == "first\nout\nerr\nunfinished end"


def test_a_program_that_is_not_there_or_takes_too_long(tmp_path: Path) -> None:
    one, told = journal(tmp_path)
    assert one.run(["/nonesuch"]) == 127
    assert one.run(["sleep", "60"], limit=0.1) == 128 + 9
    assert "No such file" in told[0]


def shim(tmp_path: Path, *words: str) -> tuple[int, str]:
    path = tmp_path / "cloud-init"
    path.write_text(SHIMS["/usr/bin/cloud-init"].replace("/run/cloud-init", str(tmp_path / "run/cloud-init")))
    done = subprocess.run(["sh", path, *words], capture_output=True, text=True, timeout=10, check=False)
    return done.returncode, done.stdout


def test_the_status_command_tells_what_was_published(tmp_path: Path) -> None:
    one, _ = journal(tmp_path)
    assert shim(tmp_path, "status") == (0, "status: not started\n")
    one.status("running", "init")
    assert shim(tmp_path, "status") == (0, "status: running\n")
    one.status("done", "")
    assert shim(tmp_path, "status", "--wait") == (0, "status: done\n")
    one.warn("odd")
    one.status("degraded", "")
    code, text = shim(tmp_path, "status", "--wait", "--long")
    assert code == 2
    assert "extended_status: degraded done" in text
    assert "- odd" in text
    one.error("bad")
    one.status("error", "")
    assert shim(tmp_path, "status", "--format", "json") == (1, '{"status": "error", "extended_status": "error"}\n')
    assert shim(tmp_path, "nonsense")[0] == 2


def test_waiting_ends_when_the_start_does(tmp_path: Path) -> None:
    one, _ = journal(tmp_path)
    one.status("running", "init")
    shim(tmp_path, "status")  # writes the command
    waiting = subprocess.Popen(["sh", tmp_path / "cloud-init", "status", "--wait"], stdout=subprocess.PIPE)
    assert waiting.poll() is None
    one.status("done", "")
    out, _ = waiting.communicate(timeout=10)
    assert (waiting.returncode, out) == (0, b"status: done\n")


def test_known_keys_are_words() -> None:
    assert {"runcmd", "users", "disable_root", "ssh_pwauth"} <= KNOWN_KEYS
    assert all(key.replace("_", "").isalpha() for key in KNOWN_KEYS)

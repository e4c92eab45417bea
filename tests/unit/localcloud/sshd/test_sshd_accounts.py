"""Accounts from passwd and group files, keys with their options, the environment of a login."""

import os
from pathlib import Path

import asyncssh
import pytest

from starcluster.localcloud.hosts import sshd_accounts as accounts

PASSWD = """root:x:0:0:root:/root:/bin/bash
# a comment
alice:x:2001:2002:A, person:/home/alice:
broken:x:no:1::/:/bin/sh
short:x:1
"""
GROUP = "root:x:0:\nfolk:x:2002:\nstaff:x:50:bob,alice\nwheel:x:10:alice\nbroken:x:ten:alice\n"


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    passwd, group = tmp_path / "passwd", tmp_path / "group"
    passwd.write_text(PASSWD)
    group.write_text(GROUP)
    return passwd, group


def find(name: str, files: tuple[Path, Path]) -> accounts.Account | None:
    return accounts.find_account(name, passwd=files[0], group=files[1])


def test_an_account_has_its_first_group_first_and_a_shell(files: tuple[Path, Path]) -> None:
    alice = find("alice", files)
    assert alice == accounts.Account(
        name="alice", uid=2001, gid=2002, home="/home/alice", shell="/bin/sh", groups=(2002, 50, 10)
    )


@pytest.mark.parametrize("name", ["", "nobody", "broken", "short", "# a comment", "ali"])
def test_there_is_no_such_account(files: tuple[Path, Path], name: str) -> None:
    assert find(name, files) is None


def test_without_a_file_there_is_nobody(tmp_path: Path) -> None:
    assert find("root", (tmp_path / "gone", tmp_path / "gone")) is None


def test_a_group_is_found_by_name(files: tuple[Path, Path]) -> None:
    assert accounts.find_group("staff", group=files[1]) == 50
    assert accounts.find_group("broken", group=files[1]) is None


def key() -> tuple[asyncssh.SSHKey, str]:
    private = asyncssh.generate_private_key("ssh-ed25519")
    return private.convert_to_public(), private.export_public_key().decode().strip()


def options(line: str, public: asyncssh.SSHKey) -> dict[str, object] | None:
    return accounts.UserKeys(line).validate(public, "10.0.0.1", "10.0.0.1")


def test_a_key_is_found_among_others_and_nonsense() -> None:
    public, line = key()
    text = f"# mine\nnonsense\nssh-ed25519 AAAAbroken x\n{key()[1]}\n{line}\n"
    assert options(text, public) == {}
    assert options(text, key()[0]) is None


def test_no_line_means_no_key() -> None:
    assert options("", key()[0]) is None
    assert options("# nothing\n", key()[0]) is None


def test_a_forced_command_goes_under_a_name_of_its_own() -> None:
    public, line = key()
    found = options(f'command="echo \\"hi\\"",no-pty {line}', public)
    assert found == {"forced-command": 'echo "hi"', "no-pty": True}


def test_restrict_takes_everything_but_what_is_given_back() -> None:
    public, line = key()
    found = options(f"restrict,port-forwarding {line}", public)
    assert found is not None
    assert found["no-pty"] is True
    assert found["no-agent-forwarding"] is True
    assert "no-port-forwarding" not in found


@pytest.fixture
def home(tmp_path: Path) -> accounts.Account:
    folder = tmp_path / "home" / ".ssh"
    folder.mkdir(parents=True, mode=0o755)
    (folder / "authorized_keys").write_text(key()[1] + "\n")
    for place in (tmp_path / "home", folder):
        place.chmod(0o755)
    return accounts.Account(name="me", uid=os.getuid(), gid=os.getgid(), home=str(tmp_path / "home"), shell="/bin/sh")


def has_keys(account: accounts.Account) -> bool:
    return bool(accounts.authorized_keys(account)._keys._user_entries)


def test_keys_of_a_private_home_are_taken(home: accounts.Account) -> None:
    assert has_keys(home)


@pytest.mark.parametrize("place", ["", ".ssh", ".ssh/authorized_keys"])
@pytest.mark.parametrize("mode", [0o020, 0o002])
def test_keys_that_others_may_write_are_not(home: accounts.Account, place: str, mode: int) -> None:
    path = Path(home.home, place)
    path.chmod(path.stat().st_mode | mode)
    assert not has_keys(home)


def test_keys_of_another_owner_are_not(home: accounts.Account) -> None:
    os.chown(Path(home.home, ".ssh/authorized_keys"), 12345, -1)
    assert not has_keys(home)


def test_without_a_file_there_are_no_keys(home: accounts.Account) -> None:
    Path(home.home, ".ssh/authorized_keys").unlink()
    assert not has_keys(home)


def test_the_environment_file_may_change_the_path_but_not_who_one_is(home: accounts.Account, tmp_path: Path) -> None:
    path = tmp_path / "environment"
    path.write_text("PATH=\"/a:/b\"\nexport X='1 2'\n# Y=1\nHOME=/elsewhere\nnonsense\n=\n")
    found = accounts.login_environment(home, environment=path)
    assert (found["PATH"], found["X"], found["HOME"], found["USER"]) == ("/a:/b", "1 2", home.home, "me")
    assert not {"Y", "# Y", "nonsense", ""} & set(found)


def test_without_an_environment_file_there_is_a_path(home: accounts.Account, tmp_path: Path) -> None:
    assert "/usr/sbin" in accounts.login_environment(home, environment=tmp_path / "gone")["PATH"]

"""users: which numbers they get, what is done on which node, and the archive of their keys."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from starcluster import exception
from starcluster.plugins.users import CreateUsers, keep_archive, user_names
from tests.plugins.machines import Answer, Machine, call


def test_names() -> None:
    assert user_names("3", "") == ["user001", "user002", "user003"]
    assert user_names("", "linus, tux, linus") == ["linus", "tux"]
    assert user_names("2", "linus, tux") == ["linus", "tux"]


@pytest.mark.parametrize(
    ("number", "names"), [("", ""), ("0", ""), ("x", ""), ("3", "a, b"), ("", "root"), ("", "A b")]
)
def test_names_that_can_not_be(number: str, names: str) -> None:
    with pytest.raises(exception.ConfigSettingError):
        user_names(number, names)


def answers(there: str = "", used: str = "") -> Answer:
    told = {"look for the users": there, "list the user ids": used}
    return lambda what, text: told.get(what, "").splitlines()


def accounts(node: Machine) -> list[tuple[object, ...]]:
    return [one for one in node.done if one[0] == "add_user"]


def test_one_number_on_all_nodes_that_is_free_on_each() -> None:
    master = Machine("master", answer=answers(there="tux 1044 1045", used="0\n1001\n65534"))
    node = Machine("node001", answer=answers(used="1050"))
    call(CreateUsers(usernames="linus, tux"), "run", master, node)
    wanted = [("add_user", "linus", 1051, 1051, "bash"), ("add_user", "tux", 1044, 1045, "bash")]
    assert accounts(master) == accounts(node) == wanted
    assert [one[:2] for one in node.done if one[0] == "make_key_for_user"] == []
    assert ("make_key_for_user", "linus") in [one[:2] for one in master.done]


def test_a_new_node_gets_the_same_and_the_others_are_left() -> None:
    there = "linus 1051 1051"
    master, other, late = Machine("master", answer=answers(there=there)), Machine("node001"), Machine("node002")
    call(CreateUsers(usernames="linus"), "on_add_node", master, other, late)
    assert accounts(late) == [("add_user", "linus", 1051, 1051, "bash")]
    assert ("add_to_known_hosts", "linus", [late]) in master.done
    assert other.done == other.scripts == []


def test_a_node_that_goes_is_forgotten() -> None:
    master, node = Machine("master"), Machine("node001")
    call(CreateUsers(usernames="linus"), "on_remove_node", master, node)
    assert master.done == [("remove_from_known_hosts", "linus", [node])]


def test_a_name_of_the_system_is_refused_before_anything_is_made() -> None:
    master = Machine("master", answer=answers(there="games 5 60"))
    with pytest.raises(exception.ClusterValidationError, match="games"):
        call(CreateUsers(usernames="games"), "run", master)
    assert accounts(master) == []


def test_the_archive_is_whole_and_for_its_owner_alone(tmp_path: Path) -> None:
    master = Machine("master", answer=answers(used="1000"))
    folder = tmp_path / "made" / "here"
    for _ in range(2):
        call(CreateUsers(num_users="1", download_keys="True", download_keys_dir=str(folder)), "run", master)
    path = folder / "mycluster-us-east-1.tar.gz"
    assert path.stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    assert [one.name for one in folder.iterdir()] == [path.name]
    with tarfile.open(path) as tar:
        (member,) = tar.getmembers()
        content = tar.extractfile(member)
        assert (member.name, member.mode) == ("./user001.rsa", 0o600)
        assert content is not None
        assert content.read() == b"private\nkey\n"


def test_the_same_keys_give_the_same_archive(tmp_path: Path) -> None:
    keep_archive(tmp_path / "a", {"x": "1", "y": "2"})
    keep_archive(tmp_path / "b", {"y": "2", "x": "1"})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()

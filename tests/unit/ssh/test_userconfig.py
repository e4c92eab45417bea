"""Our file in the user's ~/.ssh, and the one line in his own config."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from starcluster.ssh.userconfig import UserConfig

ONE, TWO = ("aws us-east-1", "one"), ("local /x y", "two")


@pytest.fixture
def config(tmp_path: Path) -> UserConfig:
    return UserConfig(folder=tmp_path / ".ssh")


def test_blocks_come_back_as_they_were_written(config: UserConfig) -> None:
    blocks = {ONE: "Host one\n    User root\n", TWO: "Host two\n"}
    assert config.change(lambda before: blocks) is True
    assert config.blocks() == blocks
    assert config.change(lambda before: before) is False
    config.change(lambda before: {**before, ONE: "Host one\n"})
    assert config.blocks() == {ONE: "Host one\n", TWO: "Host two\n"}
    assert stat.S_IMODE(config.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(config.folder.stat().st_mode) == 0o700


def test_the_line_stands_first_and_everything_else_stays(config: UserConfig) -> None:
    config.folder.mkdir()
    mine = "# mine \udcff\nHost *\n  User me\n"
    config.main.write_text(mine, errors="surrogateescape")
    config.main.chmod(0o640)
    assert not config.is_included()
    config.include()
    assert config.is_included()
    text = config.main.read_text(errors="surrogateescape")
    assert text == f'Include "{config.path}"\n{mine}'
    config.change(lambda before: {ONE: "Host one\n"})
    assert config.remove() is True
    assert (config.main.read_text(errors="surrogateescape"), config.path.exists()) == (mine, False)
    assert stat.S_IMODE(config.main.stat().st_mode) == 0o640
    assert config.remove() is False


def test_a_config_that_was_made_for_our_line_goes_with_it(config: UserConfig) -> None:
    config.include()
    assert config.remove() is True
    assert not config.main.exists()


def test_a_config_that_is_a_link_stays_one(config: UserConfig, tmp_path: Path) -> None:
    config.folder.mkdir()
    (tmp_path / "dotfiles").write_text("Host *\n")
    config.main.symlink_to(tmp_path / "dotfiles")
    config.include()
    assert config.main.is_symlink()
    assert (tmp_path / "dotfiles").read_text().endswith('starcluster"\nHost *\n')


@pytest.mark.parametrize(
    ("text", "included"),
    [
        ("Include config.d/*\n", True),
        ("include ~/.ssh/config.d/starcluster\n", True),
        ('Host x\n\tUser y\nInclude "config.d/*"\n', False),
        ("Include other config.d/starcluster\n", True),
        ("Include config.d/mine\n", False),
        ("#Include config.d/*\n", False),
        ("", False),
    ],
)
def test_a_line_of_the_users_own_will_do(config: UserConfig, text: str, included: bool) -> None:
    config.folder.mkdir()
    config.main.write_text(text)
    assert config.is_included() is included

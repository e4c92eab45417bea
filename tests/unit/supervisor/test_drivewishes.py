"""Drives in train.cfg: under a node, and in sections of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from starcluster import exception
from starcluster.model import Market
from starcluster.supervisor.wishes import Wish, read_wishes

NODE = "[{name}]\ncluster_name = c\ninstance_type = c5.large\ncommand = true\n"


def read(folder: Path, text: str, *names: str) -> list[Wish]:
    path = folder / "train.cfg"
    path.write_text(text)
    return read_wishes(path, names or ("mynode",))


def with_drive(folder: Path, line: str, section: str = "") -> Wish:
    (found,) = read(folder, f"{NODE.format(name='mynode')}drive = {line}\n{section}")
    return found


def test_a_drive_alone_must_be_there_already(tmp_path: Path) -> None:
    (drive,) = with_drive(tmp_path, "data:/data/").drives
    assert (drive.name, drive.path, drive.shape) == ("data", "/data", {})
    assert (drive.snapshot_every, drive.may_lose, drive.keep) == (3600, 0, "3 hourly, 7 daily")


def test_a_section_says_what_it_is_made_like(tmp_path: Path) -> None:
    section = """
[drive Data]
size = 500
type = GP3
iops = 4000
throughput = 250
filesystem = xfs
encrypted = yes
kms_key = alias/mine
keep = 2 last
snapshot_every = 30
may_lose = 5
"""
    (drive,) = with_drive(tmp_path, "data:/data", section).drives
    assert drive.shape == {
        "size": 500,
        "kind": "gp3",
        "iops": 4000,
        "throughput": 250,
        "filesystem": "xfs",
        "encrypted": True,
        "kms_key": "alias/mine",
    }
    assert (drive.snapshot_every, drive.may_lose, drive.keep) == (1800, 300, "2 last")


def test_a_section_without_a_size_only_says_how_it_is_kept(tmp_path: Path) -> None:
    (drive,) = with_drive(tmp_path, "data:/data", "[drive data]\nsnapshot_every = 0\n").drives
    assert (drive.shape, drive.snapshot_every) == ({}, 0)


def test_several_drives_stand_on_one_line_or_more(tmp_path: Path) -> None:
    found = with_drive(tmp_path, "data:/data, cache:/var/cache/mine\n  other:/other")
    assert [(one.name, one.path) for one in found.drives] == [
        ("data", "/data"),
        ("cache", "/var/cache/mine"),
        ("other", "/other"),
    ]


@pytest.mark.parametrize(
    ("line", "section", "words"),
    [
        ("data", "", "'data' is not NAME:/path"),
        (":/data", "", "is not NAME:/path"),
        ("my_data:/data", "", "my_data"),
        ("data:data", "", "not an absolute path"),
        ("data:/home", "", "would hide what the node has"),
        ("data:/data, data:/other", "", "the drive data is given twice"),
        ("data:/data, other:/data", "", "the path /data is given twice"),
        ("data:/data", "[drive data]\nsize = big\n", "'big' is not a number"),
        ("data:/data", "[drive data]\nsize = 5\ntype = gp9\n", "no kind of volume 'gp9'"),
        ("data:/data", "[drive data]\nkeep = all\n", "'all' is not a number and one of"),
        ("data:/data", "[drive data]\nfilesystem = ntfs\n", "none of: ext4, xfs"),
    ],
)
def test_what_can_not_be_meant_names_its_setting(tmp_path: Path, line: str, section: str, words: str) -> None:
    with pytest.raises(exception.ConfigSettingError, match=r"train\.cfg") as caught:
        with_drive(tmp_path, line, section)
    assert words in str(caught.value)


def test_an_unknown_setting_is_told_with_what_is_near(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with_drive(tmp_path, "data:/data", "[drive data]\nsnapshot_evry = 3\nzzz = 1\n")
    assert "did you mean 'snapshot_every'?" in caplog.text
    assert "zzz: unknown setting, not used" in caplog.text


def test_two_nodes_of_one_call_can_not_have_one_drive(tmp_path: Path) -> None:
    text = "".join(f"{NODE.format(name=name)}drive = data:/data\n" for name in ("one", "two"))
    with pytest.raises(exception.ConfigSettingError, match="the drive data is one's too"):
        read(tmp_path, text, "one", "two")
    assert read(tmp_path, text, "two")[0].drives, "one after the other is another matter"


def test_what_an_hour_is_worth(tmp_path: Path) -> None:
    assert read(tmp_path, NODE.format(name="mynode") + "hour_worth = $2.5\n")[0].hour_worth == 2.5
    assert read(tmp_path, NODE.format(name="mynode"))[0].hour_worth is None


def test_the_pools_of_a_wish_in_their_order(tmp_path: Path) -> None:
    more = "zones = us-east-1b, us-east-1a\nfallback = on-demand\nspot_max_wait = 60\n"
    (found,) = read(tmp_path, NODE.format(name="mynode") + more)
    assert [(one.zone, one.market) for one in found.pools(["us-east-1c"], waited=59)] == [
        ("us-east-1b", Market.SPOT),
        ("us-east-1a", Market.SPOT),
    ]
    assert [one.market for one in found.pools([])] == [Market.SPOT] * 2 + [Market.ON_DEMAND] * 2

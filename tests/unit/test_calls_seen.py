"""The witness of what is asked of AWS: what it makes of a log, and which differences from the table it tells."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from starcluster.permissions import EVERYTHING, NEEDS, OWN_TAG, Need, On, Only
from tests import calls_seen

SEE = Need(action="ec2:DescribeVolumes", features=("look",), on=EVERYTHING)
MAKE = Need(action="ec2:CreateVolume", features=("volumes",), on=(On(kinds=("volume",), only=Only.TAGGED),))
END = Need(action="ec2:DeleteVolume", features=("volumes",), on=(On(kinds=("volume",), only=Only.MADE_BY_US),))


def entry(action: str, *ids: str, client: str = "starcluster-spot/0.1.0", **more: Any) -> str:
    return json.dumps({"kind": "call", "service": "ec2", "action": action, "ids": ids, "client": client, **more})


def told(*lines: str, whole: bool = False) -> list[str]:
    return calls_seen.faults(calls_seen.reduced(lines), (SEE, MAKE, END), whole=whole)


def test_what_the_table_lists_is_no_fault() -> None:
    made = entry("CreateVolume", tags={"volume": ["Name", OWN_TAG]})
    assert told(entry("DescribeVolumes", "vol-1", "i-2"), made, entry("DeleteVolume", "vol-0a")) == []


def test_others_do_not_count() -> None:
    event = json.dumps({"kind": "event", "what": "running", "subject": "i-1"})
    assert told(entry("RunInstances", client="aws-cli/1.46"), event) == []


def test_an_action_that_is_not_in_the_table() -> None:
    assert told(entry("RebootInstances", "i-1")) == ["ec2:RebootInstances was asked for and is not in permissions.py"]


def test_a_kind_that_is_not_in_the_table() -> None:
    assert told(entry("DeleteVolume", "snap-1")) == [
        "ec2:DeleteVolume named snapshot, which permissions.py does not list"
    ]


@pytest.mark.parametrize("tags", [{}, {"volume": ["Name"]}, {"instance": [OWN_TAG]}])
def test_what_is_made_without_the_tag(tags: dict[str, list[str]]) -> None:
    assert told(entry("CreateVolume", tags=tags)) == [f"ec2:CreateVolume made volume without the tag {OWN_TAG}"]


def test_what_nothing_asked_for_is_a_fault_of_a_whole_run_only() -> None:
    assert told(entry("DescribeVolumes")) == []
    assert told(entry("DescribeVolumes"), whole=True) == [
        f"ec2:{action} is in permissions.py, and no test asked for it" for action in ("CreateVolume", "DeleteVolume")
    ]


def test_a_run_of_everything_is_a_whole_one() -> None:
    options = {"markexpr": "not live", "keyword": "", "deselect": None, "ignore": None, "lf": False, "verbose": 1}
    assert calls_seen.is_whole(options)
    chosen = [
        {"markexpr": "not long and not live"},
        {"markexpr": ""},
        {"keyword": "train"},
        {"deselect": ["tests/rehearsal/test_access.py"]},
        {"ignore": ["tests/rehearsal/crash"]},
        {"ignore_glob": ["*soak*"]},
        {"lf": True},
        {"stepwise": True},
        {"collectonly": True},
    ]
    assert [one for one in chosen if calls_seen.is_whole({**options, **one})] == []


def test_clouds_hand_in_and_are_gathered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log, folder = tmp_path / "calls.jsonl", tmp_path / "seen"
    folder.mkdir()
    monkeypatch.setenv(calls_seen.FOLDER, str(folder))
    for line in (entry("AttachVolume", "i-1"), entry("AttachVolume", "vol-1")):
        log.write_text(line + "\n")
        calls_seen.hand_in(log)
    calls_seen.hand_in(tmp_path / "a cloud that never was up")
    assert calls_seen.gathered(folder) == {"ec2:AttachVolume": {"named": ["instance", "volume"], "untagged": []}}


def test_what_only_aws_has_is_in_the_table() -> None:
    assert set(calls_seen.ONLY_ON_AWS) <= {need.action for need in NEEDS}

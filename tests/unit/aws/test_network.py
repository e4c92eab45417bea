"""Groups by their names: EC2's filters know wildcards, and a name may be taken in several VPCs."""

from __future__ import annotations

import fnmatch
from types import SimpleNamespace
from typing import Any

import pytest

from starcluster import exception
from starcluster.aws.network import Network


class Groups:
    """An Api with these groups, which filters as EC2 does."""

    page_size = 1000
    access = SimpleNamespace(region="us-east-1")

    def __init__(self, *groups: tuple[str, str]) -> None:
        self.groups = groups

    def pages(self, operation: str, key: str, **words: Any) -> list[dict[str, Any]]:
        [wanted] = words["Filters"]
        return [
            {"GroupId": f"sg-{number}", "GroupName": name, "VpcId": vpc}
            for number, (name, vpc) in enumerate(self.groups, 1)
            if fnmatch.fnmatchcase(name, wanted["Values"][0])
        ]


def group(name: str, *groups: tuple[str, str]) -> Any:
    return Network(Groups(*groups)).group(name)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["@sc-*", "@sc-?ine", "@sc-[m]ine", "@sc-"])
def test_a_pattern_is_no_clusters_name(name: str) -> None:
    """`terminate 'm*'` must not end the first cluster that it fits."""
    assert group(name, ("@sc-mine", "vpc-1")) is None


def test_the_group_of_that_name() -> None:
    assert group("@sc-mine", ("@sc-other", "vpc-1"), ("@sc-mine", "vpc-1")).id == "sg-2"


def test_two_clusters_of_one_name_are_told_with_their_ids() -> None:
    with pytest.raises(exception.UserMustAct, match=r"2 security groups .*: sg-1 in vpc-1, sg-2 in vpc-2") as caught:
        group("@sc-mine", ("@sc-mine", "vpc-1"), ("@sc-mine", "vpc-2"))
    assert "one cluster only" in caught.value.hint

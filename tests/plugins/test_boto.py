"""boto: whose keys go where, and what is never told."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from starcluster import exception
from starcluster.plugins.boto import MARK, BotoPlugin
from tests.plugins.machines import Machine, call


def written(node: Machine) -> str:
    (text,) = [text for _, text in node.scripts]
    return text


def test_our_own_keys_by_default_in_secret_and_with_advice(caplog: pytest.LogCaptureFixture) -> None:
    master = Machine("master", answer=lambda what, text: ["written"])
    with caplog.at_level(logging.DEBUG, logger="starcluster"):
        call(BotoPlugin(), "run", master, Machine("node001"))
    assert "aws_secret_access_key = very-secret" in written(master)
    assert master.secret == ["write ~/.aws/credentials"]
    assert "IAM_PROFILE" in caplog.text
    assert "very-secret" not in caplog.text


def test_no_keys_where_the_nodes_have_a_role(caplog: pytest.LogCaptureFixture) -> None:
    master = Machine("master")
    master.described.instance_profile = "arn:aws:iam::1:instance-profile/nodes"
    with caplog.at_level(logging.INFO, logger="starcluster"):
        call(BotoPlugin(), "run", master)
    assert master.scripts == []
    assert "instance profile nodes" in caplog.text


@pytest.mark.parametrize(
    ("content", "place"), [("[Credentials]\naws_access_key_id = A\n", ".boto"), ("[default]\n", ".aws/credentials")]
)
def test_a_file_of_the_user_goes_where_its_kind_is_looked_for(tmp_path: Path, content: str, place: str) -> None:
    (tmp_path / "cfg").write_text(content)
    master = Machine("master")
    call(BotoPlugin(str(tmp_path / "cfg")), "run", master)
    assert f"/{place}\n" in written(master)
    assert f"{MARK}\n{content}".replace("'", "'\"'\"'") in written(master)


def test_a_file_that_is_not_there_is_told_before_the_launch(tmp_path: Path) -> None:
    plugin = BotoPlugin(str(tmp_path / "none"))
    with pytest.raises(exception.ConfigSettingError, match="BOTO_CFG"):
        plugin.wanted_nodes()


def test_what_was_there_before_stays(caplog: pytest.LogCaptureFixture) -> None:
    call(BotoPlugin(), "run", Machine("master", answer=lambda what, text: ["foreign"]))
    assert "was there before and stays" in caplog.text

"""boto 2 in old plugins: importing it is no error, using it is one that tells what to do."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest

from starcluster import exception, pluginloader

PLUGIN = """\
import boto, boto.sdb as sdb
from boto import ec2
from boto.exception import EC2ResponseError, SDBResponseError
from boto.ec2.connection import EC2Connection
from starcluster import clustersetup

class Uses(clustersetup.ClusterSetup):
    def catch(self, error):
        try:
            raise error
        except SDBResponseError, e:
            return "domain"
        except EC2ResponseError, e:
            return str(e)

    def call(self):
        return sdb.connect_to_region("us-east-1")

    def make(self):
        class Mine(EC2Connection):
            pass

    def each(self):
        import boto.s3
        return [one for one in boto.s3.regions]
"""


@pytest.fixture
def plugin(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    (folder / "uses_boto.py").write_text(PLUGIN)
    return pluginloader.load("u", "uses_boto.Uses", {})


@pytest.mark.parametrize(
    ("method", "what"),
    [
        ("call", "boto.sdb.connect_to_region"),
        ("make", "boto.ec2.connection.EC2Connection"),
        ("each", "boto.s3.regions"),
    ],
)
def test_what_is_used_of_it_is_told(plugin: Any, method: str, what: str) -> None:
    with pytest.raises(ImportError, match=rf"there is no {what}: boto ended in 2018.*boto3"):
        getattr(plugin, method)()


def test_its_errors_are_those_of_ec2_here(plugin: Any) -> None:
    assert plugin.catch(exception.VolumeDoesNotExist("no vol-1")) == "no vol-1"
    with pytest.raises(exception.SSHError):
        plugin.catch(exception.SSHError("other"))


def test_nobody_else_sees_it(plugin: Any) -> None:
    assert "boto" not in sys.modules
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("boto")


def test_the_real_one_comes_first(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "site" / "boto").mkdir(parents=True)
    (tmp_path / "site" / "boto" / "__init__.py").write_text("Version = '2.49.0'\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    (folder / "has_boto.py").write_text(
        "import boto\nfrom starcluster import clustersetup\n\nclass Has(clustersetup.ClusterSetup):\n"
        "    version = boto.Version\n"
    )
    assert pluginloader.load("h", "has_boto.Has", {}).version == "2.49.0"  # type: ignore[attr-defined]

"""The plugin API: every name that StarCluster had is there, with its signature, and written down."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from typing import Any

import pytest

from starcluster import clustersetup, config, exception, logger, spinner, sshutils, static, threadpool, utils
from starcluster.aws.easyec2 import Connection, EasyEC2, Group
from starcluster.aws.likeboto import Disk, Machine
from starcluster.awsutils import EasyEC2 as EasyEC2Again
from starcluster.model import Instance, InstanceState, Volume, VolumeState
from starcluster.node import Node
from starcluster.ssh.access import Access
from starcluster.ssh.remotefile import RemoteFile
from starcluster.templates import condor, sge
from tests.fakes.ec2 import FakeEc2
from tests.plugins.api_names import NAMES, documented

_NODE = Node(Instance(id="i-1", state=InstanceState.RUNNING), ec2=FakeEc2(), access=Access(key_file=None))  # type: ignore[arg-type]
LIVE: dict[str, Any] = {
    "Hooks": clustersetup.ClusterSetup,
    "Node: attributes": _NODE,
    "Node: methods": Node,
    "node.ssh": sshutils.SSHClient,
    "remote_file()": RemoteFile(None, "/x", None),
    "starcluster.sshutils": sshutils,
    "DefaultClusterSetup": clustersetup.DefaultClusterSetup,
    "starcluster.threadpool": threadpool,
    "Pool": threadpool.ThreadPool,
    "starcluster.logger": logger,
    "starcluster.utils": utils,
    "starcluster.static": static,
    "starcluster.spinner": spinner,
    "starcluster.exception": exception,
    "node.ec2": EasyEC2,
    "node.ec2.conn": Connection,
    "starcluster.config": config,
    "starcluster.templates.sge": sge,
    "starcluster.templates.condor": condor,
    "Volume": Disk(Volume(id="vol-1", state=VolumeState.AVAILABLE, size=1, zone="us-east-1a"), FakeEc2().volumes),  # type: ignore[arg-type]
    "Instance": Machine,
    "Group": Group(id="sg-1", name="@sc-x", network=None),  # type: ignore[arg-type]
}
_NOTHING = ((), [], {}, None)


def rows() -> Iterator[tuple[str, str, str]]:
    for section, names in documented().items():
        for name, signature in names.items():
            yield section, name, signature


def test_the_document_has_every_name() -> None:
    written = documented()
    missing = [
        f"{section}: {name}" for section, names in NAMES.items() for name in names if name not in written[section]
    ]
    assert not missing
    assert set(written) == set(NAMES) == set(LIVE)


@pytest.mark.parametrize(("section", "name", "signature"), list(rows()))
def test_the_program_has_it_as_it_is_written(section: str, name: str, signature: str) -> None:
    owner = LIVE[section]
    if signature:
        assert not wrong_in(signature, getattr(owner, name))
    else:
        missing = object()
        found = inspect.getattr_static(owner, name, missing)
        if found is missing and inspect.ismodule(owner):
            found = getattr(owner, name)  # made when asked for
        assert found is not missing


def test_a_wrong_signature_is_told() -> None:
    def live(a: int, b: int = 1, c: object = (), *, d: int = 0) -> None: ...

    assert not wrong_in("(a, b=1, c=[])", live)
    assert not wrong_in("(a, b=1)", live)
    assert wrong_in("(b, a=1)", live)
    assert wrong_in("(a, b=2)", live)
    assert wrong_in("(a=0)", live)
    assert wrong_in("()", live), "`a` would be missing"
    assert wrong_in("(a, b=1, c=[], e=2)", live)


def wrong_in(signature: str, function: Any) -> str:
    """What somebody who goes by the signature would fall over; "" when there is nothing."""
    wanted = ast.parse(f"def f{signature}: ...").body[0].args  # type: ignore[attr-defined]
    live = [one for one in inspect.signature(function).parameters.values() if one.name != "self"]
    by_place = [one for one in live if one.kind is one.POSITIONAL_OR_KEYWORD]
    if inspect.isclass(function):
        return "" if not wanted.args or by_place else "takes nothing"
    defaults = [ast.literal_eval(one) for one in wanted.defaults]
    free = len(wanted.args) - len(defaults)
    for number, argument in enumerate(wanted.args):
        if number >= len(by_place) or by_place[number].name != argument.arg:
            return f"{argument.arg} is not parameter {number + 1} of {inspect.signature(function)}"
        default = defaults[number - free] if number >= free else inspect.Parameter.empty
        if not same(default, by_place[number].default):
            return f"{argument.arg} has the default {by_place[number].default!r}"
    named = {one.arg for one in wanted.kwonlyargs}
    needed = [one.name for one in by_place[len(wanted.args) :] if one.default is one.empty]
    if wanted.vararg is None and needed:
        return f"{', '.join(needed)} must be given"
    return "" if named <= {one.name for one in live} else f"no {named}"


def same(wanted: Any, live: Any) -> bool:
    if wanted is inspect.Parameter.empty or live is inspect.Parameter.empty:
        return wanted is live
    if wanted in _NOTHING and live in _NOTHING:
        return True
    return bool(wanted == live and isinstance(wanted, type(live)))


def test_old_names_are_the_same_things() -> None:
    assert sshutils.Connection is sshutils.SSHClient
    assert issubclass(EasyEC2Again, EasyEC2)


def test_errors_stand_in_their_families() -> None:
    families = {
        exception.SSHError: "SSHConnectionError SSHAuthException SSHNoCredentialsError RemoteCommandFailed",
        exception.AWSError: "InstanceDoesNotExist InstanceNotRunning VolumeDoesNotExist SecurityGroupDoesNotExist "
        "ZoneDoesNotExist KeyPairDoesNotExist SpotHistoryError InvalidOperation PropagationException",
        exception.PluginError: "PluginLoadError PluginSyntaxError",
        exception.ValidationError: "ClusterValidationError MasterDoesNotExist InvalidZone VolumesZoneError",
        exception.ClusterValidationError: "MasterDoesNotExist InvalidZone VolumesZoneError InvalidPortRange",
        exception.BaseException: " ".join(NAMES["starcluster.exception"]),
    }
    for family, names in families.items():
        for name in names.split():
            kind = getattr(exception, name)
            assert issubclass(kind, family)
            assert kind("what happened").msg == "what happened"

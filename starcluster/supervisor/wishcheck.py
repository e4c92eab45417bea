"""What of the wishes EC2 and the cluster can tell to be a mistake, before anything is begun.

Only a plain no counts: when EC2 or the master can not be asked, the driver begins and copes, as it does later on.
"""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any, Protocol

from starcluster import exception, names
from starcluster.cluster.drives.records import DriveRecords
from starcluster.logger import log
from starcluster.model import Market
from starcluster.supervisor.wishes import Wish

ANY = "any"
_ROOT = "root"
_NO_SUCH_USER = 2  # getent's exit status
_LIMIT = 15.0


class Ec2Door(Protocol):
    @property
    def instances(self) -> Any: ...
    @property
    def network(self) -> Any: ...
    @property
    def templates(self) -> Any: ...
    @property
    def volumes(self) -> Any: ...
    @property
    def snapshots(self) -> Any: ...


class ClustersDoor(Protocol):
    def get(self, tag: str) -> Any: ...


def check_wishes(wishes: Sequence[Wish], ec2: Ec2Door, clusters: ClustersDoor) -> None:
    """UsageError for a zone, an instance type or a user that does not exist, with the section that names it.

    SupervisionError for a plugin that can not be loaded, or a private key: no node would ever be set up.
    """
    checked: set[tuple[str, str]] = set()
    for wish in wishes:
        for check in (_check_zones, _check_types):
            try:
                check(wish, ec2, checked)
            except exception.AWSError as error:
                log.debug("%s is not checked: %s", wish.name, error)
        _check_user(wish, clusters, checked)
    _check_drives(wishes, ec2)
    for tag in dict.fromkeys(wish.cluster for wish in wishes):
        _check_set_up(tag, {names.fold(wish.name) for wish in wishes if wish.cluster == tag}, ec2, clusters)


def _wrong(wish: Wish, setting: str, why: str, hint: str) -> exception.WishError:
    return exception.WishError(f"[{wish.name}] {setting}: {why}", hint=hint)


def _near(word: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean '{close[0]}'?" if close else ""


def _new(words: Iterable[str], kind: str, checked: set[tuple[str, str]]) -> list[str]:
    """Those that were not checked for another wish."""
    fresh = [word for word in words if word and (kind, word) not in checked]
    checked |= {(kind, word) for word in fresh}
    return fresh


def _check_zones(wish: Wish, ec2: Ec2Door, checked: set[tuple[str, str]]) -> None:
    wanted = _new(wish.zones, "zone", checked)
    if not wanted:
        return
    known = {zone.name for zone in ec2.network.zones()}
    for zone in wanted:
        if zone not in known:
            hint = f"the zones here: {', '.join(sorted(known))}{_near(zone, known)}"
            raise _wrong(wish, "zones", f"there is no zone '{zone}'", hint)


def _check_types(wish: Wish, ec2: Ec2Door, checked: set[tuple[str, str]]) -> None:
    for kind in _new(wish.instance_types, f"type/{wish.market}", checked):
        try:
            info = ec2.instances.type_info(kind)
        except (exception.UserMustAct, exception.NotFoundError) as error:
            if not error.code.startswith("InvalidInstanceType"):
                raise
            raise _wrong(
                wish,
                "instance_type",
                f"EC2 knows no type '{kind}' here",
                "take a name from EC2's list of instance types, as c5.large",
            ) from error
        if wish.market is Market.SPOT and info.usage_classes and str(Market.SPOT) not in info.usage_classes:
            hint = "name another type, or set market = on-demand"
            raise _wrong(wish, "instance_type", f"{kind} is not offered on spot", hint)


def _check_drives(wishes: Sequence[Wish], ec2: Ec2Door) -> None:
    """A drive is there, or it is said how large it is to be."""
    unmade = {drive.name: wish for wish in wishes for drive in wish.drives if not drive.shape}
    if not unmade:
        return
    try:
        there, broken = DriveRecords(ec2.templates, ec2.volumes, ec2.snapshots).some(unmade)
    except exception.AWSError as error:
        log.debug("the drives are not checked: %s", error)
        return
    for name in sorted(unmade.keys() - there.keys() - broken.keys()):
        hint = f"give its size in a section [drive {name}], or: starcluster drive create {name} SIZE"
        raise _wrong(unmade[name], "drive", f"there is no drive '{name}'", hint)


def with_zones(wishes: Sequence[Wish], ec2: Ec2Door) -> list[Wish]:
    """`zones = any` as the zones that there are."""
    if not any(ANY in wish.zones for wish in wishes):
        return list(wishes)
    known = tuple(sorted(zone.name for zone in ec2.network.zones()))
    return [replace(wish, zones=known) if ANY in wish.zones else wish for wish in wishes]


def _check_user(wish: Wish, clusters: ClustersDoor, checked: set[tuple[str, str]]) -> None:
    """The users of a cluster are those of its master; only a setup command may make others."""
    if wish.run_as in ("", _ROOT) or wish.setup_command or not _new([wish.run_as], f"user/{wish.cluster}", checked):
        return
    try:
        shell = clusters.get(wish.cluster).running_master().ssh
        status = shell.run(f"getent passwd {shlex.quote(wish.run_as)}", timeout=_LIMIT)[0]
    except exception.BaseException as error:
        log.debug("run_as of %s is not checked: %s", wish.name, error)
        return
    if status == _NO_SUCH_USER:
        hint = f"CLUSTER_USER is one; `starcluster sshmaster {wish.cluster} getent passwd` shows all"
        raise _wrong(wish, "run_as", f"there is no user '{wish.run_as}' in the cluster {wish.cluster}", hint)


def _check_set_up(tag: str, wanted: Collection[str], ec2: Ec2Door, clusters: ClustersDoor) -> None:
    """Before a machine is paid for; where nodes run already they are watched all the same."""
    try:
        cluster = clusters.get(tag)
        cluster.check_key()
        _ = cluster.plugins  # they are made
    except (exception.PluginError, exception.KeyFileError) as error:
        if _some_live(tag, wanted, ec2):
            log.warning("cluster %s: %s; no other node can be set up", tag, error.msg)
            return
        raise exception.SupervisionError(f"cluster {tag}: {error.msg}", hint=error.hint) from error
    except exception.BaseException as error:
        log.debug("the plugins and the key of %s are not checked: %s", tag, error)


def _some_live(tag: str, wanted: Collection[str], ec2: Ec2Door) -> bool:
    """Also when nobody can tell."""
    try:
        found = ec2.instances.find(cluster=tag)
    except exception.AWSError as error:
        log.debug("whether nodes of %s run is not known: %s", tag, error)
        return True
    return any(one.state.is_alive and names.fold(one.alias) in wanted for one in found)

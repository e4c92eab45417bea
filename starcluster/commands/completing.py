"""What a shell is told when the user presses TAB: names of the config at once, names in the cloud from a cache.

The cache is filled by a process of its own, which the shell waits for only an instant: what comes too late is there at
the next TAB. Nothing here starts the local cloud, prints an error, or asks for anything.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from starcluster.config import files
from starcluster.ownfolder import home

if TYPE_CHECKING:
    from starcluster.app import App
    from starcluster.config.schema import Config

Names = list[str]
Known = Mapping[str, Any]

FRESH = 30.0  # seconds for which the cache is believed
PATIENCE = 0.6  # seconds that the shell waits for new names
PATIENCE_OF_A_READER = 3.0  # seconds that an error waits for them, which would tell of what is gone
LIMIT = 15  # seconds after which the process that asks the cloud is ended
WORDS = "starcluster.words"  # where the words after the verb are kept
_WANTED = "starcluster.wanted"
_LOOK = 0.02


class Words(click.types.StringParamType):
    """A parameter's type whose values are looked up for the shell."""

    def __init__(self, look: Callable[[click.Context], Iterable[str]]) -> None:
        self._look = look

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        # -a takes names with commas between
        before, comma, last = incomplete.rpartition(",")
        with contextlib.suppress(Exception):
            found = sorted({name for name in self._look(ctx) if name.startswith(last)})
            return [CompletionItem(f"{before}{comma}{name}") for name in found]
        return []


# -- from the config


def _config(ctx: click.Context) -> Config:
    from starcluster.config.load import load

    given = ctx.find_root().params
    return load(given.get("config"), cloud=given.get("cloud"))


def templates(ctx: click.Context) -> Iterable[str]:
    return list(_config(ctx).templates)


def keys(ctx: click.Context) -> Iterable[str]:
    return list(_config(ctx).keys)


def plugins(ctx: click.Context) -> Iterable[str]:
    return list(_config(ctx).plugins)


def every_plugin(ctx: click.Context) -> Iterable[str]:
    """Those that the config does not name, too."""
    from starcluster.commands import pluginfacts

    return [*plugins(ctx), *pluginfacts.short_names()]


def wishes(ctx: click.Context) -> Iterable[str]:
    """The nodes of ./train.cfg."""
    import configparser

    parser = configparser.RawConfigParser(strict=False, allow_no_value=True)
    parser.read("train.cfg")
    return [name for name in parser.sections() if " " not in name]


def verbs(ctx: click.Context) -> Iterable[str]:
    from starcluster.commands import VERBS

    return list(VERBS)


# -- from the cloud


def clusters(ctx: click.Context) -> Iterable[str]:
    return list(known(ctx).get("clusters", ()))


def nodes(ctx: click.Context) -> Iterable[str]:
    """Those of the cluster that stands before; click has not read it where an option waits for its value."""
    tags = known(ctx).get("clusters", {})
    return members(ctx, next((word for word in ctx.meta.get(WORDS, ()) if word in tags), ""))


def members(ctx: click.Context, tag: str) -> Names:
    """The nodes of that cluster."""
    found: Names = known(ctx).get("clusters", {}).get(tag, [])
    return found


def instances(ctx: click.Context) -> Iterable[str]:
    return list(known(ctx).get("instances", ()))


def volumes(ctx: click.Context) -> Iterable[str]:
    return list(known(ctx).get("volumes", ()))


def drives(ctx: click.Context) -> Iterable[str]:
    return list(known(ctx).get("drives", ()))


def snapshots(ctx: click.Context) -> Iterable[str]:
    return list(known(ctx).get("snapshots", ()))


def drive_snapshots(ctx: click.Context) -> Iterable[str]:
    """Those of the drive that stands before."""
    found: Names = known(ctx).get("drive_snapshots", {}).get(ctx.params.get("name"), [])
    return found


def images(ctx: click.Context) -> Iterable[str]:
    return list(known(ctx).get("images", ()))


def every_image(ctx: click.Context) -> Iterable[str]:
    """One's own, and those that have short names."""
    from starcluster.aws.images import FRIENDLY

    return [*images(ctx), *FRIENDLY]


def key_pairs(ctx: click.Context) -> Iterable[str]:
    """Those of the region, whether the config names them or not."""
    return list(known(ctx).get("key_pairs", ()))


def zones(ctx: click.Context) -> Iterable[str]:
    return list(known(ctx).get("zones", ()))


def features(ctx: click.Context) -> Iterable[str]:
    from starcluster.permissions import FEATURES

    return list(FEATURES)


def instances_and_clusters(ctx: click.Context) -> Iterable[str]:
    return [*instances(ctx), *clusters(ctx)]


LOOKS: Mapping[str, Callable[[click.Context], Iterable[str]]] = {
    "tag": clusters,
    "tags": clusters,
    "cluster": clusters,
    "ipcluster": clusters,
    "node": nodes,
    "given": nodes,
    "old_aliases": nodes,
    "instance": instances,
    "host_instance": instances,
    "volume": volumes,
    "volumes": volumes,
    "volume_id": volumes,
    "snapshot": snapshots,
    "snapshots": snapshots,
    "snapshot_id": snapshots,
    "image": every_image,
    "images": images,
    "image_id": every_image,
    "master_image_id": every_image,
    "node_image_id": every_image,
    "zone": zones,
    "availability_zone": zones,
    "plugin": plugins,
    "cluster_template": templates,
    "keyname": keys,
    "keypair": keys,
    "verbs": verbs,
    "showconsole instance": instances_and_clusters,
    "listvolumes tags": lambda ctx: (),
    "createvolume tags": lambda ctx: (),
    "copyvolume tags": lambda ctx: (),
    "restorevolume tags": lambda ctx: (),
    "snapshotvolume tags": lambda ctx: (),
    "listsnapshots tags": lambda ctx: (),
    "train words": wishes,
    "plugin show name": every_plugin,
    "plugin test plugin": every_plugin,
    "config check template": templates,
    "config policy features": features,
    "reload name": templates,
    "removekey name": key_pairs,
    "drive restore snapshot_id": drive_snapshots,
    **{
        f"drive {verb} name": drives
        for verb in ("show", "attach", "detach", "move", "snapshot", "prune", "restore", "remove")
    },
}
"""By the name of a parameter, or by verb and parameter, what its values may be."""

FILES = {
    *("put sources", "get target", "start key_location", "start userdata_scripts"),
    *("createkey public_key", "createkey output_file", "spothistory csv_file"),
}
"""Parameters that are files of this machine."""


def attach(name: str, command: click.Command) -> None:
    """Give the verb's parameters the types that know their values; only to complete a line, not to run one."""
    for param in command.params:
        place = f"{name} {param.name}"
        look = LOOKS.get(place) or LOOKS.get(param.name or "")
        if place in FILES:
            param.type = click.Path()
        elif look is not None and not isinstance(param.type, click.Choice):
            param.type = Words(look)


# -- the cache


def known(ctx: click.Context) -> Known:
    """The names in the cloud, as fresh as can be had in an instant; see `surely`."""
    fresh, patience = ctx.meta.get(_WANTED, (FRESH, PATIENCE))
    given = {name: ctx.find_root().params.get(name) for name in ("config", "region", "cloud")}
    # what else decides whom we would ask
    place = [str(files.local_folder()), *(os.environ.get(name, "") for name in ("AWS_PROFILE", "AWS_REGION"))]
    path, key = cache_path(), json.dumps([given, place], sort_keys=True)
    if time.time() - _entry(path, key).get("at", 0.0) > fresh:
        _refresh(path, key, patience)
    found: Known = _entry(path, key).get("names", {})
    return found


def cache_path() -> Path:
    return home() / "completion.json"


def _read(path: Path) -> dict[str, Any]:
    try:
        told = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def _entry(path: Path, key: str) -> dict[str, Any]:
    found = _read(path).get(key)
    return found if isinstance(found, dict) else {}


def surely(ctx: click.Context) -> None:
    """Have the names asked for anew and waited for: they are for a sentence, and not for a TAB."""
    ctx.meta[_WANTED] = (0.0, PATIENCE_OF_A_READER)


def _refresh(path: Path, key: str, patience: float) -> None:
    """Have the cache filled anew, and wait for that so long."""
    began = time.time()
    process = subprocess.Popen(
        [sys.executable, "-m", "starcluster.commands.completing", key],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while time.time() - began < patience and process.poll() is None:
        time.sleep(_LOOK)


def ask(app: App, before: Known) -> Known:
    """All names that a line may hold; none where the local cloud is down."""
    from starcluster.commands import cloudnames
    from starcluster.config.schema import CloudName
    from starcluster.localcloud import control

    if app.config.cloud is CloudName.LOCAL and control.status(files.local_folder()) is None:
        return {}
    return cloudnames.of(app.ec2, before)


def main(key: str) -> None:
    """Fill the cache for one set of global options; whatever fails leaves it as it was, for a while."""
    from starcluster.app import App, Options

    signal.alarm(LIMIT)
    path = cache_path()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = os.open(path.with_suffix(".lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:  # another TAB has asked a moment ago
        return
    names: Known = _entry(path, key).get("names", {})
    with contextlib.suppress(Exception):
        names = ask(App(Options(**json.loads(key)[0])), names)
    part = path.with_name(f"{path.name}.{os.getpid()}")
    part.touch(mode=0o600)
    part.write_text(json.dumps({**_read(path), key: {"at": time.time(), "names": names}}))
    part.replace(path)


if __name__ == "__main__":
    main(sys.argv[1])

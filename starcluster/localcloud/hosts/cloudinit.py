"""The part of cloud-init that nodes of the local cloud have: user data is acted on as on a stock image.

`run` does what must be done before the first login (users, keys, files) and leaves packages, runcmd and
scripts to a child, as cloud-init's final stage runs beside a server that takes logins already.
"""

import os
import traceback
from collections.abc import Callable, Sequence
from email.utils import formatdate
from pathlib import Path
from typing import NoReturn

from starcluster.localcloud.hosts.cloudinit_config import KNOWN_KEYS, config_stage
from starcluster.localcloud.hosts.cloudinit_final import final_stage
from starcluster.localcloud.hosts.cloudinit_journal import Journal, Paths
from starcluster.localcloud.hosts.cloudinit_shims import SHIMS as SHIMS
from starcluster.localcloud.hosts.cloudinit_start import Start
from starcluster.localcloud.hosts.cloudinit_userdata import parse
from starcluster.localcloud.hosts.sshd_stop import hold_signals, release_signals


def run(
    user_data: bytes,
    *,
    default_user: str,
    authorized_keys: Sequence[str],
    instance_id: str,
    first_boot: bool,
    console: Callable[[str], None],
    paths: Paths | None = None,
) -> None:
    """Act on the user data. Returns when logins may begin; the rest goes on in a child of this process.

    What is meant once per instance is done when `first_boot`, or when it was not finished before.
    `console` gets whole lines, without the last newline. Nothing in the user data makes this raise.
    """
    hold_signals()
    journal = Journal(paths or Paths(), console)
    journal.status("running", "init")
    start = _begin(user_data, default_user, tuple(authorized_keys), instance_id, first_boot, journal)
    _guarded("config", start, config_stage)
    journal.status("running", "modules-final")
    if os.fork() == 0:
        _final(start)


def _begin(
    user_data: bytes, default_user: str, keys: tuple[str, ...], instance_id: str, first: bool, journal: Journal
) -> Start:
    journal.line(f"Cloud-init v. localcloud running for {instance_id} at {formatdate()}")
    directory = journal.paths.lib / "instances" / instance_id
    directory.mkdir(parents=True, exist_ok=True)
    link = journal.paths.instance
    if link.is_symlink() or link.exists():
        link.unlink()
    link.symlink_to(Path("instances") / instance_id)
    (directory / "boot-finished").unlink(missing_ok=True)
    if first:
        for mark in (directory / "sem").glob("*"):
            mark.unlink()
    _keep_private(directory / "user-data.txt", user_data)
    asked = parse(user_data)
    for complaint in asked.complaints:
        journal.warn(complaint)
    for key in sorted(set(asked.config) - KNOWN_KEYS):
        journal.warn(f"cloud-config: {key} is not supported here and is left out")
    return Start(
        instance_id=instance_id,
        directory=directory,
        default_user=default_user,
        authorized_keys=keys,
        asked=asked,
        journal=journal,
    )


def _keep_private(path: Path, data: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(data)


def _guarded(stage: str, start: Start, work: Callable[[Start], None]) -> None:
    """A stage's edge: whatever goes wrong in it, the node comes up, and its log tells why it is not whole."""
    try:
        work(start)
    except Exception as error:  # noqa: BLE001  user data is foreign; a node that hangs could not be looked at
        with start.journal.paths.log.open("a") as log:
            traceback.print_exc(file=log)
        start.journal.error(f"stage {stage}: {type(error).__name__}: {error}")


def _final(start: Start) -> NoReturn:
    """The child's work. It must never return into what its parent does next."""
    try:
        release_signals()
        os.setsid()
        _guarded("final", start, final_stage)
        _finish(start)
    finally:
        os._exit(0)


def _finish(start: Start) -> None:
    journal = start.journal
    message = start.asked.config.get("final_message")
    journal.line(str(message) if message else f"Cloud-init v. localcloud finished at {formatdate()}")
    (start.directory / "boot-finished").write_text(f"{formatdate()}\n")
    state = "error" if journal.errors else "degraded" if journal.warnings else "done"
    journal.status(state, "")

"""Brings the API up in the daemon: state read, hosts compared, threads started, cloud.json written last."""

from __future__ import annotations

import json
import os
import subprocess
import time
from argparse import Namespace
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from starcluster.localcloud.api import assembly, store
from starcluster.localcloud.api.agentstart import CannotStart
from starcluster.localcloud.api.cloud import Cloud
from starcluster.localcloud.api.commandgate import CommandGate
from starcluster.localcloud.api.controlserver import ControlServer
from starcluster.localcloud.api.expose import Exposure
from starcluster.localcloud.api.faults import Faults
from starcluster.localcloud.api.hostkeeper import HostKeeper
from starcluster.localcloud.api.operations import Operations
from starcluster.localcloud.api.packages import Packages
from starcluster.localcloud.api.timing import DEFAULT_SPEED, Timing
from starcluster.localcloud.hosts import network, room
from starcluster.localcloud.hosts.client import Hosts, HostsError
from starcluster.localcloud.places import Places
from starcluster.localcloud.s3.service import S3

KEY_NAME = "local"
NODE_PORT = 9000
NODE_S3 = f"http://{network.SERVICES}:{NODE_PORT}"


@dataclass(frozen=True, kw_only=True)
class Running:
    """What has been started."""

    cloud: Cloud
    server: assembly.Server
    control: ControlServer
    keeper: HostKeeper
    store: store.Store
    exposure: Exposure | None
    packages: Packages | None
    gate: CommandGate

    @property
    def endpoint(self) -> str:
        return self.server.endpoint

    def stop(self) -> None:
        """End it in order; what is known is stored. Hosts run on."""
        self.server.stop()
        self.control.stop()
        self.gate.stop()
        if self.exposure is not None:
            self.exposure.stop()
        if self.packages is not None:
            self.packages.stop()
        self.keeper.stop()
        self.cloud.jobs.stop()
        self.store.stop()
        self.cloud.log.close()


def start(places: Places, hosts: Hosts, options: Namespace, agent_pid: int, down: Callable[[], None]) -> Running:
    """Everything up; raises the daemon's CannotStart."""
    try:
        stored = store.load(places.store)
        make_key(places)
        make_aws_files(places, options.region)
        remembered = _Remembered.read(places).with_options(options)
        cloud = assembly.assemble(
            region=options.region, keys=store.keys(places.store), timing=Timing(speed=remembered.speed),
            hosts=hosts, log_file=places.calls, stored=stored,
        )  # fmt: skip
        cloud.trouble = lambda: room.trouble(places.folder)
        cloud.world.addresses.part = int(hosts.ping().get("part", 0))
        if stored is None:
            import_key(cloud, places)
        keeper = HostKeeper(places, hosts, cloud, options.owner_pid)
        packages = _start_packages(places, hosts, cloud) if remembered.packages else None
        keeper.catch_up()
    except store.StoreError as error:
        raise CannotStart(error.message, error.hint) from error
    except (HostsError, OSError) as error:
        raise CannotStart(str(error)) from error
    exposure = Exposure(cloud, hosts) if remembered.expose else None
    running = _threads(places, cloud, keeper, remembered.port, down, exposure=exposure, packages=packages)
    _serve_nodes(running, hosts, keeper)
    replace(remembered, port=running.server.port).write(places)
    _announce(places, running, agent_pid, options.owner_pid, remembered)
    return running


def _start_packages(places: Places, hosts: Hosts, cloud: Cloud) -> Packages:
    packages = Packages(hosts, places.packages)
    packages.start()
    cloud.tree = str(packages.tree)
    return packages


def _serve_nodes(running: Running, hosts: Hosts, keeper: HostKeeper) -> None:
    """S3 in the nodes' network, also after the hosts agent has begun anew."""

    def listen() -> None:
        if running.packages is not None:
            running.packages.listen()
        running.server.serve_nodes(hosts.listen(network.SERVICES, NODE_PORT))

    running.server.serve_nodes(hosts.listen(network.SERVICES, NODE_PORT))
    keeper.on_new_agent = listen


def _threads(
    places: Places,
    cloud: Cloud,
    keeper: HostKeeper,
    port: int,
    down: Callable[[], None],
    *,
    exposure: Exposure | None,
    packages: Packages | None,
) -> Running:
    keep = store.Store(places.store, cloud.lock, lambda: assembly.collect(cloud))
    faults = Faults()
    gate = CommandGate(places.gate_socket, faults=faults, log=cloud.log, instance_at=cloud.instance_at)
    faults.changed = gate.refresh
    cloud.jobs.changed = keep.changed
    running = Running(
        cloud=cloud,
        server=assembly.Server(cloud, faults, keep, s3=S3(places.s3), port=port),
        control=ControlServer(places.control_socket, Operations(cloud, faults), down=down, commit=keep.commit),
        keeper=keeper,
        store=keep,
        exposure=exposure,
        packages=packages,
        gate=gate,
    )
    keep.start()
    keep.commit()
    cloud.jobs.start()
    running.keeper.start()
    running.server.start()
    running.control.start()
    if running.exposure is not None:
        running.exposure.start()
    return running


def _announce(places: Places, running: Running, agent_pid: int, owner_pid: int | None, settings: _Remembered) -> None:
    cloud = running.cloud
    facts = {
        "version": 1,
        "folder": str(places.folder),
        "pid": os.getpid(),
        "agent_pid": agent_pid,
        "owner_pid": owner_pid,
        "endpoint": running.endpoint,
        "access_key": cloud.keys.access_key,
        "secret_key": cloud.keys.secret_key,
        "region": cloud.region,
        "node_s3_endpoint": NODE_S3,
        "speed": settings.speed,
        "expose": settings.expose,
        "packages": settings.packages,
        "agent_socket": str(places.agent_socket),
        "control_socket": str(places.control_socket),
        "key_name": KEY_NAME,
        "key_file": str(places.key_file),
        "started": time.time(),
    }
    write_private(places.cloud_json, facts)


def write_private(path: Path, value: Any) -> None:
    """A JSON file that appears at once and is its owner's only."""
    part = path.with_name(path.name + ".part")
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
        json.dump(value, stream, indent=1)
    part.replace(path)


def make_key(places: Places) -> None:
    """The cloud's key pair `local`, made once."""
    if places.key_file.exists():
        return
    words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "starcluster-local", "-f", str(places.key_file)]
    done = subprocess.run(words, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise OSError(f"ssh-keygen failed: {done.stderr.strip()}")


def make_aws_files(places: Places, region: str) -> None:
    """Configuration files for AWS clients, so that `local env` turns them away from the user's own."""
    folder = places.folder / "aws"
    folder.mkdir(mode=0o700, exist_ok=True)
    (folder / "config").write_text(f"[default]\nregion = {region}\n")
    (folder / "credentials").write_text("")


def import_key(cloud: Cloud, places: Places) -> None:
    public = places.key_file.with_suffix(".pub").read_bytes().strip()
    cloud.backend.import_key_pair(KEY_NAME, public, {})


@dataclass(frozen=True, kw_only=True)
class _Remembered:
    """What a restart without options takes over: exported endpoints stay true, the speed stays the same.

    What opens the cloud to the outside is kept over the daemon's death only, not over an orderly `down`.
    """

    port: int = 0
    speed: float = DEFAULT_SPEED
    expose: bool = False
    packages: bool = False

    @classmethod
    def read(cls, places: Places) -> _Remembered:
        try:
            return cls(**json.loads((places.store / "last.json").read_text()))
        except (OSError, ValueError, TypeError):
            return cls()

    def with_options(self, options: Namespace) -> _Remembered:
        """With what this start asks for."""
        return replace(
            self,
            speed=options.speed or self.speed,
            expose=options.expose or self.expose,
            packages=options.packages or self.packages,
        )

    def write(self, places: Places) -> None:
        write_private(places.store / "last.json", asdict(self))


def forget_openings(places: Places) -> None:
    """After an orderly end: the next start opens the cloud to nobody unless told to."""
    replace(_Remembered.read(places), expose=False, packages=False).write(places)

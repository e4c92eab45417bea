"""Puts a cloud together: moto's tables, the services on them, the WSGI application in front."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import moto.ec2.urls as moto_urls
from moto.ec2.models import ec2_backends
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import BaseWSGIServer

from starcluster.localcloud.api import backend, http, images
from starcluster.localcloud.api.backend import CloudBackend
from starcluster.localcloud.api.calls import CallLog
from starcluster.localcloud.api.cloud import ACCOUNT, Cloud, HostsLike, Keys
from starcluster.localcloud.api.faults import Faults
from starcluster.localcloud.api.gate import Gate
from starcluster.localcloud.api.life import Life
from starcluster.localcloud.api.past import Past
from starcluster.localcloud.api.response import CloudResponse
from starcluster.localcloud.api.roles import RENEWED, Roles
from starcluster.localcloud.api.s3door import S3Door
from starcluster.localcloud.api.snapshots import Snapshots
from starcluster.localcloud.api.spot import Spot
from starcluster.localcloud.api.store import Store
from starcluster.localcloud.api.timing import Timing
from starcluster.localcloud.api.volumes import Volumes
from starcluster.localcloud.api.world import World
from starcluster.localcloud.s3.service import S3

log = logging.getLogger(__name__)

NODE_SERVICES = frozenset({"s3", "sts"})


def assemble(
    *, region: str, keys: Keys, timing: Timing, hosts: HostsLike, log_file: Path | None, stored: Any | None
) -> Cloud:
    """A cloud, new or as it was stored; nothing runs yet."""
    world = stored["world"] if stored else World()
    cloud = Cloud(region=region, keys=keys, timing=timing, hosts=hosts, world=world, log=CallLog(log_file))
    backend.serve(cloud)
    moto_urls.url_paths["{0}/"] = CloudResponse.dispatch
    ec2_backends.backend = CloudBackend
    cloud.backend = stored["ec2"] if stored else CloudBackend(region, ACCOUNT)
    _place(ec2_backends, region, cloud.backend)
    if stored:
        _restore_iam(stored["iam"])
    _add_parameters(region)
    cloud.roles = Roles(_iam)
    cloud.past = Past(lambda: collect(cloud))
    cloud.volumes = Volumes(cloud)
    cloud.snapshots = Snapshots(cloud)
    cloud.life = Life(cloud, cloud.volumes)
    cloud.spot = Spot(cloud, cloud.life)
    cloud.jobs.register("publish", lambda instance_id: _publish(cloud, instance_id))
    cloud.jobs.register("new-keys", lambda instance_id: _new_keys(cloud, instance_id))
    return cloud


def _place(backends: Any, region: str, made: Any) -> None:
    """Put a backend where moto looks for it, before moto makes one by itself."""
    dict.__setitem__(backends[ACCOUNT], region, made)


def _restore_iam(stored: Any) -> None:
    from moto.iam.models import iam_backends

    _place(iam_backends, "aws", stored)


def _add_parameters(region: str) -> None:
    from moto.ssm.models import ssm_backends

    images.add_parameters(ssm_backends[ACCOUNT][region])


def _publish(cloud: Cloud, instance_id: str) -> None:
    instance = cloud.backend.find_instance(instance_id)
    if instance is not None:
        cloud.life.publish(instance)


def _new_keys(cloud: Cloud, instance_id: str) -> float | None:
    """Give an instance with a role new keys long before its old ones end; again and again until it is gone."""
    instance = cloud.backend.find_instance(instance_id)
    if instance is None or instance.now == "terminated":
        return None
    cloud.life.publish(instance)
    return RENEWED


def _iam() -> Any:
    from moto.iam.models import iam_backends

    return iam_backends[ACCOUNT]["aws"]


def collect(cloud: Cloud) -> dict[str, Any]:
    """What is stored. Called with the lock."""
    return {"world": cloud.world, "ec2": cloud.backend, "iam": _iam()}


class Server:
    """The cloud's HTTP endpoint, on one port of the loopback; and S3's on a socket in the nodes' network."""

    def __init__(self, cloud: Cloud, faults: Faults, store: Store | None, *, s3: S3, port: int = 0) -> None:
        commit: Callable[[], None] = store.commit if store else lambda: None
        self._gate_to = partial(
            Gate, DomainDispatcherApplication(create_backend_app), s3=S3Door(s3, faults, cloud.roles),
            roles=cloud.roles, keys=cloud.keys, faults=faults, log=cloud.log, commit=commit,
        )  # fmt: skip
        self._s3 = s3
        self._names: frozenset[str] = frozenset()
        self._nodes: BaseWSGIServer | None = None
        self._server = self._listen(self._gate_to(hosts=lambda: self._names), port)
        self.port = int(self._server.server_port)
        self._names = frozenset({f"127.0.0.1:{self.port}", f"localhost:{self.port}"})
        self._thread = threading.Thread(target=self._server.serve_forever, name="http", daemon=True)

    @staticmethod
    def _listen(gate: Gate, port: int) -> BaseWSGIServer:
        """On the port of the last time if it is still free: exported environments stay true."""
        for wanted in dict.fromkeys((port, 0)):
            try:
                return http.listen(gate, "127.0.0.1", wanted)
            except (OSError, SystemExit):
                continue
        raise OSError("no port of 127.0.0.1 can be listened on")

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self._thread.start()

    def serve_nodes(self, sock: socket.socket) -> None:
        """Serve NODE_SERVICES on a socket in the nodes' network, in the place of one before."""
        self._leave_nodes()
        address, port = sock.getsockname()[:2]
        gate = self._gate_to(hosts=lambda: frozenset({f"{address}:{port}"}), services=NODE_SERVICES)
        self._nodes = http.listen(gate, address, port, sock=sock)
        sock.close()  # the server has its own copy
        threading.Thread(target=self._nodes.serve_forever, name="s3-of-nodes", daemon=True).start()

    def _leave_nodes(self) -> None:
        if self._nodes is not None:
            self._nodes.shutdown()
            self._nodes.server_close()
            self._nodes = None

    def stop(self) -> None:
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()
        self._leave_nodes()
        self._s3.close()

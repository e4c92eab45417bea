"""Puts a cloud together: moto's tables, the services on them, the WSGI application in front."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import moto.ec2.urls as moto_urls
from moto.ec2.models import ec2_backends
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import BaseWSGIServer, make_server

from starcluster.localcloud.api import backend, images
from starcluster.localcloud.api.backend import CloudBackend
from starcluster.localcloud.api.calls import CallLog
from starcluster.localcloud.api.cloud import ACCOUNT, Cloud, HostsLike, Keys
from starcluster.localcloud.api.faults import Faults
from starcluster.localcloud.api.gate import Gate
from starcluster.localcloud.api.life import Life
from starcluster.localcloud.api.past import Past
from starcluster.localcloud.api.response import CloudResponse
from starcluster.localcloud.api.snapshots import Snapshots
from starcluster.localcloud.api.spot import Spot
from starcluster.localcloud.api.store import Store
from starcluster.localcloud.api.timing import Timing
from starcluster.localcloud.api.volumes import Volumes
from starcluster.localcloud.api.world import World

log = logging.getLogger(__name__)


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
    cloud.past = Past(lambda: collect(cloud))
    cloud.volumes = Volumes(cloud)
    cloud.snapshots = Snapshots(cloud)
    cloud.life = Life(cloud, cloud.volumes)
    cloud.spot = Spot(cloud, cloud.life)
    cloud.jobs.register("publish", lambda instance_id: _publish(cloud, instance_id))
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


def collect(cloud: Cloud) -> dict[str, Any]:
    """What is stored. Called with the lock."""
    from moto.iam.models import iam_backends

    return {"world": cloud.world, "ec2": cloud.backend, "iam": iam_backends[ACCOUNT]["aws"]}


class Handler(MotoRequestHandler):
    """Keeps connections open, sends at once, and writes no access log: calls.jsonl is that."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 300

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - werkzeug's own name
        logging.getLogger("werkzeug").log(logging.DEBUG if type == "info" else logging.WARNING, message, *args)


class Server:
    """The cloud's HTTP endpoint, on one port of the loopback."""

    def __init__(self, cloud: Cloud, faults: Faults, store: Store | None, port: int = 0) -> None:
        commit: Callable[[], None] = store.commit if store else lambda: None
        gate = Gate(
            DomainDispatcherApplication(create_backend_app),
            keys=cloud.keys,
            faults=faults,
            log=cloud.log,
            hosts=lambda: self._names,
            commit=commit,
        )
        self._server = self._listen(gate, port)
        self.port = int(self._server.server_port)
        self._names = frozenset({f"127.0.0.1:{self.port}", f"localhost:{self.port}"})
        self._thread = threading.Thread(target=self._server.serve_forever, name="http", daemon=True)

    @staticmethod
    def _listen(gate: Gate, port: int) -> BaseWSGIServer:
        """On the port of the last time if it is still free: exported environments stay true."""
        for wanted in dict.fromkeys((port, 0)):
            try:
                server = make_server("127.0.0.1", wanted, gate, threaded=True, request_handler=Handler)
            except (OSError, SystemExit):
                continue
            server.daemon_threads = True  # type: ignore[attr-defined]
            return server
        raise OSError("no port of 127.0.0.1 can be listened on")

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()

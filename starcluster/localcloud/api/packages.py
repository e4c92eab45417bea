"""`local up --packages`: nodes install packages from where this machine does, by a proxy in the cloud's network."""

from __future__ import annotations

import importlib.machinery
import logging
import os
import shutil
import sysconfig
import threading
from collections.abc import Iterator
from pathlib import Path

from starcluster.localcloud.api.proxy import Proxy, WayOut
from starcluster.localcloud.api.registries import Registries, of_machine
from starcluster.localcloud.hosts import network
from starcluster.localcloud.hosts.client import Hosts

log = logging.getLogger(__name__)

PORT = 3128
URL = f"http://{network.SERVICES}:{PORT}"
CERTIFICATES = "/etc/ssl/localcloud/packages.pem"

# the proxy answers one request after the other
_APT = f"""Acquire::http::Proxy "{URL}";
Acquire::https::Proxy "{URL}";
Acquire::http::Pipeline-Depth "0";
"""
_PIP = '#!/bin/sh\nexec python3 -m pip "$@"\n'


class Packages:
    """The proxy, and `tree`: the directory whose files are laid over the / of every node that boots."""

    def __init__(self, hosts: Hosts, folder: Path) -> None:
        self.tree = folder
        self._hosts = hosts
        self._registries = of_machine(Path("/"), os.environ)
        self._proxy: Proxy | None = None

    def start(self) -> None:
        """Make the tree, serve."""
        make_tree(self._registries, self.tree)
        self.listen()

    def listen(self) -> None:
        """Serve in the network of the agent that runs now, which may be another one than before."""
        self.stop()
        sock = self._hosts.listen(network.SERVICES, PORT)
        self._proxy = Proxy(sock, WayOut(self._registries))
        threading.Thread(target=self._proxy.serve_forever, name="packages", daemon=True).start()
        places = sorted({host for host, _ in self._registries.http | self._registries.https})
        log.info("nodes install packages from %s", ", ".join(places))

    def stop(self) -> None:
        """Serve no more."""
        if self._proxy is not None:
            self._proxy.shutdown()
            self._proxy.server_close()
            self._proxy = None


def make_tree(registries: Registries, tree: Path) -> None:
    """Write what a node needs to know; whatever was there before goes."""
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir(mode=0o700)
    for path, content, mode in _files(registries):
        place = tree / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        place.chmod(mode)


def _files(registries: Registries) -> Iterator[tuple[str, bytes, int]]:
    for path, text in registries.sources.items():
        yield path, text.encode(), 0o644
    for path, keyring in registries.keyrings.items():
        yield path, keyring.read_bytes(), 0o644
    yield "/etc/apt/apt.conf.d/01localcloud-packages", _APT.encode(), 0o644
    settings = {**registries.pip, "proxy": URL}
    if registries.certificates is not None:
        yield CERTIFICATES, registries.certificates.read_bytes(), 0o644
        settings["cert"] = CERTIFICATES
    lines = [f"{name} = {' '.join(value.split())}\n" for name, value in settings.items()]
    yield "/etc/pip.conf", "".join(["[global]\n", *lines]).encode(), 0o644
    if _python_has_pip():
        for name in ("pip", "pip3"):
            yield f"/usr/local/bin/{name}", _PIP.encode(), 0o755


def _python_has_pip() -> bool:
    """Whether the Python that nodes call python3 brings pip along."""
    base = sysconfig.get_path("purelib", vars={"base": sysconfig.get_config_var("installed_base")})
    return importlib.machinery.PathFinder.find_spec("pip", [base]) is not None

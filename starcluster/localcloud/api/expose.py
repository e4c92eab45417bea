"""`local up --expose`: port 22 of every node's public address on the host's own loopback, for clients that cannot dial.

127.77.0.0/16 is loopback on every Linux machine, so nothing has to be set up and nothing leaves it.
"""

from __future__ import annotations

import contextlib
import logging
import selectors
import socket
import threading

from starcluster.localcloud.api import pump
from starcluster.localcloud.api.cloud import Cloud
from starcluster.localcloud.hosts.client import Hosts, HostsError

log = logging.getLogger(__name__)

PORT = 22
LOOK = 0.3
DIAL_LIMIT = 10.0


class Exposure:
    """A thread that listens where nodes are, and a pair of pumps for each connection."""

    def __init__(self, cloud: Cloud, hosts: Hosts) -> None:
        self._cloud = cloud
        self._hosts = hosts
        self._listeners: dict[str, socket.socket] = {}
        self._selector = selectors.DefaultSelector()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="expose", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()
        for address in list(self._listeners):
            self._close(address)

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._follow(self._wanted())
            if not self._listeners:
                self._stopped.wait(LOOK)
                continue
            for key, _ in self._selector.select(LOOK):
                self._accept(key.fileobj, str(key.data))

    def _wanted(self) -> set[str]:
        with self._cloud.lock:
            alive = [each for each in self._cloud.backend.every_instance() if each.now.is_up]
            return {each.public_ip_address for each in alive if each.public_ip_address}

    def _follow(self, wanted: set[str]) -> None:
        for address in self._listeners.keys() - wanted:
            self._close(address)
        for address in wanted - self._listeners.keys():
            try:
                listener = socket.create_server((address, PORT), backlog=64)
            except OSError as error:
                log.warning("%s port %d cannot be listened on: %s", address, PORT, error)
                continue
            self._listeners[address] = listener
            self._selector.register(listener, selectors.EVENT_READ, address)

    def _close(self, address: str) -> None:
        listener = self._listeners.pop(address)
        self._selector.unregister(listener)
        listener.close()

    def _accept(self, listener: object, address: str) -> None:
        if not isinstance(listener, socket.socket):
            raise TypeError(f"not a listener: {listener!r}")
        with contextlib.suppress(OSError):
            link, _ = listener.accept()
            threading.Thread(target=self._serve, args=(link, address), name="expose-link", daemon=True).start()

    def _serve(self, link: socket.socket, address: str) -> None:
        with link:
            try:
                node = self._hosts.connect(address, PORT, timeout=DIAL_LIMIT)
            except (OSError, HostsError):
                return  # closing the connection is what a refusing node looks like from here
            with node:
                for end in (link, node):
                    end.settimeout(None)
                pump.join(link, node)

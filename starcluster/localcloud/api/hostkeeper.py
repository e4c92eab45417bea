"""Keeps the hosts agent alive and passes on what the hosts tell."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from starcluster.localcloud.api.agentstart import CannotStart, start_agent
from starcluster.localcloud.api.cloud import Cloud, HostsLike
from starcluster.localcloud.hosts.client import HostsError
from starcluster.localcloud.places import Places

log = logging.getLogger(__name__)

EVENT_WAIT = 5.0
PAUSE = 0.5


class HostKeeper:
    """A thread that waits for the hosts' events; when the agent is dead it starts another one."""

    def __init__(self, places: Places, hosts: HostsLike, cloud: Cloud, owner_pid: int | None) -> None:
        self._places = places
        self._hosts = hosts
        self._cloud = cloud
        self._owner_pid = owner_pid
        self.on_new_agent: Callable[[], None] = lambda: None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="hosts", daemon=True)

    def catch_up(self) -> None:
        """Act on what the hosts did while no daemon ran, then on hosts that are gone without a word."""
        newest, _ = self._hosts.wait_events(0, timeout=0)
        if newest < self._cloud.world.events_seen:
            self._cloud.world.events_seen = 0  # the hosts began to count anew
        self._listen(timeout=0)
        self._cloud.life.reconcile(self._hosts.nodes())

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._listen(timeout=EVENT_WAIT)
            except HostsError as error:
                if not self._stopped.is_set():
                    self._recover(error)

    def _listen(self, *, timeout: float) -> None:
        newest, events = self._hosts.wait_events(self._cloud.world.events_seen, timeout=timeout)
        for event in events:
            log.info("host of %s: %s", event.instance_id, event.how)
            self._cloud.life.host_exited(event.instance_id, event.how)
        self._cloud.world.events_seen = newest

    def _recover(self, error: HostsError) -> None:
        log.warning("the hosts agent is gone: %s", error)
        self._cloud.log.event("agent-lost", "agent")
        try:
            pid = start_agent(self._places, self._hosts, self._owner_pid)
            self._cloud.log.event("agent-started", "agent", pid=pid)
            self.on_new_agent()
            self.catch_up()
        except (CannotStart, HostsError) as failure:
            log.error("%s", failure)
            self._stopped.wait(PAUSE)

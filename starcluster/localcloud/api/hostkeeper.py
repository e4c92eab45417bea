"""Keeps the hosts agent alive and passes on what the hosts tell."""

from __future__ import annotations

import logging
import threading

from starcluster.localcloud.api.agentstart import CannotStart, start_agent
from starcluster.localcloud.api.cloud import Cloud
from starcluster.localcloud.hosts.client import Hosts, HostsError
from starcluster.localcloud.places import Places

log = logging.getLogger(__name__)

EVENT_WAIT = 5.0
PAUSE = 0.5


class HostKeeper:
    """A thread that waits for the hosts' events; when the agent is dead it starts another one."""

    def __init__(self, places: Places, hosts: Hosts, cloud: Cloud, owner_pid: int | None) -> None:
        self._places = places
        self._hosts = hosts
        self._cloud = cloud
        self._owner_pid = owner_pid
        self._stopped = threading.Event()
        self._newest = 0
        self._thread = threading.Thread(target=self._run, name="hosts", daemon=True)

    def start(self) -> None:
        self._newest = self._hosts.wait_events(0, timeout=0)[0]
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._listen()
            except HostsError as error:
                if not self._stopped.is_set():
                    self._recover(error)

    def _listen(self) -> None:
        newest, events = self._hosts.wait_events(self._newest, timeout=EVENT_WAIT)
        self._newest = newest
        for event in events:
            log.info("host of %s: %s", event.instance_id, event.how)
            self._cloud.life.host_exited(event.instance_id, event.how)

    def _recover(self, error: HostsError) -> None:
        log.warning("the hosts agent is gone: %s", error)
        self._cloud.log.event("agent-lost", "agent")
        try:
            pid = start_agent(self._places, self._hosts, self._owner_pid)
            self._cloud.log.event("agent-started", "agent", pid=pid)
            self._cloud.life.reconcile(self._hosts.nodes())
        except (CannotStart, HostsError) as failure:
            log.error("%s", failure)
            self._stopped.wait(PAUSE)

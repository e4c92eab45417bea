"""The hosts agent of one local cloud.

    python -m starcluster.localcloud.hosts.agent FOLDER [--owner-pid N]

Serves `hosts.client` on the cloud's agent socket. It may be killed at any time: nodes run on, and the next agent
takes them over. When the owner process dies, it kills the nodes and ends.
"""

import argparse
import fcntl
import logging
import os
import resource
import sys
import threading
import time
from pathlib import Path

from starcluster.localcloud import presence
from starcluster.localcloud.hosts import dns, held, image, imds, network, probe, scratch, shims
from starcluster.localcloud.hosts.client import Hosts
from starcluster.localcloud.hosts.cloud import Cloud
from starcluster.localcloud.hosts.disks import Disks
from starcluster.localcloud.hosts.events import Events
from starcluster.localcloud.hosts.metadata import Metadata
from starcluster.localcloud.hosts.nfs import Nfs
from starcluster.localcloud.hosts.nodes import Nodes
from starcluster.localcloud.hosts.server import Server
from starcluster.localcloud.hosts.spec import HostsError
from starcluster.localcloud.hosts.volumes import Volumes
from starcluster.localcloud.hosts.watch import process_lives
from starcluster.localcloud.places import Places

log = logging.getLogger("agent")

_OWNER_CHECK = 0.5
_ENDING_LIMIT = 30.0


def _lasts(places: Places) -> bool:
    """Whether an agent answers that is not about to end with its owner."""
    try:
        owner = Hosts(places.agent_socket).ping().get("owner")
    except HostsError:
        return False
    return owner is None or process_lives(int(owner))


def _lock(places: Places) -> int:
    """There is one agent a folder; the lock ends with the process. One that is about to end has time to."""
    fd = os.open(places.folder / "agent.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    end = time.monotonic() + _ENDING_LIMIT
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return fd
        except BlockingIOError:
            if _lasts(places) or time.monotonic() > end:
                os.close(fd)
                raise HostsError(f"another hosts agent runs for {places.folder}") from None
            time.sleep(0.02)


def start(places: Places, owner_pid: int | None) -> tuple[Cloud, int]:
    """Bring the cloud up in this process: it changes namespaces for good, so there is no way back. And its holder."""
    holder, found = held.join(places, owner_pid=owner_pid)
    holder_pid = holder.pid()
    log.info("holder %s, process %d", "found" if found else "started", holder_pid)
    if not found:
        network.make_bridge()
    directory = scratch.make(places, mounted=found)
    disks = Disks(holder, directory)
    disks.adopt()
    layers = image.build(places.image, shims.texts(image.python_to_show()), prune=not found)
    nodes = Nodes(places, holder, disks, layers, Events(places.nodes / "events.jsonl"))
    metadata = Metadata(places, nodes)
    volumes = Volumes(places, disks, nodes)
    nfs = Nfs(nodes, directory)
    nodes.on_end.append(nfs.bury)
    nodes.unshare = nfs.unshare
    nodes.adopt()
    nfs.serve(holder)
    imds.serve(network.metadata_listener(), metadata.of_address)
    dns.serve(network.dns_socket(), nodes.private_address)
    part = held.part(places, holder)
    cloud = Cloud(
        owner=owner_pid, part=part, holder=holder, disks=disks, nodes=nodes, volumes=volumes, metadata=metadata
    )
    return cloud, holder_pid


def _watch_owner(owner_pid: int, cloud: Cloud, server: Server) -> None:
    while process_lives(owner_pid):
        time.sleep(_OWNER_CHECK)
    log.info("the owner, process %d, is dead", owner_pid)
    try:
        cloud.end()
    finally:
        server.stop()


def _watch_holder(holder_pid: int, cloud: Cloud, server: Server) -> None:
    """Without its holder the cloud's nodes are dead and no new one can start: a new agent must begin anew."""
    while process_lives(holder_pid):
        time.sleep(_OWNER_CHECK)
    if not cloud.ending.is_set():
        log.error("the holder, process %d, is dead", holder_pid)
        server.stop()


def main(argv: list[str] | None = None) -> int:
    """Be the agent of the cloud in FOLDER."""
    parser = argparse.ArgumentParser(prog="agent", description="Runs the hosts of one local cloud.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--owner-pid", type=int, help="end, with all nodes, when this process is dead")
    options = parser.parse_args(argv)
    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(name)s %(levelname)s %(message)s", level="INFO")
    lacks = probe.missing()
    if lacks:
        sys.stderr.write(probe.message(lacks) + "\n")
        return 1
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))  # some descriptors a node
    places = Places(options.folder)
    here = presence.hold(places)
    try:
        lock = _lock(places)
        cloud, holder_pid = start(places, options.owner_pid)
        server = Server(places.agent_socket, cloud)  # the last thing that may fail: the first request may be "quit"
    except (HostsError, OSError) as error:
        sys.stderr.write(f"the hosts agent could not start: {error}\n")
        presence.leave(places, here)
        return 1
    if options.owner_pid is not None:
        arguments = (options.owner_pid, cloud, server)
        threading.Thread(target=_watch_owner, args=arguments, daemon=True, name="owner").start()
    arguments = (holder_pid, cloud, server)
    threading.Thread(target=_watch_holder, args=arguments, daemon=True, name="holder").start()
    server.serve_until_stopped()
    scratch.clear_run(places, here)
    os.close(lock)
    return 0 if cloud.has_ended else 1


if __name__ == "__main__":
    sys.exit(main())

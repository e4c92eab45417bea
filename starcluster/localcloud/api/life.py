"""The life of instances: every change of state, the host's boot and death, and what frees what."""

from __future__ import annotations

import base64
import logging
import time
from collections.abc import Callable
from typing import Any

from starcluster.localcloud.api import errors
from starcluster.localcloud.api.addresses import short_host
from starcluster.localcloud.api.cloud import Cloud
from starcluster.localcloud.api.machines import CloudInstance, Reason, State
from starcluster.localcloud.api.metadata import authorized_keys, metadata_tree
from starcluster.localcloud.api.volumes import Volumes
from starcluster.localcloud.hosts.client import HostsError, NodeSpec

log = logging.getLogger(__name__)

SHUTDOWN_LIMIT = 10.0
RECLAIM_LIMIT = 3.0
RETRY_HOST = 1.0


class Life:
    """Drives instances through their states. Jobs do what takes time; calls only set out on it."""

    def __init__(self, cloud: Cloud, volumes: Volumes) -> None:
        self._cloud = cloud
        self._volumes = volumes
        # Told of every instance that has ended or stopped, with the reason; the spot market listens.
        self.on_over: Callable[[CloudInstance, Reason], None] = lambda instance, reason: None
        self.on_stopped: Callable[[CloudInstance, Reason], None] = lambda instance, reason: None
        for kind in ("boot", "running", "halt", "stopped", "terminated", "forget", "reboot"):
            cloud.jobs.register(kind, getattr(self, f"_{kind}"))

    # --- calls ---------------------------------------------------------------------------------------------

    def start(self, instance: CloudInstance) -> None:
        if instance.now is not State.STOPPED:
            raise errors.wrong_instance_state(instance.id, "started")
        for nic in instance.nics.values():
            nic.start()
        instance.become(State.PENDING)
        self._cloud.log.event("pending", instance.id)
        self._cloud.at_once("boot", instance.id)

    def stop(self, instance: CloudInstance, reason: Reason) -> None:
        """Towards stopped; nothing to do if it already is there or on its way."""
        if instance.now in (State.STOPPED, State.STOPPING):
            return
        if instance.now is not State.RUNNING:
            raise errors.wrong_instance_state(instance.id, "stopped")
        self._leave(instance, State.STOPPING, reason)

    def terminate(self, instance: CloudInstance, reason: Reason, *, sudden: bool = False) -> None:
        """Towards terminated. `sudden`: the host dies at once with what it has not written."""
        if instance.now.is_over:
            return
        instance.sudden = sudden
        self._leave(instance, State.SHUTTING_DOWN, reason)
        self.on_over(instance, reason)

    def reboot(self, instance: CloudInstance) -> None:
        if instance.now is not State.RUNNING:
            raise errors.wrong_instance_state(instance.id, "rebooted")
        self._cloud.log.event("rebooting", instance.id)
        self._cloud.at_once("reboot", instance.id)

    def _leave(self, instance: CloudInstance, state: State, reason: Reason) -> None:
        instance.leave(state, reason)
        self._cloud.log.event(state.value, instance.id, reason=reason.value)
        self._cloud.jobs.cancel("running", instance.id)
        instance.leaving_since = time.time()
        self._cloud.at_once("halt", instance.id)

    def publish(self, instance: CloudInstance) -> None:
        """Tell the host what its metadata are now. Called without the lock."""
        with self._cloud.lock:
            if not instance.now.is_up:
                return
            tree = metadata_tree(self._cloud, instance)
        try:
            self._cloud.hosts.set_metadata(instance.id, tree)
        except HostsError as error:
            log.warning("metadata of %s: %s", instance.id, error)

    # --- jobs ----------------------------------------------------------------------------------------------

    def _find(self, instance_id: str, *states: State) -> CloudInstance | None:
        instance: CloudInstance | None = self._cloud.backend.find_instance(instance_id)
        return instance if instance is not None and instance.now in states else None

    def _boot(self, instance_id: str) -> None:
        """Boot the host, give it its disks; the state becomes running a while after the launch."""
        cloud, began = self._cloud, time.time()
        with cloud.host_lock(instance_id):
            with cloud.lock:
                instance = self._find(instance_id, State.PENDING)
                if instance is None:
                    return
                tree, spec = metadata_tree(cloud, instance), self._spec(instance)
            try:
                cloud.hosts.set_metadata(instance_id, tree)
                if not self._is_up(instance_id):
                    cloud.hosts.boot(spec)
                self._volumes.attach_at_boot(instance)
            except HostsError as error:
                self._boot_failed(instance, error)
                return
        cloud.jobs.at(began + cloud.timing.wall(cloud.timing.boot_to_running), "running", instance_id)

    def _is_up(self, instance_id: str) -> bool:
        """Whether an earlier daemon, that died in this job, has booted the host already."""
        node = self._cloud.hosts.nodes().get(instance_id)
        return node is not None and node.alive

    def _boot_failed(self, instance: CloudInstance, error: HostsError) -> None:
        log.error("boot of %s: %s", instance.id, error)
        with self._cloud.lock:
            if instance.now is State.PENDING:
                self._cloud.log.event("boot-failed", instance.id, error=str(error))
                self.terminate(instance, Reason.INTERNAL)
                instance.state_reason.message = f"{Reason.INTERNAL}: {error}"

    def _spec(self, instance: CloudInstance) -> NodeSpec:
        user_data = base64.b64decode(str(instance.user_data)) if instance.user_data else b""
        return NodeSpec(
            instance_id=instance.id,
            private_ip=instance.private_ip_address or "",
            public_ip=instance.public_ip_address,
            hostname=short_host(instance.private_ip_address or ""),
            user_data=user_data,
            authorized_keys=authorized_keys(self._cloud, instance),
            default_user=instance.default_user,
            image=instance.local_image,
            root_snapshot=instance.root_snapshot,
            root_gib=self._root_gib(instance),
            metadata=metadata_tree(self._cloud, instance),
            boot_seconds=self._cloud.timing.boot_to_ssh,
            mac=instance.nics[0].mac_address,
            tree=self._cloud.tree,
        )

    def _root_gib(self, instance: CloudInstance) -> int:
        block = instance.block_device_mapping.get(instance.root_device_name)
        volume = self._cloud.backend.volumes.get(block.volume_id) if block else None
        return int(volume.size) if volume else NodeSpec.root_gib

    def _running(self, instance_id: str) -> None:
        with self._cloud.lock:
            instance = self._find(instance_id, State.PENDING)
            if instance is not None:
                instance.become(State.RUNNING)
                self._cloud.log.event("running", instance_id)

    def _halt(self, instance_id: str) -> float | None:
        """End the host of an instance that is stopping or shutting down."""
        cloud = self._cloud
        with cloud.host_lock(instance_id):
            instance = self._find(instance_id, State.STOPPING, State.SHUTTING_DOWN)
            if instance is None:
                return None
            try:
                self._end_host(instance)
            except HostsError as error:
                log.warning("halting %s: %s", instance_id, error)
                return RETRY_HOST
        with cloud.lock:
            ends = instance.now is State.SHUTTING_DOWN
            needs = cloud.timing.terminate if ends else cloud.timing.stop
            due = instance.leaving_since + cloud.timing.wall(needs)
            cloud.jobs.at(due, "terminated" if ends else "stopped", instance_id)
        return None

    def _end_host(self, instance: CloudInstance) -> None:
        if instance.sudden:
            self._cloud.hosts.crash(instance.id)
            self._cloud.log.event("host-died", instance.id)
            return
        reclaimed = instance.state_reason.code == Reason.SPOT
        self._cloud.hosts.shutdown(instance.id, timeout=RECLAIM_LIMIT if reclaimed else SHUTDOWN_LIMIT)
        self._cloud.log.event("host-down", instance.id)

    def _stopped(self, instance_id: str) -> None:
        with self._cloud.lock:
            instance = self._find(instance_id, State.STOPPING)
            if instance is None:
                return
            for nic in instance.nics.values():
                nic.stop()
            instance._state.name, instance._state.code = State.STOPPED.value, State.STOPPED.code
            self._cloud.log.event("stopped", instance_id)
            self.on_stopped(instance, Reason(instance.state_reason.code))

    def _terminated(self, instance_id: str) -> None:
        cloud = self._cloud
        try:
            cloud.hosts.forget(instance_id)
        except HostsError as error:
            log.warning("root disk of %s: %s", instance_id, error)
        with cloud.lock:
            instance = self._find(instance_id, State.SHUTTING_DOWN)
            if instance is None:
                return
            self._volumes.free_all(instance)
            instance.drop_network()
            cloud.backend.drop_associations(instance)
            instance._state.name, instance._state.code = State.TERMINATED.value, State.TERMINATED.code
            cloud.world.notices.pop(instance_id, None)
            cloud.world.rebalances.pop(instance_id, None)
            cloud.log.event("terminated", instance_id)
            cloud.jobs.after(cloud.timing.forget, "forget", instance_id)

    def _forget(self, instance_id: str) -> None:
        with self._cloud.lock:
            self._cloud.backend.drop_instance(instance_id)

    def _reboot(self, instance_id: str) -> None:
        with self._cloud.host_lock(instance_id):
            if self._find(instance_id, State.RUNNING) is not None:
                self._cloud.hosts.reboot(instance_id)
                self._cloud.log.event("rebooted", instance_id)

    # --- what the hosts tell ---------------------------------------------------------------------------------

    def host_exited(self, instance_id: str, how: str) -> None:
        """A host has ended by itself: `how` is poweroff, reboot or died."""
        with self._cloud.lock:
            instance = self._find(instance_id, State.PENDING, State.RUNNING)
            if instance is None:
                return
            self._cloud.log.event("host-exited", instance_id, how=how)
            if how == "poweroff":
                self._ended_itself(instance)
            elif how == "died":
                self.terminate(instance, Reason.INTERNAL, sudden=True)

    def _ended_itself(self, instance: CloudInstance) -> None:
        if instance.instance_initiated_shutdown_behavior == "terminate" or instance.now is State.PENDING:
            self.terminate(instance, Reason.INSTANCE)
        else:
            self.stop(instance, Reason.INSTANCE)

    def reconcile(self, nodes: dict[str, Any]) -> None:
        """After a start: instances whose host is gone have ended with it; hosts without an instance go."""
        with self._cloud.lock:
            for instance in self._cloud.backend.every_instance():
                node = nodes.get(instance.id)
                gone = node is None or not node.alive
                booting = self._cloud.jobs.is_pending("boot", instance.id)
                if gone and instance.now.is_up and not booting:
                    log.warning("%s: its host is gone", instance.id)
                    self.terminate(instance, Reason.INTERNAL, sudden=True)
        for instance_id in nodes:
            if self._find(instance_id, *State) is None or self._find(instance_id, State.TERMINATED):
                self._cloud.hosts.crash(instance_id)
                self._cloud.hosts.forget(instance_id)

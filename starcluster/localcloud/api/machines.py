"""An instance as the API knows it: moto's Instance with EC2's states, names and reasons."""

from __future__ import annotations

import datetime
from enum import StrEnum
from typing import Any

from moto.core.utils import utcnow
from moto.ec2.models.instances import Instance, InstanceState, StateReason

from starcluster.localcloud.api import addresses


class State(StrEnum):
    """EC2's instance states."""

    PENDING = "pending"
    RUNNING = "running"
    SHUTTING_DOWN = "shutting-down"
    TERMINATED = "terminated"
    STOPPING = "stopping"
    STOPPED = "stopped"

    @property
    def code(self) -> int:
        return STATE_CODES[self]

    @property
    def is_up(self) -> bool:
        """Whether a host belongs to it."""
        return self in (State.PENDING, State.RUNNING)

    @property
    def is_over(self) -> bool:
        return self in (State.SHUTTING_DOWN, State.TERMINATED)


STATE_CODES = {
    State.PENDING: 0,
    State.RUNNING: 16,
    State.SHUTTING_DOWN: 32,
    State.TERMINATED: 48,
    State.STOPPING: 64,
    State.STOPPED: 80,
}


class Reason(StrEnum):
    """EC2's codes of why an instance left the running state."""

    USER = "Client.UserInitiatedShutdown"
    INSTANCE = "Client.InstanceInitiatedShutdown"
    SPOT = "Server.SpotInstanceTermination"
    SPOT_STOP = "Server.SpotInstanceShutdown"
    INTERNAL = "Server.InternalError"


REASON_TEXTS = {
    Reason.USER: "User initiated shutdown",
    Reason.INSTANCE: "Instance initiated shutdown",
    Reason.SPOT: "Spot instance termination",
    Reason.SPOT_STOP: "Spot instance shutdown",
    Reason.INTERNAL: "Internal error",
}
TRANSITION_TEXTS = {
    Reason.USER: "User initiated",
    Reason.INSTANCE: "Instance initiated",
    Reason.SPOT: "Service initiated",
    Reason.SPOT_STOP: "Service initiated",
    Reason.INTERNAL: "Service initiated",
}


class CloudInstance(Instance):
    """One instance. Its state changes only by `become` and `leave`."""

    root_snapshot = ""  # what its root disk begins with

    def __init__(self, backend: Any, image_id: str, user_data: Any, groups: list[Any], **options: Any) -> None:
        self.placement_group = options.pop("placement_group", "")
        self.local_image = options.pop("local_image")
        self.default_user = options.pop("default_user")
        self.root_snapshot = options.pop("root_snapshot", "")
        self.spot_instance_request_id: str | None = None
        self.usage_operation = "RunInstances"
        super().__init__(backend, image_id, user_data, groups, **options)
        self.placement.group_name = self.placement_group
        self.running_since: datetime.datetime | None = None
        self.sudden = False  # whether its host dies without an orderly shutdown
        for nic in self.nics.values():
            nic.delete_on_termination = True
        self.become(State.PENDING)

    def __del__(self) -> None:
        """moto frees the address here; this cloud hands out addresses itself."""

    @property
    def is_spot(self) -> bool:
        return bool(self.lifecycle == "spot")

    @property
    def now(self) -> State:
        """The current state; `state` is moto's name for the same as a bare string."""
        return State(self._state.name)

    def become(self, state: State) -> None:
        self._state = InstanceState(state.value, state.code)
        if state is State.PENDING:
            self.launch_time = utcnow()  # of the last start, as EC2 tells it
        if state is State.RUNNING:
            self.running_since = utcnow()
        if state.is_up:
            self._reason = ""
            self.state_reason = StateReason()

    def leave(self, state: State, reason: Reason, detail: str = "") -> None:
        """Go to a state that is not up, for a reason that is told ever after."""
        self.become(state)
        text = detail or REASON_TEXTS[reason]
        self.state_reason = StateReason(f"{reason}: {text}", reason.value)
        self._reason = f"{TRANSITION_TEXTS[reason]} ({utcnow():%Y-%m-%d %H:%M:%S} GMT)"

    @property
    def private_ip_address(self) -> str | None:
        nic = self.nics.get(0)
        return nic.private_ip_address if nic else None

    @property
    def private_ip(self) -> str | None:
        return self.private_ip_address

    @property
    def public_ip_address(self) -> str | None:
        nic = self.nics.get(0)
        return nic.public_ip if nic else None

    @property
    def public_ip(self) -> str | None:
        return self.public_ip_address

    @property
    def private_dns_name(self) -> str:
        return addresses.private_dns(self.private_ip_address, self.region_name)

    @property
    def public_dns_name(self) -> str:
        return addresses.public_dns(self.public_ip_address)

    @property
    def vpc_id(self) -> str | None:
        return None if self.now is State.TERMINATED else super().vpc_id

    @property
    def block_device_mappings(self) -> list[dict[str, Any]]:
        """The attached volumes with the true state of each attachment."""
        volumes = self.ec2_backend.volumes
        held = [(name, block, volumes.get(block.volume_id)) for name, block in self.get_block_device_mapping]
        return [
            {
                "DeviceName": name,
                "Ebs": {
                    "VolumeId": block.volume_id,
                    "Status": volume.attachment.status,
                    "AttachTime": block.attach_time,
                    "DeleteOnTermination": block.delete_on_termination,
                },
            }
            for name, block, volume in held
            if volume is not None and volume.attachment is not None
        ]

    def drop_network(self) -> None:
        """Give the addresses back, as at the end of its life."""
        for nic in list(self.nics.values()):
            nic.subnet.del_subnet_ip(nic.private_ip_address)
            self.ec2_backend.enis.pop(nic.id, None)
        self.nics.clear()
        self._subnet_id = None

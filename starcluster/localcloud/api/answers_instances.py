"""The actions on instances."""

from __future__ import annotations

import base64
import time
from typing import Any

from moto.core.responses import ActionResult, EmptyResult
from moto.core.utils import utcnow

from starcluster.localcloud.api import capacity, errors, filters, launch, paging, templates
from starcluster.localcloud.api.answer import Answer
from starcluster.localcloud.api.ids import check_id
from starcluster.localcloud.api.machines import CloudInstance, Reason, State
from starcluster.localcloud.api.views import instance_view, reservation_view, state_view, tags_of

RUN = "RunInstances"
CONSOLE_LIMIT = 65536

INSTANCE_FILTERS: dict[str, filters.Getter] = {
    "architecture": lambda i: i.architecture,
    "availability-zone": lambda i: i.availability_zone,
    "block-device-mapping.device-name": lambda i: list(i.block_device_mapping),
    "block-device-mapping.volume-id": lambda i: [each.volume_id for each in i.block_device_mapping.values()],
    "block-device-mapping.status": lambda i: [each["Ebs"]["Status"] for each in i.block_device_mappings],
    "client-token": lambda i: i.client_token,
    "dns-name": lambda i: i.public_dns_name,
    "iam-instance-profile.arn": lambda i: (i.iam_instance_profile or {}).get("Arn"),
    "image-id": lambda i: i.image_id,
    "instance-id": lambda i: i.id,
    "instance-lifecycle": lambda i: "spot" if i.is_spot else None,
    "instance-state-code": lambda i: str(i.now.code),
    "instance-state-name": lambda i: i.now.value,
    "instance-type": lambda i: i.instance_type,
    "instance.group-id": lambda i: [group.id for group in i.security_groups],
    "instance.group-name": lambda i: [group.name for group in i.security_groups],
    "group-id": lambda i: [group.id for group in i.security_groups],
    "group-name": lambda i: [group.name for group in i.security_groups],
    "ip-address": lambda i: i.public_ip_address,
    "key-name": lambda i: i.key_name,
    "launch-index": lambda i: str(i.ami_launch_index),
    "launch-time": lambda i: i.launch_time,
    "network-interface.network-interface-id": lambda i: [nic.id for nic in i.nics.values()],
    "network-interface.subnet-id": lambda i: [nic.subnet.id for nic in i.nics.values()],
    "network-interface.vpc-id": lambda i: [nic.subnet.vpc_id for nic in i.nics.values()],
    "network-interface.addresses.private-ip-address": lambda i: i.private_ip_address,
    "owner-id": lambda i: i.owner_id,
    "placement-group-name": lambda i: i.placement.group_name or None,
    "private-dns-name": lambda i: i.private_dns_name,
    "private-ip-address": lambda i: i.private_ip_address,
    "reservation-id": lambda i: i.ec2_backend.reservation_of(i.id),
    "root-device-name": lambda i: i.root_device_name,
    "root-device-type": lambda i: "ebs",
    "spot-instance-request-id": lambda i: i.spot_instance_request_id,
    "state-reason-code": lambda i: i.state_reason.code or None,
    "subnet-id": lambda i: i.subnet_id,
    "tenancy": lambda i: "default",
    "vpc-id": lambda i: i.vpc_id,
}

STATUS_FILTERS: dict[str, filters.Getter] = {
    "availability-zone": lambda i: i.availability_zone,
    "instance-state-code": lambda i: str(i.now.code),
    "instance-state-name": lambda i: i.now.value,
    "instance-status.status": lambda i: health(i),
    "system-status.status": lambda i: health(i),
}


def health(instance: CloudInstance) -> str:
    """The status checks: initializing for a while after the start of running, then ok."""
    if instance.now is not State.RUNNING or instance.running_since is None:
        return "not-applicable"
    timing = instance.ec2_backend.cloud.timing
    age = (utcnow() - instance.running_since).total_seconds()
    return "ok" if age >= timing.wall(timing.running_to_ok) else "initializing"


class InstanceAnswers(Answer):
    """RunInstances and everything that is asked of its instances."""

    def run_instances(self) -> ActionResult:
        params = dict(self.params)
        known = self.tokens.before(RUN, params)
        if known is not None:
            return self._repeated(known)
        merged = templates.merge(self.cloud, params)
        plan = launch.plan_launch(self.cloud, merged)
        count = capacity.grant(self.cloud, plan)
        self.error_on_dryrun()
        reservation = launch.make_instances(self.cloud, plan, count)
        if plan.spot is not None:
            self.cloud.spot.adopt(plan, merged, reservation.instances)
        self.tokens.after(RUN, params, reservation.id)
        return ActionResult(reservation_view(reservation, reservation.instances))

    def _repeated(self, reservation_id: str) -> ActionResult:
        """The same token again: the same instances as they are now, unless they are over."""
        reservation = self.ec2_backend.reservations.get(reservation_id)
        if reservation is None or all(each.now is State.TERMINATED for each in reservation.instances):
            text = "The client token you have provided was used for instances that have been terminated"
            raise errors.Refusal("IdempotentInstanceTerminated", text)
        return ActionResult(reservation_view(reservation, reservation.instances))

    def describe_instances(self) -> ActionResult:
        self.error_on_dryrun()
        ids = self._get_param("InstanceIds", [])
        if ids and self._get_param("MaxResults"):
            text = "The parameter instancesSet cannot be used with the parameter maxResults"
            raise errors.bad_combination(text)
        instances = self._select(ids, INSTANCE_FILTERS)
        shown, token = paging.page(instances, self.params, key=lambda each: each.id)
        return ActionResult({"Reservations": self._by_reservation(shown), "NextToken": token})

    def _select(self, ids: list[str], getters: dict[str, filters.Getter]) -> list[CloudInstance]:
        backend = self.ec2_backend
        found = backend.get_instances(ids) if ids else backend.every_instance()
        wanted = filters.read_filters(self.params)
        return filters.apply(found, wanted, getters, lambda each: tags_of(backend, each.id))

    def _by_reservation(self, instances: list[CloudInstance]) -> list[dict[str, Any]]:
        groups: dict[str, list[CloudInstance]] = {}
        for instance in instances:
            groups.setdefault(self.ec2_backend.reservation_of(instance.id), []).append(instance)
        reservations = self.ec2_backend.reservations
        return [reservation_view(reservations[each], members) for each, members in groups.items()]

    def describe_instance_status(self) -> ActionResult:
        self.error_on_dryrun()
        ids = self._get_param("InstanceIds", [])
        found = self._select(ids, STATUS_FILTERS)
        if not self._get_bool_param("IncludeAllInstances", False):
            found = [each for each in found if each.now is State.RUNNING]
        shown, token = paging.page(found, self.params, key=lambda each: each.id)
        return ActionResult({"InstanceStatuses": [_status_view(each) for each in shown], "NextToken": token})

    # --- changes of state --------------------------------------------------------------------------------------

    def _named(self) -> list[CloudInstance]:
        ids = self._get_param("InstanceIds", [])
        if not ids:
            raise errors.missing("InstanceId")
        found: list[CloudInstance] = self.ec2_backend.get_instances(ids)
        return found

    def terminate_instances(self) -> ActionResult:
        instances = self._named()
        for instance in instances:
            if instance.disable_api_termination:
                text = f"The instance '{instance.id}' may not be terminated. Modify its 'disableApiTermination'."
                raise errors.Refusal("OperationNotPermitted", text)
        self.error_on_dryrun()
        before = [each.now for each in instances]
        for instance in instances:
            self.cloud.life.terminate(instance, Reason.USER)
        return ActionResult({"TerminatingInstances": _changes(instances, before)})

    def stop_instances(self) -> ActionResult:
        instances = self._named()
        for instance in instances:
            self._check_stop(instance)
        self.error_on_dryrun()
        before = [each.now for each in instances]
        for instance in instances:
            self.cloud.life.stop(instance, Reason.USER)
        return ActionResult({"StoppingInstances": _changes(instances, before)})

    def _check_stop(self, instance: CloudInstance) -> None:
        request = self.cloud.spot.of_instance(instance)
        if instance.is_spot and (request is None or not request.terms.is_persistent):
            text = f"You can't stop the Spot Instance '{instance.id}': it belongs to a one-time Spot request."
            raise errors.Refusal("UnsupportedOperation", text)
        if instance.now not in (State.RUNNING, State.STOPPING, State.STOPPED):
            raise errors.wrong_instance_state(instance.id, "stopped")
        if instance.disable_api_stop:
            text = f"The instance '{instance.id}' may not be stopped. Modify its 'disableApiStop'."
            raise errors.Refusal("OperationNotPermitted", text)

    def start_instances(self) -> ActionResult:
        instances = self._named()
        for instance in instances:
            if instance.now not in (State.STOPPED, State.RUNNING, State.PENDING):
                raise errors.wrong_instance_state(instance.id, "started")
        self.error_on_dryrun()
        before = [each.now for each in instances]
        for instance in instances:
            if instance.now is State.STOPPED:
                self.cloud.life.start(instance)
        return ActionResult({"StartingInstances": _changes(instances, before)})

    def reboot_instances(self) -> ActionResult:
        instances = self._named()
        self.error_on_dryrun()
        for instance in instances:
            self.cloud.life.reboot(instance)
        return EmptyResult()

    def get_console_output(self) -> ActionResult:
        instance_id = self._get_param("InstanceId")
        check_id("InvalidInstanceID", instance_id or "", "i")
        instance = self.ec2_backend.get_instance(instance_id)
        self.error_on_dryrun()
        with self.cloud.unlocked():
            text = self.cloud.hosts.console(instance.id) if instance.now is not State.TERMINATED else ""
        output = base64.b64encode(text.encode()[-CONSOLE_LIMIT:]).decode()
        return ActionResult({"InstanceId": instance_id, "Output": output, "Timestamp": utcnow()})

    # --- attributes --------------------------------------------------------------------------------------------

    def modify_instance_attribute(self) -> ActionResult:
        instance = self.ec2_backend.get_instance(self._get_param("InstanceId"))
        if self._get_param("InstanceType.Value") and instance.now is not State.STOPPED:
            text = f"The instance '{instance.id}' is not in the 'stopped' state."
            raise errors.Refusal("IncorrectInstanceState", text)
        if self._get_param("DisableApiTermination.Value") and instance.is_spot:
            raise errors.Refusal("UnsupportedOperation", "Spot instances have no termination protection")
        behaviour = self._get_param("InstanceInitiatedShutdownBehavior.Value")
        if behaviour:
            if behaviour not in ("stop", "terminate"):
                raise errors.invalid_value(behaviour, "instanceInitiatedShutdownBehavior")
            instance.instance_initiated_shutdown_behavior = behaviour
            return EmptyResult()
        for mapping in self._get_param("BlockDeviceMappings", []):
            if mapping.get("DeviceName") not in instance.block_device_mapping:
                text = f"No device is currently mapped at {mapping.get('DeviceName')}"
                raise errors.Refusal("InvalidInstanceAttributeValue", text)
        result: ActionResult = super().modify_instance_attribute()
        self._publish_soon(instance)
        return result

    def modify_instance_metadata_options(self) -> ActionResult:
        instance = self.ec2_backend.get_instance(self._get_param("InstanceId"))
        before = vars(instance.metadata_options).copy()
        result: ActionResult = super().modify_instance_metadata_options()
        for name, value in vars(instance.metadata_options).items():
            if value is None:
                setattr(instance.metadata_options, name, before[name])
        self._publish_soon(instance)
        return result

    def _publish_soon(self, instance: CloudInstance) -> None:
        self.cloud.jobs.at(time.time(), "publish", instance.id)


def _status_view(instance: CloudInstance) -> dict[str, Any]:
    status = health(instance)
    word = {"ok": "passed", "initializing": "initializing"}.get(status)
    check: dict[str, Any] = {"Status": status}
    if word:
        check["Details"] = [{"Name": "reachability", "Status": word}]
    return {
        "InstanceId": instance.id,
        "AvailabilityZone": instance.availability_zone,
        "InstanceState": state_view(instance.now),
        "InstanceStatus": check,
        "SystemStatus": check,
    }


def _changes(instances: list[CloudInstance], before: list[State]) -> list[dict[str, Any]]:
    return [
        {
            "InstanceId": instance.id,
            "CurrentState": state_view(instance.now),
            "PreviousState": state_view(previous),
        }
        for instance, previous in zip(instances, before, strict=True)
    ]


__all__ = ["InstanceAnswers", "health", "instance_view"]

"""The spot market: requests, what fulfils them, and what takes their instances away."""

from __future__ import annotations

import datetime
import logging
import time
from collections.abc import Mapping
from typing import Any

from moto.core.utils import utcnow
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.core import TaggedEC2Resource
from moto.ec2.utils import random_spot_request_id

from starcluster.localcloud.api import errors, spotstates
from starcluster.localcloud.api.capacity import grant
from starcluster.localcloud.api.cloud import Cloud
from starcluster.localcloud.api.launch import LaunchPlan, make_instances, plan_launch
from starcluster.localcloud.api.life import Life
from starcluster.localcloud.api.machines import CloudInstance, Reason, State
from starcluster.localcloud.api.spotstates import Cause, Code, RequestState, Status
from starcluster.localcloud.api.spotterms import SpotTerms
from starcluster.localcloud.api.world import Notice

log = logging.getLogger(__name__)

# A request is told about for this long after it and its instance have ended.
KEPT_SECONDS = 4 * 3600
EVALUATE_AGAIN = 15.0


class SpotRequest(TaggedEC2Resource):
    """One spot request; `params` are those of the launch, to launch again if it is persistent."""

    def __init__(self, backend: Any, terms: SpotTerms, plan: LaunchPlan, params: Mapping[str, Any]) -> None:
        self.ec2_backend = backend
        self.id = random_spot_request_id()
        self.terms = terms
        self.params = dict(params)
        self.zone = plan.zone
        self.instance_type = plan.instance_type
        self.image_id = plan.image.id
        self.key_name = plan.key_name
        self.subnet_id = plan.subnet.id
        self.group_ids = [(group.id, group.name) for group in plan.groups]
        self.create_time = utcnow()
        self.instance_id: str | None = None
        self.cause: Cause | None = None
        self.status = spotstates.EVALUATED
        self.updated = self.create_time
        self.launch_group: str | None = None
        self.add_tags(dict(plan.tags.get("spot-instances-request", {})))

    def move(self, status: Status) -> bool:
        """Take a new status; False if it is the old one."""
        if status == self.status:
            return False
        self.status, self.updated = status, utcnow()
        return True

    @property
    def tags(self) -> dict[str, str]:
        found: dict[str, str] = self.ec2_backend.tags.get(self.id, {})
        return found


class Spot:
    """Makes spot requests, gives them instances and takes these away."""

    def __init__(self, cloud: Cloud, life: Life) -> None:
        self._cloud = cloud
        self._life = life
        life.on_over = self._instance_over
        life.on_stopped = self._instance_stopped
        for kind in ("evaluate", "fulfill", "reclaim", "expire", "vanish"):
            cloud.jobs.register(f"spot-{kind}", getattr(self, f"_{kind}"))

    @property
    def _requests(self) -> dict[str, SpotRequest]:
        found: dict[str, SpotRequest] = self._cloud.world.spot_requests
        return found

    def of_instance(self, instance: CloudInstance) -> SpotRequest | None:
        return self._requests.get(instance.spot_instance_request_id or "")

    def _move(self, request: SpotRequest, status: Status) -> None:
        if request.move(status):
            self._cloud.log.event("spot-request", request.id, state=status.state, code=status.code)
            if status.state.is_final:
                self._cloud.jobs.after(KEPT_SECONDS, "spot-vanish", request.id)

    # --- making requests -------------------------------------------------------------------------------------

    def _add(self, terms: SpotTerms, plan: LaunchPlan, params: Mapping[str, Any]) -> SpotRequest:
        request = SpotRequest(self._cloud.backend, terms, plan, params)
        self._requests[request.id] = request
        if terms.valid_until is not None:
            due = terms.valid_until.replace(tzinfo=datetime.UTC).timestamp()
            self._cloud.jobs.at(due, "spot-expire", request.id)
        return request

    def adopt(self, plan: LaunchPlan, params: Mapping[str, Any], instances: list[CloudInstance]) -> None:
        """RunInstances has launched: each instance gets its request, fulfilled from the start."""
        for instance in instances:
            request = self._add(plan.spot or SpotTerms(), plan, params)
            self._tie(request, instance)

    def _tie(self, request: SpotRequest, instance: CloudInstance) -> None:
        request.instance_id = instance.id
        request.cause = None
        instance.spot_instance_request_id = request.id
        self._move(request, spotstates.FULFILLED)

    def request(self, terms: SpotTerms, params: Mapping[str, Any], count: int) -> list[SpotRequest]:
        """RequestSpotInstances: open requests that are looked at a little later."""
        plan = plan_launch(self._cloud, params)
        requests = [self._add(terms, plan, params) for _ in range(count)]
        for request in requests:
            self._cloud.soon(self._cloud.timing.spot_evaluation, "spot-evaluate", request.id)
        return requests

    def cancel(self, request: SpotRequest) -> None:
        instance = self._instance(request)
        alive = instance is not None and not instance.now.is_over
        stopped = instance is not None and instance.now in (State.STOPPED, State.STOPPING)
        self._move(request, spotstates.cancelled(request.status, has_instance=alive))
        if stopped and instance is not None:
            self._life.terminate(instance, Reason.USER)

    def _instance(self, request: SpotRequest) -> CloudInstance | None:
        found: CloudInstance | None = self._cloud.backend.find_instance(request.instance_id or "")
        return found

    # --- fulfilling ------------------------------------------------------------------------------------------

    def evaluate_pool(self, instance_type: str, zone: str) -> None:
        """Price or capacity of a pool has changed: look at its requests again."""
        for request in list(self._requests.values()):
            if (request.instance_type, request.zone) != (instance_type, zone):
                continue
            if request.status.state in (RequestState.OPEN, RequestState.DISABLED):
                self._cloud.at_once("spot-evaluate", request.id)

    def _evaluate(self, request_id: str) -> float | None:
        """Can an open request be fulfilled now? If not, its code says why, and it is asked again."""
        with self._cloud.lock:
            request = self._requests.get(request_id)
            if request is None or not self._waits(request):
                return None
            try:
                grant(self._cloud, self._plan(request))
            except EC2ClientError as refusal:
                return self._unfulfilled(request, str(refusal.code))
            if request.status.state is RequestState.OPEN:
                self._move(request, spotstates.GRANTED)
            self._cloud.soon(self._cloud.timing.spot_evaluation, "spot-fulfill", request_id)
            return None

    def _waits(self, request: SpotRequest) -> bool:
        """Whether it wants an instance: open, or disabled by the market and not by its user."""
        if request.status.state is RequestState.DISABLED:
            return request.cause is not None
        instance = self._instance(request)
        return request.status.state is RequestState.OPEN and (instance is None or instance.now.is_over)

    def _plan(self, request: SpotRequest) -> LaunchPlan:
        params = {**request.params, "MinCount": 1, "MaxCount": 1, "ClientToken": None}
        plan = plan_launch(self._cloud, params)
        return _with_terms(plan, request.terms)

    def _unfulfilled(self, request: SpotRequest, code: str) -> float | None:
        waiting = {
            "InsufficientInstanceCapacity": Code.CAPACITY_NOT_AVAILABLE,
            "MaxSpotInstanceCountExceeded": Code.CAPACITY_NOT_AVAILABLE,
            "SpotMaxPriceTooLow": Code.PRICE_TOO_LOW,
        }
        if request.status.state is RequestState.DISABLED:
            return self._cloud.timing.wall(EVALUATE_AGAIN)
        if code not in waiting:
            self._move(request, Status(state=RequestState.FAILED, code=Code.BAD_PARAMETERS))
            return None
        self._move(request, Status(state=RequestState.OPEN, code=waiting[code]))
        return self._cloud.timing.wall(EVALUATE_AGAIN)

    def _fulfill(self, request_id: str) -> None:
        with self._cloud.lock:
            request = self._requests.get(request_id)
            if request is None or not self._waits(request):
                return
            stopped = self._instance(request)
            if request.status.state is RequestState.DISABLED and stopped is not None:
                self._life.start(stopped)
                self._tie(request, stopped)
                return
            try:
                plan = self._plan(request)
                grant(self._cloud, plan)
            except EC2ClientError as refusal:
                self._cloud.soon(self._unfulfilled(request, str(refusal.code)) or 1, "spot-evaluate", request_id)
                return
            self._tie(request, make_instances(self._cloud, plan, 1).instances[0])

    def _expire(self, request_id: str) -> None:
        with self._cloud.lock:
            request = self._requests.get(request_id)
            if request is not None and request.status.state is RequestState.OPEN:
                self._move(request, Status(state=RequestState.CANCELLED, code=Code.SCHEDULE_EXPIRED))

    def _vanish(self, request_id: str) -> float | None:
        with self._cloud.lock:
            request = self._requests.get(request_id)
            instance = self._instance(request) if request else None
            if instance is not None and instance.now is not State.TERMINATED:
                return 60.0
            self._requests.pop(request_id, None)
            self._cloud.backend.tags.pop(request_id, None)
            return None

    # --- taking away -----------------------------------------------------------------------------------------

    def interrupt(self, instance: CloudInstance, cause: Cause, *, notice: float, action: str | None = None) -> None:
        """EC2 takes a spot instance: notice first (EC2's seconds), or sudden death with a notice of 0."""
        request = self.of_instance(instance)
        if not instance.is_spot or request is None:
            raise errors.Refusal("UnsupportedOperation", f"{instance.id} is not a spot instance")
        if not instance.now.is_up:
            raise errors.wrong_instance_state(instance.id, "interrupted")
        if instance.id in self._cloud.world.notices:
            return
        stops = (action or request.terms.behaviour) == "stop"
        request.cause = cause
        persistent = request.terms.is_persistent
        self._move(request, spotstates.interrupted(request.status, cause, persistent=persistent, stops=stops))
        if notice <= 0:
            self._take(instance, stops=stops, sudden=True)
            return
        self._announce(instance, "stop" if stops else "terminate", notice)

    def _announce(self, instance: CloudInstance, action: str, notice: float) -> None:
        due = time.time() + self._cloud.timing.wall(notice)
        at = datetime.datetime.fromtimestamp(due, datetime.UTC)
        self._cloud.world.notices[instance.id] = Notice(action=action, at=at)
        self._cloud.log.event("notice", instance.id, action=action, due=due)
        self._cloud.jobs.at(due, "spot-reclaim", instance.id)
        with self._cloud.unlocked():
            self._life.publish(instance)

    def rebalance(self, instance: CloudInstance) -> None:
        """EC2 recommends to leave: an early hint, nothing else happens."""
        if not instance.is_spot:
            raise errors.Refusal("UnsupportedOperation", f"{instance.id} is not a spot instance")
        self._cloud.world.rebalances[instance.id] = datetime.datetime.now(datetime.UTC)
        self._cloud.log.event("rebalance", instance.id)
        with self._cloud.unlocked():
            self._life.publish(instance)

    def _reclaim(self, instance_id: str) -> None:
        with self._cloud.lock:
            instance = self._cloud.backend.find_instance(instance_id)
            notice = self._cloud.world.notices.get(instance_id)
            if instance is not None and notice is not None and instance.now.is_up:
                self._take(instance, stops=notice.action == "stop", sudden=False)

    def _take(self, instance: CloudInstance, *, stops: bool, sudden: bool) -> None:
        self._cloud.world.notices.pop(instance.id, None)
        if stops and instance.now is State.RUNNING:
            instance.sudden = sudden
            self._life.stop(instance, Reason.SPOT_STOP)
        else:
            self._life.terminate(instance, Reason.SPOT, sudden=sudden)

    def enforce_price(self, instance_type: str, zone: str) -> None:
        """After a change of price: take what now is offered too little for."""
        price = self._cloud.world.market.price(instance_type, zone)
        for instance in self._pool(instance_type, zone):
            request = self.of_instance(instance)
            limit = request.terms.max_price if request else None
            if limit is not None and price > limit:
                self.interrupt(instance, Cause.PRICE, notice=self._cloud.timing.notice)

    def withdraw(self, instance_type: str, zone: str, count: int) -> None:
        """The pool shrinks to `count`: the youngest instances beyond it are taken with notice."""
        pool = sorted(self._pool(instance_type, zone), key=lambda each: each.launch_time)
        for instance in pool[count:]:
            self.interrupt(instance, Cause.CAPACITY, notice=self._cloud.timing.notice)

    def _pool(self, instance_type: str, zone: str) -> list[CloudInstance]:
        return [
            each
            for each in self._cloud.backend.every_instance()
            if each.is_spot
            and each.now.is_up
            and each.instance_type == instance_type
            and each.availability_zone == zone
        ]

    # --- what instances do -----------------------------------------------------------------------------------

    def _instance_over(self, instance: CloudInstance, reason: Reason) -> None:
        request = self.of_instance(instance)
        if request is None or request.instance_id != instance.id:
            return
        if reason is not Reason.SPOT:
            self._move(request, spotstates.ended_by_user(request.status, persistent=request.terms.is_persistent))
        if request.status.state is RequestState.OPEN:
            self._cloud.soon(self._cloud.timing.spot_evaluation, "spot-evaluate", request.id)

    def _instance_stopped(self, instance: CloudInstance, reason: Reason) -> None:
        request = self.of_instance(instance)
        if request is None:
            return
        request.cause = request.cause if reason is Reason.SPOT_STOP else None
        self._move(request, spotstates.stopped(request.status, request.cause))
        if request.cause is not None:
            self._cloud.soon(EVALUATE_AGAIN, "spot-evaluate", request.id)


def _with_terms(plan: LaunchPlan, terms: SpotTerms) -> LaunchPlan:
    from dataclasses import replace

    return replace(plan, spot=terms)

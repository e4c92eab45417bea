"""What all groups of actions share: the way to the cloud, and how an answer becomes EC2's XML."""

from __future__ import annotations

import logging
import uuid
from typing import Any

from botocore.model import OperationNotFoundError
from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult
from moto.ec2.responses import EC2Response

from starcluster.localcloud.api import backend, errors
from starcluster.localcloud.api.errors import Refusal, http_status
from starcluster.localcloud.api.tokens import Tokens

log = logging.getLogger(__name__)

# Actions of moto's that would work on moto's own instances, which have no hosts behind them.
LACKING = frozenset(
    {
        "AllocateAddress",
        "AssociateAddress",
        "AttachNetworkInterface",
        "CopyImage",
        "CreateFleet",
        "CreateSnapshots",
        "DeleteFleets",
        "ModifySpotFleetRequest",
        "RegisterImage",
        "RequestSpotFleet",
    }
)


class Answer(EC2Response):
    """moto's EC2 actions, one call at a time, on this process's cloud."""

    @property
    def cloud(self) -> Any:
        return backend._current["cloud"]

    @property
    def ec2_backend(self) -> Any:
        if self.region != self.cloud.region:
            text = f"This local cloud has one region, {self.cloud.region}; '{self.region}' was asked for"
            raise errors.Refusal("AuthFailure", text)
        return self._seen["ec2"] if self._seen else self.cloud.backend

    @property
    def world(self) -> Any:
        return self._seen["world"] if self._seen else self.cloud.world

    # The state that a description is made from while the cloud lags behind; None: the present one.
    _seen: Any = None

    @property
    def tokens(self) -> Tokens:
        return Tokens(self.cloud.world)

    def parse_parameters(self, request: Any) -> None:
        """An action that EC2 does not have is answered like one that this cloud does not have."""
        self.params: Any = {}
        try:
            super().parse_parameters(request)
        except OperationNotFoundError:
            log.info("no such action: %s", self._get_action())

    def call_action(self) -> Any:
        with self.cloud.lock:
            if (self._get_action() or "").startswith("Describe"):
                self._seen = self.cloud.past.look()
            try:
                if self._get_action() in LACKING:
                    raise NotImplementedError
                return super().call_action()
            except NotImplementedError:
                text = f"The action {self._get_action()} is not valid for this web service: the local cloud lacks it."
                return self._refused(Refusal("InvalidAction", text))
            except ServiceException as refusal:
                return self._refused(refusal)
            except Exception:
                log.exception("action %s failed", self._get_action())
                return self._refused(Refusal("InternalError", "An internal error has occurred (see log/daemon.log)"))

            finally:
                self.cloud.past.note()

    def _refused(self, refusal: Exception) -> Any:
        status, headers, body = self.serialized(ActionResult(refusal))
        return status, headers, body

    def serialized(self, action_result: ActionResult) -> Any:
        """As moto does it, with the HTTP status that EC2 gives to an error."""
        status, headers, body = super().serialized(action_result)
        result = action_result.result
        if isinstance(result, Exception):
            status = http_status(str(getattr(result, "code", "")))
            headers["status"] = str(status)
        return status, headers, _with_request_id(body)


def _with_request_id(body: Any) -> Any:
    """moto writes the same request id into every EC2 answer; a log is read by them."""
    if not isinstance(body, str):
        return body
    return body.replace(">request-id<", f">{uuid.uuid4()}<", 1)

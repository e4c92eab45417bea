"""All of the cloud's EC2 actions in one class, for moto to dispatch to."""

from __future__ import annotations

from starcluster.localcloud.api.answers_instances import InstanceAnswers


class CloudResponse(InstanceAnswers):
    """moto's actions, ours before them."""

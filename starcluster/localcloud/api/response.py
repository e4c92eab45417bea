"""All of the cloud's EC2 actions in one class, for moto to dispatch to."""

from __future__ import annotations

from starcluster.localcloud.api.answers_images import ImageAnswers
from starcluster.localcloud.api.answers_instances import InstanceAnswers
from starcluster.localcloud.api.answers_spot import SpotAnswers
from starcluster.localcloud.api.answers_tags import TagAnswers
from starcluster.localcloud.api.answers_templates import TemplateAnswers
from starcluster.localcloud.api.answers_volumes import VolumeAnswers


class CloudResponse(InstanceAnswers, SpotAnswers, VolumeAnswers, ImageAnswers, TemplateAnswers, TagAnswers):
    """moto's actions, ours before them."""

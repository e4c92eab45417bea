"""`starcluster.awsutils.EasyEC2(key, secret)`: EC2 with keys that a program brings itself."""

from __future__ import annotations

import dataclasses
from typing import Any

from starcluster import exception
from starcluster.aws.session import Ec2
from starcluster.cloud import Cloud, open_cloud
from starcluster.config import load
from starcluster.config.schema import AwsSettings, Config

_KNOWN = {one.name for one in dataclasses.fields(AwsSettings)}


class EasyEC2(Ec2):
    """The cloud that the user's config names; on AWS what is given takes the place of its [aws info]."""

    def __init__(
        self, aws_access_key_id: str | None = None, aws_secret_access_key: str | None = None, **more: Any
    ) -> None:
        """`more`: settings of [aws info] by their names in small letters; the rest of StarCluster's has no meaning."""
        given = {"aws_access_key_id": aws_access_key_id, "aws_secret_access_key": aws_secret_access_key, **more}
        settings = {name: value for name, value in given.items() if name in _KNOWN and value is not None}
        super().__init__(_cloud(settings))

    def connect_to_region(self, region_name: str) -> EasyEC2:
        """From now on this object is about that region; RegionDoesNotExist where there is none of that name."""
        if self.get_region(region_name).name != self.region:
            here: Cloud = self.cloud  # type: ignore[assignment]
            super().__init__(dataclasses.replace(here, region=region_name, endpoint_url=None))
        return self


def _cloud(settings: dict[str, Any]) -> Cloud:
    try:
        config = load.load()
    except exception.ConfigNotFound:
        config = Config(path="", cloud=load.cloud_name(None, ""))
    aws = AwsSettings(**settings) if settings else config.aws
    return open_cloud(dataclasses.replace(config, aws=aws))

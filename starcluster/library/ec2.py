"""`starcluster.awsutils.EasyEC2(key, secret)`: EC2 with keys that a program brings itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from starcluster import exception
from starcluster.app import App
from starcluster.aws.session import Ec2
from starcluster.cloud import Cloud, open_cloud
from starcluster.config import load
from starcluster.config.schema import AwsSettings, Config

_KNOWN = {one.name for one in dataclasses.fields(AwsSettings)}


class EasyEC2(Ec2):
    """The cloud that the user's config names; on AWS what is given takes the place of its [aws info]."""

    _elsewhere: Callable[[str], Cloud]

    def __init__(
        self, aws_access_key_id: str | None = None, aws_secret_access_key: str | None = None, **more: Any
    ) -> None:
        """`more`: settings of [aws info] by their names in small letters; the rest of StarCluster's has no meaning."""
        given = {"aws_access_key_id": aws_access_key_id, "aws_secret_access_key": aws_secret_access_key, **more}
        config = _config({name: value for name, value in given.items() if name in _KNOWN and value is not None})
        self._elsewhere = lambda region: _open(config, region)
        super().__init__(open_cloud(config))

    @classmethod
    def of(cls, app: App) -> Ec2:
        """A program's own one, which goes to another region alone."""
        if type(app.ec2) is not Ec2:
            return app.ec2
        made = cls.__new__(cls)
        made._elsewhere = lambda region: _open(app.config, region)
        Ec2.__init__(made, app.cloud)
        return made

    def connect_to_region(self, region_name: str) -> EasyEC2:
        """From now on this object is about that region; RegionDoesNotExist where there is none of that name."""
        if self.get_region(region_name).name != self.region:
            super().__init__(self._elsewhere(region_name))
        return self


def _config(settings: dict[str, Any]) -> Config:
    try:
        config = load.load()
    except exception.ConfigNotFound:
        config = Config(path="", cloud=load.cloud_name(None, ""))
    return dataclasses.replace(config, aws=AwsSettings(**settings)) if settings else config


def _open(config: Config, region: str) -> Cloud:
    """The host that is named is that of the region where we were."""
    away = dataclasses.replace(config, aws=dataclasses.replace(config.aws, aws_region_host=""))
    return open_cloud(away, region=region)

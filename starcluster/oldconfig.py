"""The config under StarCluster's names: plugins import them by `from starcluster.config import StarClusterConfig`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn

from starcluster import exception
from starcluster.config import files
from starcluster.config.load import config_of, document_of
from starcluster.utils import AttributeDict

if TYPE_CHECKING:
    from starcluster.aws.session import Ec2
    from starcluster.config.schema import Config, PluginSettings

__all__ = ["StarClusterConfig", "get_config", "get_easy_ec2", "get_easy_s3"]


class StarClusterConfig:
    """The config's sections as dicts whose keys are attributes; values are what they mean, not their texts."""

    def __init__(self, config_file: str | None = None, cache: bool = False) -> None:
        self.cfg_file = files.expand(files.config_path(config_file))
        self.cache = cache
        self.globals, self.aws = AttributeDict(), AttributeDict()
        self.clusters, self.keys, self.vols = AttributeDict(), AttributeDict(), AttributeDict()
        self.plugins, self.permissions = AttributeDict(), AttributeDict()

    def __repr__(self) -> str:
        return f"<StarClusterConfig: {self.cfg_file}>"

    def load(self) -> StarClusterConfig:
        """Read the file; itself."""
        config = self._read()
        self.globals, self.aws = _settings(config.globals), _settings(config.aws)
        self.keys, self.vols = _sections(config.keys), _sections(config.volumes)
        self.clusters, self.permissions = _sections(config.templates), _sections(config.permissions)
        self.plugins = AttributeDict({name: _plugin(one) for name, one in config.plugins.items()})
        return self

    reload = load

    def get_plugin(self, plugin: str) -> AttributeDict:
        """The settings of [plugin PLUGIN], or PluginNotFound."""
        found: AttributeDict | None = self.plugins.get(plugin)
        if found is None:
            raise exception.PluginNotFound(f"there is no section [plugin {plugin}]", file=self.cfg_file)
        return found

    def get_easy_ec2(self) -> Ec2:
        """What a node has as `node.ec2`."""
        from starcluster.aws.session import Ec2
        from starcluster.cloud import open_cloud

        return Ec2(open_cloud(self._read()))

    def _read(self) -> Config:
        config = config_of(document_of(self.cfg_file))
        for error in config.fatal:
            raise error
        return config


def get_config(config_file: str | None = None, cache: bool = False) -> StarClusterConfig:
    return StarClusterConfig(config_file, cache).load()


def get_easy_ec2(config_file: str | None = None, cache: bool = False) -> Ec2:
    return StarClusterConfig(config_file, cache).get_easy_ec2()


def get_easy_s3(config_file: str | None = None, cache: bool = False) -> NoReturn:
    raise exception.PluginError(
        "there is no get_easy_s3: it was the S3 of boto 2, which ended in 2018",
        hint="write those lines with boto3; node.ec2 has the keys",
    )


def _settings(section: Any) -> AttributeDict:
    return AttributeDict({one.name: getattr(section, one.name) for one in dataclasses.fields(section)})


def _sections(sections: Mapping[str, Any]) -> AttributeDict:
    return AttributeDict({name: _settings(one) for name, one in sections.items()})


def _plugin(one: PluginSettings) -> AttributeDict:
    return AttributeDict({**one.arguments, "setup_class": one.setup_class, "__name__": one.name})

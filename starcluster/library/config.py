"""`starcluster.config.StarClusterConfig` and its factories, as programs know them."""

from __future__ import annotations

import configparser
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from starcluster import exception
from starcluster.app import App, Options
from starcluster.config import files, load
from starcluster.library.sections import plain_section, plugin_section
from starcluster.utils import AttributeDict

if TYPE_CHECKING:
    from starcluster.aws.session import Ec2
    from starcluster.config.schema import ClusterTemplate, Config
    from starcluster.library.cluster import Cluster
    from starcluster.library.manager import ClusterManager


def get_config(config_file: str | None = None, cache: bool = False) -> StarClusterConfig:
    return StarClusterConfig(config_file, cache).load()


def get_easy_ec2(config_file: str | None = None, cache: bool = False) -> Ec2:
    return get_config(config_file, cache).get_easy_ec2()


def get_cluster_manager(config_file: str | None = None, cache: bool = False) -> ClusterManager:
    return get_config(config_file, cache).get_cluster_manager()


def get_easy_s3(config_file: str | None = None, cache: bool = False) -> NoReturn:
    raise exception.PluginError(
        "there is no get_easy_s3: it was the S3 of boto 2, which ended in 2018",
        hint="write those lines with boto3; get_easy_ec2() has the keys",
    )


class StarClusterConfig:
    """The user's config; sections are dicts whose keys, in small letters, are attributes too."""

    def __init__(self, config_file: str | None = None, cache: bool = False, *, app: App | None = None) -> None:
        """`config_file`: a path or a URL, else the one that the command line would read."""
        if config_file is not None and not isinstance(config_file, str):
            raise exception.ConfigError(
                f"a config is a path or a URL, not a {type(config_file).__name__}",
                hint="write what it holds to a file of mode 0600, and name that",
            )
        self.app = app or App(Options(config=files.expand(config_file) if config_file else None))
        self.cfg_file = files.expand(files.config_path(self.app.options.config))

    def __repr__(self) -> str:
        return repr(self.app.config)

    def __getattr__(self, name: str) -> Any:
        """What our own config has beside: template(), cloud, path."""
        if name.startswith("_") or name == "app":
            raise AttributeError(name)
        return getattr(self.app.config, name)

    def load(self) -> StarClusterConfig:
        """Read and check it: ConfigNotFound, ConfigError."""
        try:
            _ = self._config
        except exception.ConfigNotFound as error:
            raise NoConfig(error, self.cfg_file) from error
        return self

    @property
    def config(self) -> configparser.RawConfigParser:
        """What is written, INCLUDEs as well, without a look at what it means."""
        parser = configparser.RawConfigParser()
        try:
            document = load.document_of(self.app.options.config)
        except exception.ConfigNotFound as error:
            raise NoConfig(error, self.cfg_file) from error
        for section in document.sections.values():
            parser.read_dict({section.title: section.raw})
        return parser

    @property
    def _config(self) -> Config:
        return self.app.config

    # --- the sections

    @cached_property
    def globals(self) -> AttributeDict:
        return plain_section(self._config.globals)

    @cached_property
    def aws(self) -> AttributeDict:
        return plain_section(self._config.aws)

    @cached_property
    def keys(self) -> AttributeDict:
        return _sections(self._config.keys)

    @cached_property
    def vols(self) -> AttributeDict:
        return _sections(self._config.volumes)

    @cached_property
    def permissions(self) -> AttributeDict:
        return _sections(self._config.permissions)

    @cached_property
    def plugins(self) -> AttributeDict:
        return AttributeDict({name: plugin_section(one) for name, one in self._config.plugins.items()})

    @cached_property
    def clusters(self) -> AttributeDict:
        return AttributeDict({name: _template(one) for name, one in self._config.templates.items()})

    def get_cluster_names(self) -> AttributeDict:
        return self.clusters

    def get_plugin(self, plugin: str) -> AttributeDict:
        """A plugin's section, or PluginNotFound."""
        return plugin_section(self._config.plugin(plugin))

    def get_key(self, keyname: str) -> AttributeDict:
        """A key pair's section, or KeyNotFound."""
        return plain_section(self._config.key(keyname))

    def get_aws_credentials(self) -> AttributeDict:
        return self.aws

    def get_default_cluster_template(self) -> str:
        """The name of the default template, or NoDefaultTemplateFound."""
        return self._config.default_template()

    # --- what is made of them

    def get_easy_ec2(self) -> Ec2:
        from starcluster.library.ec2 import EasyEC2

        return EasyEC2.of(self.app)

    def get_cluster_manager(self) -> ClusterManager:
        from starcluster.library.manager import ClusterManager

        return ClusterManager(self)

    def get_cluster_template(self, template_name: str, tag_name: str | None = None) -> Cluster:
        """A cluster that is to be started, or is, by the settings of a template; ClusterTemplateDoesNotExist."""
        from starcluster.library.cluster import Cluster

        template = self._config.template(template_name)
        return Cluster(self.get_cluster_manager(), tag_name or template_name, template)

    def get_clusters(self) -> list[Cluster]:
        """One cluster of each template, called as the template is."""
        return [self.get_cluster_template(name) for name in self._config.templates]


class NoConfig(exception.ConfigNotFound):
    """ConfigNotFound that can write the missing file, for programs that install themselves."""

    def __init__(self, error: exception.ConfigNotFound, path: str) -> None:
        super().__init__(error.msg, hint=error.hint)
        self.cfg = path

    def create_config(self) -> None:
        """Write the example to where the config was looked for; it is not overwritten."""
        from starcluster.commands.firstconfig import write_example

        write_example(Path(self.cfg))


def _sections(values: Mapping[str, Any]) -> AttributeDict:
    return AttributeDict({name: plain_section(one) for name, one in values.items()})


def _template(one: ClusterTemplate) -> AttributeDict:
    from starcluster.library.cluster import settings_of

    return AttributeDict(settings_of(one))

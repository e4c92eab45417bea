"""Where the parts meet: from the global options to the objects that a verb needs, each made when first asked."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starcluster.aws.session import Ec2
    from starcluster.clock import Clock
    from starcluster.cloud import Cloud
    from starcluster.cluster.cluster import Clusters
    from starcluster.config.schema import Config


@dataclass(frozen=True, kw_only=True)
class Options:
    """The global options as given; None = not given."""

    config: str | None = None
    region: str | None = None
    cloud: str | None = None
    debug: bool = False


class App:
    """Click's context object: every verb gets it. Imports are late so that --help needs none of them."""

    def __init__(self, options: Options) -> None:
        self.options = options

    @cached_property
    def config(self) -> Config:
        """The user's config, checked; raises ConfigError."""
        from starcluster.config.load import load

        return load(self.options.config, cloud=self.options.cloud)

    @cached_property
    def cloud(self) -> Cloud:
        """The cloud, started when it is the local one and down."""
        from starcluster.cloud import open_cloud
        from starcluster.config.load import tell_broken

        tell_broken(self.config)
        return open_cloud(self.config, region=self.options.region)

    @cached_property
    def clock(self) -> Clock:
        from starcluster.clock import Clock

        return Clock(self.cloud.clock_scale)

    @cached_property
    def ec2(self) -> Ec2:
        from starcluster.aws.session import Ec2

        return Ec2(self.cloud)

    @cached_property
    def clusters(self) -> Clusters:
        from starcluster.cluster.cluster import Clusters

        return Clusters(self.ec2, self.config, self.clock, self.cloud)

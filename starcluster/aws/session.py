"""The door to EC2: `Ec2` holds one object for each kind of thing. The rest of the program talks to these only.

Every method raises only exception.AWSError and its kinds.
"""

from __future__ import annotations

from starcluster.aws.api import Access, Api
from starcluster.aws.easyaccount import EasyAccount
from starcluster.aws.easyec2 import EasyEC2, Region
from starcluster.aws.images import Images
from starcluster.aws.instances import Instances
from starcluster.aws.network import Network
from starcluster.aws.objects import Objects
from starcluster.aws.prices import Prices
from starcluster.aws.snapshots import Snapshots
from starcluster.aws.spot import Spot
from starcluster.aws.templates import Templates
from starcluster.aws.volumes import Volumes
from starcluster.clock import Clock


class Ec2(EasyEC2, EasyAccount):
    def __init__(self, cloud: Access) -> None:
        self.cloud = cloud
        self.api = Api(cloud)
        self.images = Images(self.api)
        self.instances = Instances(self.api, self.images)
        self.spot = Spot(self.api)
        self.volumes = Volumes(self.api)
        self.snapshots = Snapshots(self.api)
        self.network = Network(self.api)
        self.templates = Templates(self.api)
        self.objects = Objects(self.api)
        self.prices = Prices(self.api)

    @property
    def clock(self) -> Clock:
        return Clock(self.cloud.clock_scale)

    @property
    def region(self) -> Region:
        return Region(self.cloud.region)

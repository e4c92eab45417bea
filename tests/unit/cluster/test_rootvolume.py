"""ROOT_VOLUME_...: from the template by the record to each launch, and what is refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from starcluster import exception
from starcluster.aws.instances import Instances
from starcluster.cluster import record, rootvolume, starting, validation
from starcluster.cluster.cluster import Clusters
from starcluster.config.schema import ClusterTemplate
from starcluster.model import Image, RootVolume
from starcluster.ssh import keys
from tests.fakes.ec2 import FakeEc2
from tests.unit.aws.test_forms import request

WANTED = RootVolume(size=40, kind="gp3", iops=6000, throughput=500)


def test_the_template_reaches_master_and_workers_by_way_of_the_record(
    clusters: Clusters, template: ClusterTemplate, ec2: FakeEc2
) -> None:
    mine = dataclasses.replace(
        template,
        root_volume_size=40,
        root_volume_type="gp3",
        root_volume_iops=6000,
        root_volume_throughput=500,
    )
    wanted = starting.record_of(mine, "c", zone="us-east-1a", volumes=[])
    assert record.from_tags(record.to_tags(wanted), tag="c").root_volume == WANTED
    starting.start(clusters, "c", wanted, [], create_only=True)
    assert [one.root_volume for one in ec2.instances.requests.values()] == [WANTED, WANTED]


class ImagesOf:
    def resolve(self, image_id: str) -> Image:
        return Image(id=image_id, root_device="/dev/xvda")


class Asked:
    """An Api that keeps what was asked."""

    def launch(self, operation: str, *, what: str, **parameters: Any) -> dict[str, Any]:
        self.parameters = parameters
        return {"Instances": []}


def devices(wanted: RootVolume) -> Any:
    api = Asked()
    Instances(api, ImagesOf()).launch(request(root_volume=wanted))  # type: ignore[arg-type]
    return api.parameters.get("BlockDeviceMappings")


def test_the_launch_names_the_images_own_root_device() -> None:
    disk = {"DeleteOnTermination": True, "VolumeSize": 40, "VolumeType": "gp3", "Iops": 6000, "Throughput": 500}
    assert devices(WANTED) == [{"DeviceName": "/dev/xvda", "Ebs": disk}]
    assert devices(RootVolume(kind="gp2")) == [
        {"DeviceName": "/dev/xvda", "Ebs": {"DeleteOnTermination": True, "VolumeType": "gp2"}}
    ]


def test_without_a_wish_the_image_decides() -> None:
    assert devices(RootVolume()) is None


@pytest.mark.parametrize(
    ("wanted", "setting", "told"),
    [
        (RootVolume(size=4), "ROOT_VOLUME_SIZE", "too few for the image, which has 8 GB"),
        (RootVolume(size=99999), "ROOT_VOLUME_SIZE", "1 to 65536 GB"),
        (RootVolume(size=10, kind="io2"), "ROOT_VOLUME_IOPS", "need ROOT_VOLUME_IOPS"),
        (RootVolume(size=10, iops=100), "ROOT_VOLUME_IOPS", "3000 to 80000 IOPS"),
        (RootVolume(kind="gp2", iops=4000), "ROOT_VOLUME_IOPS", "ROOT_VOLUME_TYPE = gp3"),
        (RootVolume(size=10, throughput=9999), "ROOT_VOLUME_THROUGHPUT", "125 to 2000"),
    ],
)
def test_a_root_volume_that_ebs_does_not_make_is_told_by_its_setting(
    wanted: RootVolume, setting: str, told: str
) -> None:
    with pytest.raises(exception.ConfigSettingError) as caught:
        rootvolume.check(wanted, least=8, section="cluster c")
    assert caught.value.setting == setting
    assert told in caught.value.explain()
    assert "--" not in caught.value.explain()


def test_it_is_compared_with_every_image_before_the_start(
    clusters: Clusters, template: ClusterTemplate, ec2: FakeEc2, key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ec2.network.import_key("mykey", keys.get_public_key(keys.read_private_key(key_file)))
    resolve = ec2.images.resolve
    monkeypatch.setattr(ec2.images, "resolve", lambda *a, **k: dataclasses.replace(resolve(*a, **k), root_size=30))
    small = dataclasses.replace(template, root_volume_size=20)
    with pytest.raises(exception.ConfigSettingError, match="the image, which has 30 GB"):
        validation.validate(clusters, validation.prepare(clusters, "c", small))

"""Instances that are real hosts: booted, reached, interrupted and gone."""

from __future__ import annotations

import json
import subprocess

from starcluster.localcloud import control
from tests.contract.api.conftest import RealCloud, until

TOKEN = "$(curl -s -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' http://169.254.169.254/latest/api/token)"


def metadata(path: str) -> str:
    return f'curl -s -f -H "X-aws-ec2-metadata-token: {TOKEN}" http://169.254.169.254/latest/meta-data/{path}'


def test_a_node_is_who_the_api_says(cloud: RealCloud) -> None:
    instance_id = cloud.run()
    instance = cloud.wait(instance_id, "running")
    name = instance["PrivateDnsName"].partition(".")[0]
    assert cloud.on(instance_id, "hostname") == name
    assert cloud.on(instance_id, metadata("instance-id")) == instance_id
    assert cloud.on(instance_id, metadata("local-ipv4")) == instance["PrivateIpAddress"]
    for known in (name, instance["PrivateDnsName"], instance["PublicDnsName"]):
        assert (
            cloud.on(instance_id, f"getent ahostsv4 {known} | cut -d' ' -f1 | sort -u") == instance["PrivateIpAddress"]
        )
    assert cloud.ssh(instance_id, "getent hosts ec2-127-77-9-9.compute-1.localcloud pypi.org").returncode == 2
    output = cloud.client().get_console_output(InstanceId=instance_id, Latest=True)["Output"]
    assert "BEGIN SSH HOST KEY KEYS" in output
    with control.dial(cloud.folder, instance["PublicDnsName"], 22) as link:
        assert link.recv(8).startswith(b"SSH-2.0-")


def test_volume_outlives_a_spot_instance(cloud: RealCloud) -> None:
    ec2 = cloud.client()
    volume_id = ec2.create_volume(AvailabilityZone="us-east-1a", Size=1, VolumeType="gp3")["VolumeId"]
    disk = f"/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_{volume_id.replace('-', '')}"
    first = cloud.run_spot()
    cloud.wait(first, "running")
    ec2.attach_volume(VolumeId=volume_id, InstanceId=first, Device="/dev/sdf")
    until(lambda: cloud.ssh(first, f"test -b {disk}").returncode == 0)
    boot_id = cloud.on(first, "cat /proc/sys/kernel/random/boot_id")
    cloud.on(first, f"mkfs.ext4 -q {disk} && mount {disk} /mnt && echo kept | tee /mnt/f && sync")
    cloud.call("interrupt", instance_id=first, notice=600)
    action = json.loads(cloud.on(first, metadata("spot/instance-action")))
    assert action["action"] == "terminate"
    cloud.wait(first, "terminated")
    second = cloud.run_spot()
    cloud.wait(second, "running")
    assert ec2.describe_volumes(VolumeIds=[volume_id])["Volumes"][0]["State"] == "available"
    ec2.attach_volume(VolumeId=volume_id, InstanceId=second, Device="/dev/sdf")
    until(lambda: cloud.ssh(second, f"test -b {disk}").returncode == 0)
    assert cloud.on(second, f"mount {disk} /mnt && cat /mnt/f") == "kept"
    assert cloud.on(second, "cat /proc/sys/kernel/random/boot_id") != boot_id
    ec2.detach_volume(VolumeId=volume_id)
    until(lambda: ec2.describe_volumes(VolumeIds=[volume_id])["Volumes"][0]["Attachments"][0]["State"] == "busy")
    cloud.on(second, "umount /mnt")
    until(lambda: ec2.describe_volumes(VolumeIds=[volume_id])["Volumes"][0]["State"] == "available")
    ec2.delete_volume(VolumeId=volume_id)


def test_sudden_death(cloud: RealCloud) -> None:
    instance_id = cloud.run_spot()
    cloud.wait(instance_id, "running")
    cloud.on(instance_id, "true")
    cloud.call("interrupt", instance_id=instance_id, notice=0)
    assert cloud.ssh(instance_id, "true").returncode == 255
    gone = cloud.wait(instance_id, "terminated")
    assert gone["StateReason"]["Code"] == "Server.SpotInstanceTermination"


def test_poweroff_inside_stops_and_start_boots_again(cloud: RealCloud) -> None:
    instance_id = cloud.run()
    cloud.wait(instance_id, "running")
    cloud.on(instance_id, "echo here > ~/mark; sync")
    cloud.ssh(instance_id, "poweroff")
    stopped = cloud.wait(instance_id, "stopped")
    assert stopped["StateReason"]["Code"] == "Client.InstanceInitiatedShutdown"
    cloud.client().start_instances(InstanceIds=[instance_id])
    cloud.wait(instance_id, "running")
    assert cloud.on(instance_id, "cat ~/mark") == "here"


def test_scp_is_binary_clean(cloud: RealCloud) -> None:
    instance_id = cloud.run()
    cloud.wait(instance_id, "running")
    sent = bytes(range(256)) * 4096
    cloud.on(instance_id, "true")
    words = ["ssh", "-F", "none", "-i", cloud.facts["key_file"], "-o", "StrictHostKeyChecking=no"]
    words += ["-o", "UserKnownHostsFile=/dev/null", "-o", f"ProxyCommand={control.proxy_command(cloud.folder)}"]
    words += [f"root@{cloud.instance(instance_id)['PublicIpAddress']}", "cat"]
    done = subprocess.run(words, input=sent, capture_output=True, timeout=60, check=True)
    assert done.stdout == sent

"""A real local cloud and the public command line against it; gone with the tests even if they are killed."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from starcluster.localcloud import control

SPEED = 200.0
LIMIT = 90
CONFIG = """
[global]
CLOUD = local
DEFAULT_TEMPLATE = small
[key local]
[cluster small]
KEYNAME = local
CLUSTER_SIZE = 1
CLUSTER_USER = alice
NODE_IMAGE_ID = ubuntu-24.04
NODE_INSTANCE_TYPE = t3.micro
[cluster home]
EXTENDS = small
VOLUMES = home
[volume home]
VOLUME_ID = home
MOUNT_PATH = /home
[cluster plugged]
EXTENDS = small
PLUGINS = workers, data, mine
[plugin workers]
SETUP_CLASS = starcluster.plugins.spotworker.SpotWorker
NODES = Bob
[plugin data]
SETUP_CLASS = starcluster.plugins.mountvolume.MountVolume
VOLUME = data
NODE = bob
MOUNT_PATH = /data
[plugin mine]
SETUP_CLASS = mine.Mine
GREETING = hello
[plugin broken]
SETUP_CLASS = mine.Broken
"""
PLUGIN = """
from starcluster.clustersetup import ClusterSetup
from starcluster.logger import log


class Mine(ClusterSetup):
    def __init__(self, greeting, times="1"):
        self.greeting = greeting

    def run(self, nodes, master, user, user_shell, volumes):
        for node in nodes:
            node.ssh.execute("echo %s %s > /root/mine" % (self.greeting, node.alias))
        handle = master.ssh.remote_file("/root/never-closed")
        handle.write("all of it")

    def on_add_node(self, new_node, nodes, master, user, shell, volumes):
        new_node.ssh.execute("echo added %s > /root/mine" % new_node.alias)


class Broken(ClusterSetup):
    def run(self, nodes, master, user, user_shell, volumes):
        master.ssh.execute("echo some words; no-such-program")
"""


@dataclass(frozen=True, kw_only=True)
class Ran:
    code: int
    out: str
    err: str


@dataclass(frozen=True, kw_only=True)
class Shell:
    """The command line in a process of its own, as a user has it."""

    folder: Path
    env: dict[str, str]

    def __call__(self, *words: str, check: bool = True, stdin: bytes = b"") -> Ran:
        run = subprocess.run(
            [sys.executable, "-m", "starcluster", *words],
            cwd=self.folder,
            env=self.env,
            input=stdin,
            capture_output=True,
            timeout=LIMIT,
            check=False,
        )
        out, err = (stream.decode(errors="surrogateescape") for stream in (run.stdout, run.stderr))
        ran = Ran(code=run.returncode, out=out, err=err)
        assert not check or ran.code == 0, f"{words} ended with {ran.code}\n{ran.out}\n{ran.err}"
        return ran

    def on(self, tag: str, node: str, command: str) -> str:
        """What a command on a node prints."""
        return self("sshnode", tag, node, command).out


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    base = tmp_path_factory.mktemp("cluster")
    cloud, home = base / "cloud", base / "home"
    (home / "plugins").mkdir(parents=True)
    (home / "plugins" / "mine.py").write_text(PLUGIN)
    (base / "config").write_text(CONFIG)
    env = dict(os.environ)
    env |= {"STARCLUSTER_HOME": str(home), "STARCLUSTER_LOCAL": str(cloud), "STARCLUSTER_CONFIG": str(base / "config")}
    with warnings.catch_warnings():
        # the daemon is meant to outlive the Popen object that started it
        warnings.simplefilter("ignore", ResourceWarning)
        control.up(cloud, speed=SPEED, owner_pid=os.getpid())
    yield Shell(folder=base, env=env)
    control.down(cloud, delete=True)


@pytest.fixture(scope="module")
def aws(shell: Shell) -> Any:
    """EC2 as somebody else sees it: boto3 with what `local env` tells."""
    import boto3
    from botocore.config import Config

    facts = control.status(Path(shell.env["STARCLUSTER_LOCAL"]))
    assert facts is not None
    return boto3.client(
        "ec2",
        endpoint_url=facts["endpoint"],
        region_name=facts["region"],
        aws_access_key_id=facts["access_key"],
        aws_secret_access_key=facts["secret_key"],
        config=Config(proxies={}),
    )


def everything(aws: Any) -> dict[str, list[str]]:
    """What EC2 has, without filters; instances that are gone stay listed for a while and do not count."""
    reservations = aws.describe_instances()["Reservations"]
    instances = [one for reservation in reservations for one in reservation["Instances"]]
    requests = aws.describe_spot_instance_requests()["SpotInstanceRequests"]
    templates = aws.describe_launch_templates()["LaunchTemplates"]
    return {
        "instances": [one["InstanceId"] for one in instances if one["State"]["Name"] != "terminated"],
        "volumes": [one["VolumeId"] for one in aws.describe_volumes()["Volumes"]],
        "groups": sorted(one["GroupName"] for one in aws.describe_security_groups()["SecurityGroups"]),
        "keys": [one["KeyName"] for one in aws.describe_key_pairs()["KeyPairs"]],
        "requests": [one["SpotInstanceRequestId"] for one in requests if one["State"] in ("open", "active")],
        "templates": [one["LaunchTemplateName"] for one in templates],
    }

"""What programs that nobody here wrote see of the job: the aws command, ssh, scp, and boto3 counting everything."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.rehearsal.stage import Stage, foreign_ec2
from tests.rehearsal.train.conftest import Driver

TRAIN = """[mynode]
cluster_name = mycluster
instance_type = c5.large
command = until [ -e /home/go ]; do sleep 0.1; done
"""


def everything(env: dict[str, str]) -> dict[str, int]:
    """How many of each there are in the account, without filters; what is terminated or closed does not count."""
    ec2 = foreign_ec2(env)
    instances = [one for group in ec2.describe_instances()["Reservations"] for one in group["Instances"]]
    requests = ec2.describe_spot_instance_requests()["SpotInstanceRequests"]
    return {
        "instances": sum(one["State"]["Name"] != "terminated" for one in instances),
        "requests": sum(one["State"] in ("open", "active") for one in requests),
        "volumes": len(ec2.describe_volumes()["Volumes"]),
        "groups": len(ec2.describe_security_groups()["SecurityGroups"]),
        "templates": len(ec2.describe_launch_templates()["LaunchTemplates"]),
        "keys": len(ec2.describe_key_pairs()["KeyPairs"]),
        "snapshots": len(ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]),
        "images": len(ec2.describe_images(Owners=["self"])["Images"]),
    }


def running(stage: Stage, env: dict[str, str], alias: str) -> list[str]:
    """The ids that the aws command shows under this name."""
    words = ["aws", "ec2", "describe-instances", "--output", "json", "--filters", f"Name=tag:Name,Values={alias}"]
    done = stage.run(*words, "Name=instance-state-name,Values=running", with_env=env)
    groups = json.loads(done.stdout)["Reservations"]
    return [one["InstanceId"] for group in groups for one in group["Instances"]]


def test_the_job_as_others_see_it(stage: Stage, tmp_path: Path) -> None:
    stage.starcluster("local", "up")
    env = stage.client_env()
    before = everything(env)
    stage.starcluster("start", "mycluster")
    (tmp_path / "train.cfg").write_text(TRAIN)
    stage.starcluster("sshconfig", "--yes")
    driver = Driver(stage.train("mynode"))

    driver.says("attempt 1 runs on")
    (first,) = running(stage, env, "mynode")
    ssh = write_ssh_config(stage, tmp_path)
    boot = stage.run("ssh", "-F", ssh, "mycluster-mynode", "cat /proc/sys/kernel/random/boot_id").stdout
    assert as_plain_clients_see_it(stage) == boot
    stage.starcluster("local", "interrupt", "mycluster", "mynode")

    driver.says("attempt 2 runs on")
    plain = as_plain_clients_see_it(stage)  # none of our verbs has run since: the driver has written the new entry
    (second,) = [one for one in running(stage, env, "mynode") if one != first]
    ssh = write_ssh_config(stage, tmp_path)
    again = stage.run("ssh", "-F", ssh, "mycluster-mynode", "cat /proc/sys/kernel/random/boot_id").stdout
    assert second
    assert len(boot) == len(again) == 37
    assert boot != again == plain

    (tmp_path / "go").write_text("")
    stage.run("scp", "-F", ssh, str(tmp_path / "go"), "mycluster-mynode:/home/go")
    driver.ends(0)
    stage.starcluster("terminate", "-c", "mycluster")
    assert everything(env) == before
    assert "Host" not in (stage.home / ".ssh" / "config.d" / "starcluster").read_text()


def as_plain_clients_see_it(stage: Stage) -> str:
    """The boot id of mycluster-mynode, fetched by ssh, scp, rsync and GNU parallel as `sshconfig` lets them in."""
    config = str(stage.home / ".ssh" / "config")
    boot = stage.run("ssh", "-F", config, "mycluster-mynode", "tee /tmp/boot < /proc/sys/kernel/random/boot_id").stdout
    stage.run("scp", "-F", config, "mycluster-mynode:/tmp/boot", "boot")
    assert (stage.folder / "boot").read_text() == boot
    assert stage.run("ssh", "-F", config, "mycluster", "hostname").stdout == "master\n"
    shell = f"ssh -F {config}"
    if shutil.which("rsync"):
        stage.run("rsync", "-e", shell, "mycluster-mynode:/tmp/boot", "boot-2")
        assert (stage.folder / "boot-2").read_text() == boot
    if shutil.which("parallel"):  # .ci/run installs it
        words = [
            "parallel",
            "--ssh",
            shell,
            "-S",
            "1/mycluster,1/mycluster-mynode",
            "hostname; true {}",
            ":::",
            "1",
            "2",
        ]
        assert sorted(set(stage.run(*words).stdout.split())) == ["master", "mynode"]
    return boot


@pytest.mark.skipif(shutil.which("rsync") is None, reason="rsync is not installed; .ci/run installs it")
@pytest.mark.parametrize("user", [pytest.param("root", marks=pytest.mark.long), "sgeadmin"])
def test_rsync_up_and_down(stage: Stage, tmp_path: Path, user: str) -> None:
    stage.starcluster("start", "mycluster")
    shell = f"ssh -F {write_ssh_config(stage, tmp_path)}"
    there = f"{user}@mycluster-master:tree/"
    here, back = tmp_path / "tree", tmp_path / "back"
    (here / "sub").mkdir(parents=True)
    (here / "sub" / "data").write_bytes(bytes(range(256)) * 4000)
    (here / "run.sh").write_text("#!/bin/sh\n")
    (here / "run.sh").chmod(0o750)
    stage.run("rsync", "-a", "-e", shell, f"{here}/", there)
    (here / "sub" / "data").write_bytes(b"changed" * 1000)
    told = stage.run("rsync", "-ai", "-e", shell, f"{here}/", there).stdout
    assert "sub/data" in told
    assert "run.sh" not in told
    stage.run("rsync", "-a", "-e", shell, there, f"{back}/")
    assert (back / "sub" / "data").read_bytes() == b"changed" * 1000
    assert (back / "run.sh").stat().st_mode & 0o777 == 0o750
    owner = stage.starcluster("sshmaster", "mycluster", "-u", user, "stat -c %U tree/run.sh").stdout
    assert owner.split() == [user]
    if user != "root":
        denied = stage.run("rsync", "-a", "-e", shell, f"{here}/", f"{user}@mycluster-master:/root/x/", expect=None)
        assert denied.returncode != 0
        assert "Permission denied" in denied.stderr


def write_ssh_config(stage: Stage, folder: Path) -> str:
    path = folder / "ssh-config"
    path.write_text(stage.starcluster("local", "ssh-config").stdout)
    return str(path)

"""createvolume and the local cloud's verbs, as commands against a real local cloud."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from starcluster.aws.session import Ec2
from starcluster.config import files
from starcluster.localcloud import control
from starcluster.model import Instance, LaunchRequest, Market

Command = Callable[..., subprocess.Popen[str]]
Run = Callable[..., subprocess.CompletedProcess[str]]
Launched = Callable[..., Instance]
RequestOf = Callable[..., LaunchRequest]
LIMIT = 120


@pytest.fixture
def command(folder: Path, tmp_path: Path) -> Command:
    """`starcluster WORDS`, begun, with the example config and a home of its own."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "config").write_text(files.example().read_text())
    env = {**os.environ, "STARCLUSTER_LOCAL": str(folder), "STARCLUSTER_HOME": str(home)}

    def begin(*words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "starcluster", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=env,
        )

    return begin


@pytest.fixture
def run(command: Command) -> Run:
    def whole(*words: str) -> subprocess.CompletedProcess[str]:
        with command(*words) as process:
            out, err = process.communicate(timeout=LIMIT)
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    return whole


def everything(ec2: Ec2) -> dict[str, set[str]]:
    """All that costs or stays, unfiltered."""
    return {
        "instances": {one.id for one in ec2.instances.find() if not one.state.is_gone},
        "volumes": {one.id for one in ec2.volumes.find()},
        "groups": {one.id for one in ec2.network.groups()},
        "spot": {one.id for one in ec2.spot.find() if one.state.is_live},
        "keys": {one.name for one in ec2.network.key_pairs()},
    }


def test_createvolume_leaves_the_volume_and_nothing_else(run: Run, ec2: Ec2) -> None:
    before = everything(ec2)
    done = run("createvolume", "--name", "fresh", "-t", "team=a,bare=", "1", "us-east-1a")
    assert done.returncode == 0, done.stderr
    volume = ec2.volumes.get("fresh")
    assert done.stdout.splitlines()[-1] == volume.id
    assert (volume.size, volume.zone, volume.holder) == (1, "us-east-1a", None)
    assert volume.tags == {"@sc-schema": "1", "Name": "fresh", "team": "a", "bare": ""}
    after = everything(ec2)
    assert after.pop("volumes") == before.pop("volumes") | {volume.id}
    assert after == before
    again = run("createvolume", "--name", "fresh", "1", "us-east-1a")
    assert (again.returncode, volume.id in again.stderr) == (1, True)
    assert run("removevolume", "-c", "fresh").returncode == 0
    assert ec2.volumes.find(names=["fresh"]) == []


def test_createvolume_on_a_spot_host(run: Run, ec2: Ec2) -> None:
    before = everything(ec2)
    done = run("createvolume", "--bid", "0.01", "1", "us-east-1b")
    assert done.returncode == 0, done.stderr
    ec2.volumes.delete(done.stdout.splitlines()[-1])
    assert everything(ec2) == before


@pytest.mark.parametrize("fault", ["mkfs", "AttachVolume", "RunInstances", "CreateVolume"])
def test_a_failure_leaves_nothing(run: Run, ec2: Ec2, folder: Path, fault: str) -> None:
    before = everything(ec2)
    if fault != "mkfs":
        control.call(folder, "fault", action=fault, code="UnauthorizedOperation", times=1)
    done = run("createvolume", "--name", "never", "-m", "false" if fault == "mkfs" else "mkfs.ext4", "1", "us-east-1a")
    control.call(folder, "clear")
    assert done.returncode == 1
    assert "!!! ERROR - " in done.stderr
    assert everything(ec2) == before


@pytest.mark.parametrize("moment", ["New volume id", "Launching volume host", "Waiting for SSH", "Attaching"])
def test_ctrl_c_leaves_nothing(command: Command, ec2: Ec2, moment: str) -> None:
    before = everything(ec2)
    with command("createvolume", "--name", "never", "1", "us-east-1a") as process:
        assert process.stdout is not None
        for line in process.stdout:
            if moment in line:
                break
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=LIMIT)
    assert process.returncode == 1, err
    assert "Interrupted" in err
    assert everything(ec2) == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["1", "us-east-1z"], "there is no zone 'us-east-1z'"),
        (["-k", "nokey", "1", "us-east-1a"], "key pair 'nokey' is not in the config"),
        (["-i", "ami-0123456789abcdef0", "1", "us-east-1a"], "image 'ami-0123456789abcdef0' does not exist"),
        (["-H", "i-0123456789abcdef0", "1", "us-east-1a"], "instance 'i-0123456789abcdef0' does not exist"),
    ],
)
def test_what_createvolume_refuses_before_it_makes_anything(run: Run, ec2: Ec2, words: list[str], said: str) -> None:
    before = everything(ec2)
    done = run("createvolume", *words)
    assert (done.returncode, said in done.stderr) == (1, True), done.stderr
    assert "Creating" not in done.stdout
    assert everything(ec2) == before


def test_a_given_host_formats_the_volume_and_stays(run: Run, ec2: Ec2, launched: Launched) -> None:
    one = launched(user_data=b"#cloud-config\ndisable_root: false\n")
    before = everything(ec2)
    done = run("createvolume", "-H", one.id, "1", "us-east-1a")
    assert done.returncode == 0, done.stderr
    volume = ec2.volumes.get(done.stdout.splitlines()[-1])
    assert volume.holder is None
    ec2.volumes.delete(volume.id)
    assert everything(ec2) == before
    assert ec2.instances.get(one.id).state.is_alive


def test_a_host_of_another_zone_is_refused(run: Run, launched: Launched) -> None:
    one = launched(zone="us-east-1b")
    done = run("createvolume", "-H", one.id, "1", "us-east-1a")
    assert (done.returncode, "is in us-east-1b" in done.stderr) == (1, True)


# -- local


def test_status_tells_programs_all_they_need(run: Run, folder: Path) -> None:
    done = run("local", "status", "--json")
    facts = json.loads(done.stdout)
    assert (done.returncode, facts["up"], facts["folder"]) == (0, True, str(folder))
    assert facts["env"]["AWS_ENDPOINT_URL"] == facts["endpoint"]


def test_env_lets_a_foreign_client_in(run: Run) -> None:
    lines = run("local", "env").stdout
    code = "import boto3; print(boto3.client('sts').get_caller_identity()['Arn'])"
    # no AWS_CONFIG_FILE of the tests: the printed lines must do by themselves
    script = f"export AWS_PROFILE=nosuch AWS_SESSION_TOKEN=stale\n{lines}\n{sys.executable} -c {json.dumps(code)}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False, timeout=LIMIT)
    assert done.stdout.startswith("arn:aws:"), done.stderr


def test_interrupt_finds_the_node_by_its_name(run: Run, ec2: Ec2, launched: Launched) -> None:
    tags = {"@sc-cluster": "rehearsal", "alias": "VD2D", "Name": "VD2D"}
    one = launched(market=Market.SPOT, tags=tags)
    assert run("local", "interrupt", "rehearsal", "vd2d").returncode == 0
    assert ec2.spot.find(ids=[one.spot_request_id])[0].code == "instance-terminated-no-capacity"
    unknown = run("local", "interrupt", "rehearsal", "other")
    assert (unknown.returncode, "no running node 'other'" in unknown.stderr) == (1, True)


def test_on_demand_is_not_interrupted(run: Run, launched: Launched) -> None:
    one = launched()
    done = run("local", "interrupt", one.tags["@sc-cluster"], "mynode")
    assert (done.returncode, "on-demand" in done.stderr) == (1, True)


def test_capacity_and_price(run: Run, ec2: Ec2, request_of: RequestOf) -> None:
    assert run("local", "capacity", "t3.medium", "0", "--zone", "us-east-1a").returncode == 0
    with pytest.raises(Exception, match="InsufficientInstanceCapacity"):
        ec2.instances.launch(request_of(instance_type="t3.medium", market=Market.SPOT))
    assert run("local", "capacity", "t3.medium", "none").returncode == 0
    ec2.instances.launch(request_of(instance_type="t3.medium", market=Market.SPOT))
    assert "us-east-1a: $0.0300\n" in run("local", "price", "t3.medium", "0.03").stdout
    assert ec2.spot.current_prices(["t3.medium"])["t3.medium", "us-east-1a"] == 0.03
    run("local", "price", "t3.medium", "none")


def test_ssh_config_lets_ssh_in(
    run: Run, ec2: Ec2, launched: Launched, until: Callable[..., object], tmp_path: Path
) -> None:
    tags = {"@sc-cluster": "sshtest", "alias": "mynode", "Name": "mynode"}
    one = launched(tags=tags, user_data=b"#cloud-config\ndisable_root: false\n")
    until(lambda: "END SSH HOST KEY KEYS" in ec2.instances.console(one.id), "booted")
    entries = tmp_path / "entries"
    entries.write_text(run("local", "ssh-config").stdout)

    def hostname() -> str:
        words = ["ssh", "-F", str(entries), "-o", "BatchMode=yes", "sshtest-mynode", "whoami"]
        return subprocess.run(words, capture_output=True, text=True, check=False, timeout=LIMIT).stdout

    assert until(lambda: hostname().strip(), "ssh") == "root"


def test_a_cloud_that_is_down(tmp_path: Path) -> None:
    env = {**os.environ, "STARCLUSTER_LOCAL": str(tmp_path / "none"), "STARCLUSTER_HOME": str(tmp_path)}

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "starcluster", "local", *words]
        return subprocess.run(line, capture_output=True, text=True, env=env, check=False, timeout=LIMIT)

    assert (run("status").returncode, run("status").stdout) == (1, f"down ({tmp_path}/none)\n")
    assert json.loads(run("status", "--json").stdout)["up"] is False
    for words in (["env"], ["interrupt", "a", "b"], ["price", "t3.micro"], ["ssh-config"]):
        done = run(*words)
        assert (done.returncode, "starcluster local up" in done.stderr) == (1, True), words
    assert run("down").returncode == 0

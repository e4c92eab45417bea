"""Old plugins on real nodes: thirty-odd files for Python 2 that use every name of the plugin API, through every hook.

One story, with one cluster; what the plugins have done is looked at by ssh, by the aws command's library and in files
of this machine, never by our own code.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.rehearsal.old_plugins_effects import EFFECTS, FACTS
from tests.rehearsal.stage import ROOT, Done, Stage, foreign_ec2

pytestmark = pytest.mark.timeout(600)  # the whole story is told before the first test
CORPUS = ROOT / "tests" / "plugins" / "corpus"
TAG = "old"
SETTINGS = {
    "packages": "PACKAGES = tree, htop",
    "steps": "PATH = /opt/tools",
    "firewall": "PORT = 8080",
    "oldsyntax": "LEVEL = 3",
    "leavers": "HOOK = on_remove_node",
}
CLASSES = {
    "standins": "StandIns",
    "takesover": "TakesOver",
    "remotefiles": "RemoteFiles",
    "oldsyntax": "OldSyntax",
}
FIRST, LAST = ["standins", "motd", "switcher", "witness"], ["leavers"]
APART = ["retire", "failing", "shared_words"]  # run by runplugin only; no plugin
FAILURES = ["command", "pool"]


def in_order() -> list[str]:
    """The corpus' plugins as PLUGINS has them; `switcher` early, for it leaves every node as another user."""
    rest = sorted(path.stem for path in CORPUS.glob("*.py") if path.stem not in [*FIRST, *APART])
    return [*FIRST, *rest, *LAST]


def plugin_section(name: str, module: str = "", settings: str = "") -> str:
    module = module or name
    kind = CLASSES.get(module, module.capitalize())
    return f"[plugin {name}]\nSETUP_CLASS = {module}.{kind}\n{settings or SETTINGS.get(name, '')}\n"


def config_text() -> str:
    plugins = [plugin_section(name, "failing" if name == "leavers" else "") for name in in_order()]
    plugins += [plugin_section(f"fails-by-{how}", "failing", f"HOW = {how}") for how in FAILURES]
    plugins.append(plugin_section("retire", settings="ALIAS = node003"))
    return "\n".join(
        [
            f"[cluster {TAG}]",
            "EXTENDS = smallcluster",
            "CLUSTER_SIZE = 2",
            "AVAILABILITY_ZONE = us-east-1a",
            "VOLUMES = data",
            f"PLUGINS = {', '.join(in_order())}",
            "",
            "[volume data]",
            "VOLUME_ID = data",
            "MOUNT_PATH = /data",
            "",
            *plugins,
        ]
    )


@dataclass
class Story:
    """What was seen: what the commands printed, what the nodes held at each stage, what EC2 told."""

    stage: Stage
    done: dict[str, Done] = field(default_factory=dict)
    seen: dict[tuple[str, str, str], str] = field(default_factory=dict)
    group: dict[str, Any] = field(default_factory=dict)
    instance: dict[str, Any] = field(default_factory=dict)
    region: str = ""

    def say(self, what: str, *words: str) -> None:
        self.done[what] = self.stage.starcluster(*words, expect=None, input="")

    def look(self, when: str, *nodes: str) -> None:
        """Ask each node, in one ssh call, all that the test wants to know of it at this stage."""
        path = self.stage.folder / "ssh-config"
        path.write_text(self.stage.starcluster("local", "ssh-config").stdout)
        for node in nodes:
            asked = [command for (stage, where, command, _) in EFFECTS if (stage, where) == (when, node)]
            script = "".join(f"( {command}\n) </dev/null 2>&1; printf '\\036'\n" for command in asked)
            shown = self.stage.run(
                "ssh", "-F", str(path), f"root@{TAG}-{node}", "bash -s", input=script, expect=None
            ).stdout
            for command, answer in zip(asked, shown.split("\x1e"), strict=False):
                self.seen[when, node, command] = answer.strip("\n")

    def look_at_cloud(self) -> None:
        env = self.stage.client_env()
        ec2 = foreign_ec2(env)
        wanted = [{"Name": "group-name", "Values": [f"@sc-{TAG}"]}]
        self.group = ec2.describe_security_groups(Filters=wanted)["SecurityGroups"][0]
        found = ec2.describe_instances(Filters=[{"Name": "tag:alias", "Values": ["node001"]}])
        self.instance = found["Reservations"][0]["Instances"][0]
        self.region = env["AWS_REGION"]

    @property
    def diary(self) -> list[str]:
        return (self.stage.home / "witness").read_text().splitlines()


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    stage = Stage(tmp_path_factory.mktemp("old"), speed=40)
    shutil.copytree(CORPUS, stage.config.parent / "plugins")
    stage.config.write_text(f"{stage.config.read_text()}\n{config_text()}")
    try:
        told = Story(stage)
        play(told)
        yield told
    finally:
        stage.close()


def play(story: Story) -> None:
    story.say("volume", "createvolume", "--name", "data", "1", "us-east-1a")
    story.say("start", "start", "-c", TAG, TAG)
    story.look("start", "master", "node001")
    story.look_at_cloud()
    story.say("addnode", "addnode", "-n", "2", TAG)
    story.look("addnode", "node002", "node001")
    story.say("retire", "runplugin", "retire", TAG)
    for how in FAILURES:
        story.say(how, "runplugin", f"fails-by-{how}", TAG)
    story.say("refused", "removenode", "-c", "-a", "node002", TAG)
    story.say("removenode", "removenode", "-c", "-f", "-a", "node002", TAG)
    story.look("removenode", "master", "node001")
    story.say("restart", "restart", TAG)
    story.look("restart", "master", "node001")
    story.say("stop", "stop", "-c", TAG)
    story.say("resume", "start", "-x", TAG)
    story.look("resume", "master", "node001")
    story.say("terminate", "terminate", "-c", TAG)


ENDS_WELL = ["volume", "start", "addnode", "retire", "removenode", "restart", "stop", "resume", "terminate"]


@pytest.mark.parametrize("act", ENDS_WELL)
def test_the_command_ends_well(story: Story, act: str) -> None:
    done = story.done[act]
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize(("stage", "node", "command", "wanted"), EFFECTS)
def test_on_the_node(story: Story, stage: str, node: str, command: str, wanted: str) -> None:
    answer = story.seen.get((stage, node, command), "nothing was seen")
    assert re.fullmatch(wanted, answer), answer


def test_what_a_node_knows_of_itself_is_what_ec2_tells(story: Story) -> None:
    facts, told = json.loads(story.seen[FACTS[:3]]), story.instance
    wanted = {
        "alias": "node001",
        "id": told["InstanceId"],
        "state": "running",
        "instance_type": told["InstanceType"],
        "image_id": told["ImageId"],
        "key_name": told["KeyName"],
        "user": "root",
        "ip_address": told["PublicIpAddress"],
        "private_ip_address": told["PrivateIpAddress"],
        "dns_name": told["PublicDnsName"],
        "public_dns_name": told["PublicDnsName"],
        "addr": told["PublicDnsName"],
        "private_dns_name": told["PrivateDnsName"],
        "short": told["PrivateDnsName"].split(".")[0],
        "placement": told["Placement"]["AvailabilityZone"],
        "arch": told["Architecture"],
        "launch_time": told["LaunchTime"].strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "kernel": str(told.get("KernelId")),
        "ramdisk": str(told.get("RamdiskId")),
        "index": told["AmiLaunchIndex"],
        "cluster": f"@sc-{TAG}",
        "tag": "node001",
        "region": story.region,
        "devices": [one["DeviceName"] for one in told["BlockDeviceMappings"]],
        "root": [told["RootDeviceName"], "ebs"],
        "volumes": 0,
        "network": ["vpc-", "subnet-"],
        "spot": None,
        "data": "#cloud-config",
        "memory": True,
        "instance": True,
        "ec2": True,
        "repr": f"<Node: node001 ({told['InstanceId']})>",
    }
    assert {name: facts[name] for name in wanted} == wanted
    assert facts["again"] == [None if facts[name] == "None" else facts[name] for name in ALSO]
    assert re.fullmatch(r"0 days, \d\d:\d\d:\d\d", facts["uptime"])
    assert facts["processors"] >= 1


ALSO = """alias id state instance_type image_id key_name key_location user ip_address private_ip_address dns_name
public_dns_name private_dns_name addr placement arch kernel ramdisk launch_time local_launch_time uptime""".split()


def test_tags_that_plugins_set(story: Story) -> None:
    tags = {one["Key"]: one["Value"] for one in story.instance["Tags"]}
    assert (tags["asked"], tags["empty"]) == ("yes", "")
    assert "for-a-moment" not in tags


def test_ports_that_plugins_open(story: Story) -> None:
    opened = [
        (rule["IpProtocol"], [one["CidrIp"] for one in rule["IpRanges"]])
        for rule in story.group["IpPermissions"]
        if rule.get("FromPort") == rule.get("ToPort") == 8080
    ]
    assert sorted(opened) == [("tcp", ["203.0.113.0/24"]), ("udp", ["203.0.113.0/24"])]


def test_every_hook_is_called_by_position_and_in_order(story: Story) -> None:
    both, rest = "['master', 'node001']", "master sgeadmin bash ['data']"
    assert [line for line in story.diary if line.split()[0] not in ("on_add_node", "on_remove_node")] == [
        f"run {both} {rest} None",
        f"on_restart {both} {rest} None",
        f"run {both} {rest} None",
        f"on_shutdown {both} {rest} None",
        f"run {both} {rest} None",
        f"on_shutdown {both} {rest} None",
    ]
    added = [line for line in story.diary if line.startswith("on_add_node")]
    assert sorted(line.split()[-1] for line in added) == ["node002", "node003"]
    for line in added:  # they come side by side: who is ready first does not see the other
        alias = line.split()[-1]
        assert re.fullmatch(rf"on_add_node \['master', 'node001'.*'{alias}'.*\] {re.escape(rest)} {alias}", line)
    removed = [line for line in story.diary if "on_remove_node" in line]
    assert removed == [f"on_remove_node ['master', 'node001', 'node002'] {rest} node002"], "only the forced one"


def test_results_are_here_when_the_cluster_is_gone(story: Story) -> None:
    assert (story.stage.home / "result").read_text() == "42 by sgeadmin\n"


def test_a_node_that_was_put_to_sleep_woken_and_retired(story: Story) -> None:
    assert re.search(r"^<Node: node003 \(i-\w+\)> was asleep$", story.done["retire"].stdout, re.M)


def test_what_plugins_print_and_log(story: Story) -> None:
    out, err = story.done["start"].stdout, story.done["start"].stderr
    for line in [
        "stand-ins for node001",
        ">>> Running plugin motd",
        ">>> Writing the message of the day on node001",
        "a raw line of logs",
        "one word on a line of logs",
        ">>> wrapped wrapped wrapped wrapped wrapped wrapped wrapped",
        ">>> two",
        "lines of logs",
        "*** WARNING - a warning of logs",
        "DEBUG - a debug line of logs",
        ">>> by number, of logs",
        ">>> Looking for the hammer...",
        "seen on this terminal",
        "saying 0644",
        ">>> Opening port 8080",
    ]:
        assert line in out.splitlines(), line
    assert out.count(">>> Opening port 8080") == 1
    assert "not on the console" not in out
    assert re.search(r">>> Opening the toolbox took [\d.]+ mins", out)
    assert "!!! ERROR - an error of logs" in err.splitlines()


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("command", ["'fails-by-command' failed in run", "no-such-program", "status 127 on node002", "some words"]),
        (
            "pool",
            ["'fails-by-pool' failed in run", "on master:", "on node001:", "on node002:", "here I am", "status 6"],
        ),
        (
            "refused",
            ["'leavers' failed in on_remove_node for node002", "Exception: nobody leaves", "failing.py line 24"],
        ),
    ],
)
def test_a_failure_names_plugin_hook_node_command_and_output(story: Story, how: str, words: list[str]) -> None:
    done = story.done[how]
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    for word in words:
        assert word in done.stderr, done.stderr


def test_a_forced_removal_tells_of_the_plugin_and_goes_on(story: Story) -> None:
    done = story.done["removenode"]
    assert "nobody leaves" in done.stderr
    assert "Terminating node: node002" in done.stdout

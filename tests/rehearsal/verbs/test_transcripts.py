"""Every verb as a user types it, and what it prints as programs read it that were written for StarCluster 0.95.6.

samples/ holds what the genuine program printed, ids and times masked.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from starcluster.commands import VERBS
from tests.rehearsal.stage import ROOT, Done, Stage
from tests.rehearsal.verbs import downstream

SAMPLES = Path(__file__).with_name("samples")
INFO, WARNING, ERROR = ">>> ", "*** WARNING - ", "!!! ERROR - "


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A cluster `demo` of a master and node001, as in the samples."""
    made = Stage(tmp_path_factory.mktemp("stage"))
    try:
        made.started = made.starcluster("start", "-s", "2", "-a", "us-east-1a", "demo")  # type: ignore[attr-defined]
        yield made
    finally:
        made.close()


def sample(name: str) -> str:
    return (SAMPLES / f"{name}.txt").read_text()


def masked(text: str) -> str:
    """Ids, addresses, times and the key's name masked as in the samples."""
    text = re.sub(r"\b(i|vpc|subnet|sir|ami|sg|vol|snap)-[0-9a-f]{8,}\b", r"\1-ID", text)
    text = re.sub(r"\bec2-[\d-]+\S+", "PUBLIC-DNS", text)
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "DATETIME", text)
    text = re.sub(r"\d+ days, \d\d:\d\d:\d\d", "UPTIME", text)
    return re.sub(r"(?<=: )(local|mykey)$", "KEY", text, flags=re.MULTILINE)


def ids(stage: Stage) -> dict[str, str]:
    """Alias -> instance id."""
    [cluster] = json.loads(stage.starcluster("listclusters", "--json", "demo").stdout)
    return {node["alias"]: node["instance_id"] for node in cluster["nodes"]}


def keys_of(text: str) -> list[list[str]]:
    return [list(block) for block in downstream.blocks(text)]


def said(done: Done) -> list[str]:
    """stdout's lines, each of which is an info line, a warning, or something that was asked for."""
    return done.stdout.splitlines()


# -- the frame


def test_every_verb_has_a_transcript() -> None:
    """Here, or where its own rehearsal is."""
    every = "\n".join(path.read_text() for path in (ROOT / "tests" / "rehearsal").rglob("*.py"))
    typed = set(re.findall(r'[\w.]+\(\s*"([a-z0-9]+)"', every))
    typed |= set(re.findall(r'\(\(?"([a-z0-9]+)", "', every))  # words = ("copyvolume", "data", ...)
    assert [verb for verb in VERBS if verb not in typed] == []


def test_help_and_its_streams(stage: Stage) -> None:
    every = stage.starcluster("help").stdout
    assert all(f"  {verb}" in every for verb in VERBS)
    assert stage.starcluster("listspots", "help").stdout.startswith("Usage: starcluster listspots [OPTIONS]\n")
    wrong = stage.starcluster("listspot", expect=1)
    assert (wrong.stdout, wrong.stderr.splitlines()[0]) == ("", f"{ERROR}there is no verb 'listspot'")
    assert "did you mean: listspots" in wrong.stderr


def test_completion_and_shell(stage: Stage) -> None:
    lines = stage.starcluster("completion", "bash").stdout
    subprocess.run(["bash", "-n"], input=lines, text=True, check=True)
    program = 'node = cm.get("demo").get_node("node001"); print(node.ssh.execute("hostname"), s3.buckets())'
    assert stage.starcluster("shell", input=program).stdout == "['node001'] []\n"
    assert stage.starcluster("shell", "demo", "8081", input=OLD_PROGRAM).stdout == "True True\nnode001\n"


# Old scripts open a port so: Python 2, StarCluster's names, words behind `shell`.
OLD_PROGRAM = """
import sys
tag, port = sys.argv[2], int(sys.argv[3])
cluster = config.get_config().get_cluster_manager().get_cluster(tag, require_keys=False)
group = cluster.cluster_group
if not cluster.ec2.has_permission(group, "tcp", port, port, "0.0.0.0/0"):
    group.authorize("tcp", port, port, "0.0.0.0/0")
print cluster.is_cluster_up(), cluster.ec2.has_permission(cluster.cluster_group, "tcp", port, port, "0.0.0.0/0")
try:
    cluster.ssh_to_node("node001", user="root", command="hostname")
    cm.get_cluster("nosuch").ssh_to_master()
except exception.ClusterDoesNotExist, e:
    sys.exit(0)
sys.exit("no error")
"""


# -- what there is


def test_start_says_what_it_does(stage: Stage) -> None:
    lines = stage.started.stdout.splitlines()  # type: ignore[attr-defined]
    assert lines[0].startswith(INFO)
    assert any(re.fullmatch(r">>> Starting cluster took \d+\.\d+ mins", line) for line in lines)
    [master] = [line for line in stage.starcluster("listclusters", "demo").stdout.splitlines() if " master " in line]
    assert f"{INFO}The master node is {master.split()[3]}" in lines  # scripts look for these two
    assert "The cluster is now ready to use." in lines
    refused = stage.starcluster("start", "demo", expect=1)
    assert (refused.stdout, refused.stderr.startswith(ERROR)) == ("", True)


def test_listclusters_is_as_it_was(stage: Stage) -> None:
    printed = stage.starcluster("listclusters", "demo").stdout
    wanted = re.sub(r"Uptime: .*", "Uptime: UPTIME", sample("listclusters-one"))
    assert masked(printed) == masked(wanted)
    [cluster] = downstream.clusters(printed)
    assert (cluster.tag, [node.alias for node in cluster.nodes]) == ("demo", ["master", "node001"])
    assert re.fullmatch(r"\d\d:\d\d:\d\d", cluster.uptime)
    assert cluster.facts["Total nodes"] == "2"
    assert "(SSH: Up)" in stage.starcluster("lc", "--show-ssh").stdout
    unknown = stage.starcluster("listclusters", "nosuch", expect=1)
    assert (unknown.stdout, "active clusters: demo" in unknown.stderr) == ("", True)


def test_listinstances_is_as_it_was(stage: Stage) -> None:
    printed = stage.starcluster("listinstances").stdout
    wanted = keys_of(sample("listinstances"))[0]
    assert all(keys == wanted for keys in keys_of(printed))
    found = [block for block in downstream.blocks(printed) if block["groups"] == "@sc-demo"]
    assert {block["id"] for block in found} == set(ids(stage).values())
    assert downstream.count(printed) == len(downstream.blocks(printed))


def test_listkeypairs_createkey_removekey(stage: Stage) -> None:
    made = stage.starcluster("createkey", "-o", "mykey.pem", "mykey")
    assert said(made)[0] == f"{INFO}Created key pair: mykey"
    assert (stage.folder / "mykey.pem").stat().st_mode & 0o777 == 0o400
    printed = stage.starcluster("listkeypairs").stdout
    assert list(downstream.keypairs(sample("listkeypairs"))) == ["mykey"]
    assert list(downstream.keypairs(printed)) == ["local", "mykey"]
    assert [len(line.partition("  ")[0]) for line in printed.splitlines() if "mykey" in line] == [5]
    public = stage.run("ssh-keygen", "-y", "-f", "mykey.pem").stdout
    (stage.folder / "mykey.pub").write_text(public)
    assert said(stage.starcluster("createkey", "-i", "mykey.pub", "again"))[0] == f"{INFO}Imported key pair: again"
    stage.starcluster("removekey", "--yes", "again")
    kept = stage.starcluster("removekey", "mykey", input="Yes\n")
    assert kept.stdout == "Delete the key pair mykey (y/n)? Aborting...\n"
    gone = stage.starcluster("removekey", "mykey", input="yes\n")
    assert gone.stdout.endswith(f"{INFO}Removed key pair: mykey\n")


def test_listzones_and_listregions_are_as_they_were(stage: Stage) -> None:
    printed = stage.starcluster("listzones").stdout
    before = sample("listzones")
    assert keys_of(printed)[0] == keys_of(before)[0]
    assert printed.split("\n\n")[0] == before.split("\n\n")[0]
    regions = stage.starcluster("listregions").stdout
    assert re.fullmatch(r"(name:  \S+\nendpoint:  \S+\n\n)+", regions)


def test_spothistory_is_as_it_was(stage: Stage) -> None:
    done = stage.starcluster("spothistory", "t3.micro")
    assert said(done)[0] == f"{INFO}Fetching spot history for t3.micro (VPC)"
    found = downstream.prices(done.stdout)
    assert list(found) == ["Current price", "Max price", "Average price"]
    assert found["Max price"] >= found["Average price"] > 0


# -- nodes


def test_logging_in_passes_the_status_on(stage: Stage) -> None:
    assert stage.starcluster("sshmaster", "demo", "--", "hostname; exit 3", expect=3).stdout == "master\n"
    assert stage.starcluster("sshnode", "demo", "0", "hostname").stdout == "master\n"
    assert (
        stage.starcluster("sshmaster", "demo", input="hostname; exit 3\n").stdout == "master\n"
    )  # a login, and no command
    node = ids(stage)["node001"]
    assert stage.starcluster("sshinstance", node, "hostname; exit 4", expect=4).stdout == "node001\n"
    assert "booting" in stage.starcluster("showconsole", node).stdout


def test_put_and_get(stage: Stage) -> None:
    (stage.folder / "file").write_text("precious")
    stage.starcluster("put", "demo", "file", "/root/there")
    stage.starcluster("get", "demo", "/root/there", "back")
    assert (stage.folder / "back").read_text() == "precious"


def test_addnode_removenode_and_listspots_as_a_program_calls_them(stage: Stage) -> None:
    words = ("-I", "t3.micro", "-i", "ubuntu-24.04", "-b", "0.10", "-z", "us-east-1a")
    stage.starcluster("addnode", "-a", "spotty", *words, "demo")
    printed = stage.starcluster("listspots").stdout
    wanted = keys_of(sample("listspots"))[0]
    assert keys_of(printed) == [wanted]
    [request] = downstream.blocks(printed)
    assert (request["price"], request["state"], request["status"]) == ("$0.10", "active", "fulfilled")
    listed = stage.starcluster("listclusters", "demo").stdout
    assert "Spot requests: 2 active" in sample("listclusters-spot")
    assert "Spot requests: 1 active\n" in listed
    [spotty] = [node for node in downstream.clusters(listed)[0].nodes if node.alias == "spotty"]
    assert (spotty.spot, spotty.id) == (request["id"], request["instance_id"])
    stage.starcluster("removenode", "--confirm", "-f", "-a", "spotty", "demo")
    assert stage.starcluster("listspots").stdout == f"{INFO}No spot instance requests found...\n"


def test_runplugin_and_loadbalance(stage: Stage) -> None:
    folder = stage.config.parent / "plugins"
    folder.mkdir(exist_ok=True)
    (folder / "touching.py").write_text(
        "from starcluster.clustersetup import ClusterSetup\n"
        "from starcluster.logger import log\n\n\n"
        "class Touch(ClusterSetup):\n"
        "    def run(self, nodes, master, user, user_shell, volumes):\n"
        '        log.info("Touching %d nodes", len(nodes))\n'
    )
    text = stage.config.read_text()
    stage.config.write_text(f"{text}\n[plugin touch]\nSETUP_CLASS = touching.Touch\n")
    try:
        assert f"{INFO}Touching 2 nodes" in said(stage.starcluster("runplugin", "touch", "demo"))
    finally:
        stage.config.write_text(text)
    later = stage.starcluster("loadbalance", "demo", expect=1)
    assert (later.stdout, "addnode" in later.stderr) == ("", True)


# -- volumes


def test_listvolumes_is_as_it_was(stage: Stage) -> None:
    printed = stage.starcluster("listvolumes", "-S", "in-use").stdout
    free, used, *_ = keys_of(sample("listvolumes"))
    assert [keys[: len(used)] for keys in keys_of(printed)] == [used] * downstream.count(printed)
    assert [key for key in used if key != "attachment_status"] == free[: len(used) - 1]


@pytest.mark.long  # tests/rehearsal/test_volumes.py does most of it, every time
def test_volumes_from_making_to_removing(stage: Stage) -> None:
    made = stage.starcluster("createvolume", "-n", "home", "-t", "team=a,bare=", "1", "us-east-1a")
    volume = said(made)[-1]
    assert re.fullmatch(r"vol-[0-9a-f]+", volume)
    printed = stage.starcluster("listvolumes", "-n", "home").stdout
    [keys] = keys_of(printed)
    before = keys_of(sample("listvolumes"))[0]
    assert keys[: len(before)] == before
    [block] = downstream.blocks(printed)
    assert (block["volume_id"], block["size"], block["status"]) == (volume, "1GB", "available")
    assert "team=a, bare" in block["tags"]
    assert downstream.count(printed) == 1
    snapshot = said(stage.starcluster("snapshotvolume", "home"))[-1]
    assert downstream.blocks(stage.starcluster("listsnapshots").stdout)[0]["snapshot_id"] == snapshot
    stage.starcluster("removesnapshot", "--yes", snapshot)
    asked = stage.starcluster("removevolume", "home", input="n\n")
    assert asked.stdout.endswith("(y/n)? Aborting...\n")
    assert stage.starcluster("removevolume", "-c", "home").stdout == f"{INFO}Volume {volume} (home) removed\n"


# -- images and buckets


def test_an_image_holds_what_was_on_the_node_but_no_secrets(stage: Stage) -> None:
    own = "cat /etc/machine-id; cut -d' ' -f2 /etc/ssh/ssh_host_ed25519_key.pub; cat /etc/fstab"
    secrets = "mkdir -p /root/.aws; echo key > /root/.aws/credentials; echo typed > /root/.bash_history"
    there = f"echo installed > /opt/program; {secrets}; {own}"
    before = stage.starcluster("sshnode", "demo", "node001", there).stdout
    made = stage.starcluster("ebsimage", ids(stage)["node001"], "mine")
    image = said(made)[-1]
    assert any(line.startswith(f"{INFO}Kept out of it: ") for line in said(made))
    assert downstream.images(stage.starcluster("listimages").stdout) == {image: "mine"}
    assert "\nname: mine\n" in stage.starcluster("showimage", image).stdout
    again = f"{own}; cat /root/.aws/credentials /root/.bash_history"
    assert stage.starcluster("sshnode", "demo", "1", again).stdout == f"{before}key\ntyped\n"
    stage.starcluster("addnode", "-a", "child", "-i", "mine", "demo")
    told = stage.starcluster("sshnode", "demo", "child", f"cat /opt/program; {own}; ls -A /root; hostname").stdout
    lines = told.splitlines()
    assert (lines[0], lines[-1]) == ("installed", "child")
    assert not set(lines[1:3]) & set(before.splitlines())  # its machine id and host key are its own
    assert not {".aws", ".bash_history"} & set(lines)
    stage.starcluster("removenode", "--yes", "-a", "child", "demo")
    stage.starcluster("removeimage", "--yes", "mine")
    kept = json.loads(stage.starcluster("listsnapshots", "--json").stdout)
    assert [one for one in kept if image in one["description"]] == []


def test_public_images_and_buckets(stage: Stage) -> None:
    printed = stage.starcluster("listpublic").stdout
    assert "32bit Images:" in printed
    assert "64bit Images:" in printed
    found = downstream.images(printed)
    assert printed.splitlines()[-1] == f"total images: {len(found)}"
    assert any("ubuntu-noble" in name for name in found.values())
    assert stage.starcluster("listbuckets").stdout == f"{INFO}No buckets found...\n"
    none = stage.starcluster("showbucket", "nosuch", expect=1)
    assert (none.stdout, none.stderr.startswith(ERROR)) == ("", True)
    for words in (("s3image", "i-1", "name", "bucket"), ("downloadimage", "ami-1", "folder")):
        done = stage.starcluster(*words, expect=1)
        assert (done.stdout, "can not be started" in done.stderr) == ("", True)


# -- the end of a cluster


def test_who_does_not_say_yes_keeps_the_cluster(stage: Stage) -> None:
    asked = stage.starcluster("terminate", "demo", input="Yes\n")
    assert asked.stdout == "Terminate cluster demo (y/n)? Aborting...\n"
    nobody = stage.starcluster("stop", "demo", stdin=subprocess.DEVNULL, expect=1)
    assert "nobody answers" in nobody.stderr


@pytest.mark.long  # other rehearsals do it, every time, and do not look at the words
def test_restart_stop_and_terminate(stage: Stage) -> None:
    stage.starcluster("start", "-o", "-s", "1", "brief")
    assert f"{INFO}Cluster brief is rebooting" in said(stage.starcluster("restart", "-o", "brief"))
    stage.starcluster("stop", "--yes", "brief")
    [stopped] = downstream.clusters(stage.starcluster("listclusters", "brief").stdout)
    assert (stopped.uptime, stopped.facts["Launch time"], stopped.nodes[0].state) == ("Uptime: N/A", "N/A", "stopped")
    assert re.fullmatch(r"172\.31\.\d+\.\d+", stopped.nodes[0].address)
    assert "Terminate cluster brief (y/n)? Aborting" in stage.starcluster("terminate", "brief", input="\n").stdout
    done = stage.starcluster("terminate", "-c", "brief")
    assert said(done)[-1] == f"{INFO}Removing security group: @sc-brief"

"""Every list in its three forms: JSON for programs, a table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from starcluster import exception
from starcluster.logger import log
from starcluster.model import Market
from tests.fakes.ec2 import FakeEc2
from tests.unit.commands.conftest import Run
from tests.unit.commands.test_lists import launch

LISTS = {
    "listclusters": "network.groups",
    "listinstances": "instances.find",
    "listspots": "spot.find",
    "listvolumes": "volumes.find",
    "listsnapshots": "snapshots.find",
    "listimages": "images.own",
    "listpublic": "images.stock",
    "listbuckets": "objects.buckets",
    "listkeypairs": "network.key_pairs",
    "listzones": "network.zones",
    "listregions": "network.regions",
}
"""Each list, and the question to EC2 on which it rests."""


@pytest.fixture
def full(ec2: FakeEc2) -> FakeEc2:
    """A cluster with a spot node, a volume, a snapshot and a key pair."""
    launch(ec2, "master")
    launch(ec2, "node001", Market.SPOT)
    ec2.snapshots.create(ec2.volumes.create(1, "us-east-1a", tags={"Name": "home"}).id)
    ec2.objects.all["mybucket"] = {"a": 1}
    ec2.network.import_key("mykey", "ssh-ed25519 AAAA")
    ec2.images.create("i-1", "myimage", description="", without=(), tags={})
    ec2.advance(60)
    ec2.advance(60)
    return ec2


def times(value: object) -> list[str]:
    """All values of keys that are called a time."""
    if isinstance(value, list):
        return [found for one in value for found in times(one)]
    if not isinstance(value, dict):
        return []
    own = [one for key, one in value.items() if key.endswith("_time") and one is not None]
    return own + [found for one in value.values() for found in times(one)]


@pytest.mark.parametrize("verb", LISTS)
def test_json_is_all_that_is_on_stdout(run: Run, full: FakeEc2, verb: str) -> None:
    result = run(verb, "--json")
    told = json.loads(result.out)
    assert result.code == 0
    assert told
    for one in told:
        assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", key) for key in one)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", time) for time in times(told))


@pytest.mark.parametrize("verb", [verb for verb in LISTS if verb not in ("listzones", "listregions", "listpublic")])
def test_an_empty_list_is_one(run: Run, verb: str) -> None:
    assert (run(verb, "--json").out, run(verb, "--json").code) == ("[]\n", 0)


@pytest.mark.parametrize("words", [[], ["--json"], ["--plain"]])
@pytest.mark.parametrize(("verb", "call"), LISTS.items())
def test_a_list_that_could_not_be_read_is_an_error(
    run: Run, full: FakeEc2, verb: str, call: str, words: list[str]
) -> None:
    full.fail_next(call, exception.TransientError("EC2 hung up", code="InternalError"))
    result = run(verb, *words)
    assert (result.code, result.out) == (1, "")
    assert "EC2 hung up" in result.err


@pytest.mark.parametrize("verb", LISTS)
def test_an_interrupted_list_is_an_error(run: Run, full: FakeEc2, verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(full, "note", interrupted)
    result = run(verb, "--json")
    assert (result.code, result.out) == (1, "")


@pytest.mark.parametrize("verb", LISTS)
def test_a_table_is_for_terminals_and_plain_is_plain_there_too(
    run: Run, full: FakeEc2, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = run(verb).out
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "60")
    shown = run(verb).out
    assert shown != plain
    assert max(len(re.sub(r"\x1b\[[0-9;]*m", "", line)) for line in shown.splitlines()) <= 60
    masked = re.compile(r"\d\d:\d\d:\d\d")
    assert masked.sub("", run(verb, "--plain").out) == masked.sub("", plain)


def on_a_terminal(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(width))


@pytest.mark.parametrize("width", [40, 80, 200])
def test_listclusters_has_the_address_in_every_table(
    run: Run, full: FakeEc2, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    addresses = [node["public_dns_name"] for node in json.loads(run("listclusters", "--json").out)[0]["nodes"]]
    on_a_terminal(monkeypatch, width)
    out = run("listclusters").out
    if width < 80:
        assert "ADDRESS" in out
    else:
        assert all(address in out for address in addresses)
    assert ("Not shown: " in out) == (width < 200)


def test_what_has_no_room_in_a_table_is_named(run: Run, full: FakeEc2, monkeypatch: pytest.MonkeyPatch) -> None:
    on_a_terminal(monkeypatch, 80)
    out = run("listvolumes").out
    assert "master of demo as /dev/" in out
    assert "Not shown: ZONE, TYPE, CREATED (for a wider terminal, or --plain)" in out


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["listvolumes", "-n", "nosuch"], "volumes"),
        (["listsnapshots"], "snapshots"),
        (["drive", "list"], "drives"),
    ],
)
def test_an_empty_list_is_told_on_a_terminal(
    run: Run, words: list[str], what: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "config").write_text("[global]\nCLOUD = local\n")
    monkeypatch.setenv("STARCLUSTER_CONFIG", str(tmp_path / "config"))
    on_a_terminal(monkeypatch, 80)
    assert run(*words).out == f">>> No {what} found...\n"


@pytest.mark.parametrize("verb", ["listvolumes", "listsnapshots", "listspots", "listinstances"])
def test_a_table_is_counted_too(run: Run, full: FakeEc2, verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    total = run(verb).out.splitlines()[-1]
    on_a_terminal(monkeypatch, 80)
    assert total.startswith("Total: ")
    assert run(verb).out.endswith(f"{total}\n")


def test_what_is_said_beside_json_goes_to_stderr(run: Run, full: FakeEc2, monkeypatch: pytest.MonkeyPatch) -> None:
    zones = full.network.zones

    def talking() -> object:
        log.info("Starting the local cloud")
        log.warning("mind the gap")
        return zones()

    monkeypatch.setattr(full.network, "zones", talking)
    result = run("listzones", "--json")
    assert json.loads(result.out)[0]["zone_name"] == "us-east-1a"
    assert result.err == ">>> Starting the local cloud\n*** WARNING - mind the gap\n"
    assert run("listzones").out.startswith(">>> Starting")


def test_a_clusters_nodes_are_in_its_json(run: Run, full: FakeEc2) -> None:
    [cluster] = json.loads(run("listclusters", "--json", "demo").out)
    assert [(node["alias"], node["market"], node["ssh"]) for node in cluster["nodes"]] == [
        ("master", "on-demand", None),
        ("node001", "spot", None),
    ]
    assert (cluster["cluster"], cluster["spot_requests"]) == ("demo", {"active": 1})

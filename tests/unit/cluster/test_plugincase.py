"""Plugins' tests in JSON: what the nodes answer, what is noted, and every way in which it may differ."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from starcluster import exception
from starcluster.cluster.plugincase import Case, play, read_cases
from starcluster.clustersetup import ClusterSetup
from starcluster.nodeplugin import Facts, NodePlugin


class Tools(NodePlugin):
    facts = {"have": "ls /opt"}

    def __init__(self, tools: str = "a b") -> None:
        self.tools = tools.split()

    def commands(self, facts: Facts) -> list[str]:
        return [f"get {tool} for {facts.alias} {facts.user}" for tool in self.tools if tool not in facts["have"]]

    def leaving_commands(self, facts: Facts) -> list[str]:
        return [f"drop {facts.first('have', 'nothing')} {facts.is_master}"]


class Old(ClusterSetup):
    """As plugins were written: everything straight to the node."""

    def run(self, nodes: Any, master: Any, user: Any, user_shell: Any, volumes: Any) -> None:
        for node in nodes:
            if not node.ssh.isfile("/etc/done"):
                count = node.ssh.execute("nproc")[0]
                with node.ssh.remote_file("/etc/count", "w") as file:
                    file.write(count + "\n")
                    file.chmod(0o600)
            node.ssh.execute(f"echo {node.alias} {node.private_ip_address} {user}")


def made(kind: type[ClusterSetup]) -> Any:
    def make(name: str, settings: Mapping[str, str]) -> ClusterSetup:
        return kind(**settings)

    return make


def test_facts_in_commands_out() -> None:
    case = Case(
        settings={"tools": "a b"},
        nodes={"n1": {"facts": {"have": ["a"]}}, "n2": {"facts": {"have": "a\nb"}}},
        commands={
            "master": ["get a for master sgeadmin", "get b for master sgeadmin"],
            "n1": ["get b for n1 sgeadmin"],
        },
    )
    assert play(case, made(Tools)) == []


def test_hooks_of_one_node() -> None:
    case = Case(
        hook="on_remove_node", node="n1", nodes={"n1": {"facts": {"have": ["a"]}}}, commands={"n1": ["drop a False"]}
    )
    assert play(case, made(Tools)) == []


def test_an_old_plugin_and_its_files() -> None:
    written = {"write": "/etc/count", "text": "4\n", "mode": "600"}
    case = Case(
        nodes={"master": {"facts": {"nproc": ["4"]}}, "n1": {"facts": {"/etc/done": ""}}},
        commands={"master": [written, "echo master 10.0.0.10 sgeadmin"], "n1": ["echo n1 10.0.0.11 sgeadmin"]},
    )
    assert play(case, made(Old)) == []


@pytest.mark.parametrize(
    "commands",
    [
        {},
        {"n1": ["drop nothing False"]},
        {"master": ["drop nothing True"], "n1": ["drop a False", "one more"]},
        {"master": ["drop nothing True"], "n1": []},
    ],
)
def test_a_difference_is_shown(commands: dict[str, list[Any]]) -> None:
    case = Case(hook="on_shutdown", nodes={"n1": {"facts": {"have": ["a"]}}}, commands=commands)
    difference = play(case, made(Tools))
    assert any((line.startswith(("+", "-")) and "drop" in line) or "one more" in line for line in difference)


def test_a_failing_command_and_the_error_that_is_wanted() -> None:
    facts = {"nproc": {"output": ["broken"], "exit": 3}}
    case = Case(nodes={"master": {"facts": facts}}, error="nproc: status 3 on master")
    assert play(case, made(Old)) == []
    wrong = Case(nodes={"master": {"facts": facts}}, error="something else")
    assert play(wrong, made(Old))[0] == "-error: something else"
    with pytest.raises(exception.PluginError, match="nproc: status 3"):
        play(Case(nodes={"master": {"facts": facts}}), made(Old))


def test_no_error_where_one_is_wanted() -> None:
    case = Case(nodes={"master": {"facts": {"have": ["a", "b"]}}}, error="x")
    assert play(case, made(Tools)) == ["-error: x", "+error: none"]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("{", "is not JSON"),
        ("[1]", "case 1: a case is an object"),
        ('{"nods": {}}', "nobody knows nods"),
        ('{"hook": "stop"}', "stop is no hook"),
        ('{"hook": "on_add_node"}', "needs node, one of master"),
        ('{"commands": {"n1": []}}', "commands of n1, which nodes does not have"),
        ('{"commands": []}', "commands is an object"),
    ],
)
def test_wrong_files_are_told(tmp_path: Path, given: str, told: str) -> None:
    (tmp_path / "case.json").write_text(given)
    with pytest.raises(exception.PluginError, match=told):
        read_cases(tmp_path / "case.json")
    with pytest.raises(exception.PluginError, match="can not be read"):
        read_cases(tmp_path / "none.json")


def test_one_case_or_several(tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text(json.dumps({"class": "Tools"}))
    (tmp_path / "two.json").write_text(json.dumps([{"about": "a"}, {"about": "b"}]))
    assert [case.kind for case in read_cases(tmp_path / "one.json")] == ["Tools"]
    assert [case.about for case in read_cases(tmp_path / "two.json")] == ["a", "b"]


def test_what_a_node_of_a_test_has_not(tmp_path: Path) -> None:
    class Asks(ClusterSetup):
        def run(self, nodes: Any, master: Any, user: Any, user_shell: Any, volumes: Any) -> None:
            master.ec2.get_security_group("a")

    with pytest.raises(exception.PluginError, match="EC2"):
        play(Case(), made(Asks))


def test_a_node_of_a_test_notes_its_tags_and_has_a_group() -> None:
    class Tags(ClusterSetup):
        def run(self, nodes: Any, master: Any, user: Any, user_shell: Any, volumes: Any) -> None:
            before = master.ssh._username
            master.ssh.connect(username=user)
            master.ssh.connect(username=before)
            master.add_tag("cluster", master.cluster_groups[0].name)
            master.add_tag("region", master.region.name)
            master.remove_tag("launched", master.launch_time)

    case = Case(
        user="alice",
        commands={
            "master": [
                "# as alice",
                "# as root",
                {"tag": "cluster", "value": "@sc-test"},
                {"tag": "region", "value": "us-east-1"},
                {"remove tag": "launched"},
            ]
        },
    )
    assert play(case, made(Tags)) == []


def test_a_hook_of_one_node_may_use_the_others() -> None:
    class Joins(ClusterSetup):
        def on_add_node(self, node: Any, nodes: Any, master: Any, user: Any, user_shell: Any, volumes: Any) -> None:
            for one in nodes:
                one.ssh.execute(f"{one.alias} meets {node.alias}: {one is node} {one is master}")

    case = Case(
        hook="on_add_node",
        node="n1",
        nodes={"n1": {}},
        commands={"master": ["master meets n1: False True"], "n1": ["n1 meets n1: True False"]},
    )
    assert play(case, made(Joins)) == []

"""A plugin's test as JSON: facts in, commands out. docs/plugins.md tells the form."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starcluster import exception
from starcluster.cluster.actors import Actor
from starcluster.cluster.hooks import run_hook
from starcluster.clustersetup import ClusterSetup
from starcluster.nodeplugin import NodePlugin

HOOKS = ("run", "on_add_node", "on_remove_node", "on_restart", "on_shutdown")
_OF_ONE_NODE = ("on_add_node", "on_remove_node")
_MASTER = "master"


@dataclass(frozen=True, kw_only=True)
class Case:
    """One hook call and what is to come of it; `nodes` are the facts of each by its alias."""

    about: str = ""
    kind: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    hook: str = "run"
    node: str = ""
    user: str = "sgeadmin"
    user_shell: str = "bash"
    volumes: Mapping[str, Any] = field(default_factory=dict)
    nodes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    commands: Mapping[str, list[Any]] = field(default_factory=dict)
    error: str = ""


def read_cases(file: Path) -> list[Case]:
    """PluginError says what is wrong with the file."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise exception.PluginError(f"{file} can not be read: {error.strerror}") from error
    except ValueError as error:
        raise exception.PluginError(f"{file} is not JSON: {error}") from error
    cases = found if isinstance(found, list) else [found]
    return [_case(one, f"{file}, case {number}") for number, one in enumerate(cases, 1)]


def _case(given: Any, where: str) -> Case:
    if not isinstance(given, dict):
        raise exception.PluginError(f"{where}: a case is an object in braces", hint="see docs/plugins.md")
    words = {("kind" if key == "class" else key): value for key, value in given.items()}
    unknown = sorted(set(words) - set(Case.__dataclass_fields__))
    if unknown:
        known = ", ".join(sorted({*Case.__dataclass_fields__, "class"} - {"kind"}))
        raise exception.PluginError(f"{where}: nobody knows {', '.join(unknown)}", hint=f"known are {known}")
    for key in ("settings", "nodes", "commands", "volumes"):
        if not isinstance(words.get(key, {}), dict):
            raise exception.PluginError(f"{where}: {key} is an object in braces", hint="see docs/plugins.md")
    case = Case(**words)
    if case.hook not in HOOKS:
        raise exception.PluginError(f"{where}: {case.hook} is no hook", hint=f"hooks are {', '.join(HOOKS)}")
    aliases = {_MASTER, *case.nodes}
    if case.hook in _OF_ONE_NODE and case.node not in aliases:
        raise exception.PluginError(f"{where}: {case.hook} needs node, one of {', '.join(sorted(aliases))}")
    strangers = sorted(set(case.commands) - aliases)
    if strangers:
        raise exception.PluginError(f"{where}: commands of {', '.join(strangers)}, which nodes does not have")
    return case


def play(case: Case, make: Callable[[str, Mapping[str, str]], ClusterSetup]) -> list[str]:
    """Run the case; the lines of the difference between what was to come of it and what came, [] if there is none.

    `make(class name or "", settings)` gives the plugin.
    """
    plugin = make(case.kind, {key: str(value) for key, value in case.settings.items()})
    aliases = list(dict.fromkeys([_MASTER, *case.nodes]))
    facts = plugin.facts if isinstance(plugin, NodePlugin) else {}
    actors = {
        alias: Actor(alias, number, _by_command(case.nodes.get(alias, {}), facts))
        for number, alias in enumerate(aliases)
    }
    error = _call(case, plugin, actors)
    if error and not case.error:
        raise error
    told = str(error) if error else ""
    notes = {alias: actor.connection.notes for alias, actor in actors.items()}
    wanted = _json({"commands": dict(case.commands)})
    came = _json({"commands": {alias: one for alias, one in notes.items() if one or alias in case.commands}})
    difference = [] if case.error in told else [f"-error: {case.error}", f"+error: {told or 'none'}"]
    return difference + list(difflib.unified_diff(wanted, came, "wanted", "came", lineterm="", n=2))


def _by_command(given: Mapping[str, Any], facts: Mapping[str, str]) -> dict[str, Any]:
    """Facts of a NodePlugin are told by name; it asks for them by command. One that is not told is empty."""
    told = given.get("facts", {})
    return {**{command: told.get(name, []) for name, command in facts.items()},
            **{key: value for key, value in told.items() if key not in facts}}  # fmt: skip


def _call(case: Case, plugin: ClusterSetup, actors: Mapping[str, Actor]) -> exception.PluginError | None:
    nodes = list(actors.values())
    rest = (nodes, actors[_MASTER], case.user, case.user_shell, dict(case.volumes))
    arguments = (actors[case.node], *rest) if case.hook in _OF_ONE_NODE else rest
    try:
        run_hook(plugin, case.hook, arguments)
    except exception.PluginError as error:
        return error
    return None


def _json(value: Any) -> list[str]:
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False).split("\n")

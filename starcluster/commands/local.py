"""starcluster local up|down|status|env|ssh-config|interrupt|capacity|price|scenario: the cloud on this machine.

These verbs need no config. Only `up` starts the cloud.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from starcluster import exception, names
from starcluster.commands.asking import confirmed
from starcluster.commands.words import Words
from starcluster.config import files
from starcluster.localcloud import control
from starcluster.logger import log
from starcluster.ownfolder import home

Facts = dict[str, Any]
_UNLIMITED = ("none", "unlimited")


@click.group(cls=Words)
def command() -> None:
    """The local cloud: EC2's API and real hosts on this machine, to rehearse on without an AWS account.

    STARCLUSTER_LOCAL names its folder (default ~/.starcluster/local); one folder is one cloud.

    \b
    Examples:
      starcluster local up --speed 100
      starcluster local interrupt mycluster mynode
      eval "$(starcluster local env)" && aws ec2 describe-instances
    """


@contextmanager
def told() -> Iterator[Path]:
    """The cloud's folder; its errors become ours."""
    try:
        yield files.local_folder()
    except control.LocalCloudError as error:
        raise exception.LocalCloudError(error.message, hint=error.hint) from error


def ask(op: str, **arguments: Any) -> Facts:
    with told() as folder:
        return control.call(folder, op, **arguments)


@command.command()
@click.option("--speed", type=click.FloatRange(min=0, min_open=True), metavar="N", help="Divides the cloud's delays.")
@click.option("--packages", is_flag=True, help="Let nodes install packages through this machine.")
@click.option("--expose", is_flag=True, help="Open port 22 of each node at its 127.77.x.y address.")
def up(speed: float | None, packages: bool, expose: bool) -> None:
    """Start the local cloud; nothing happens when it is up.

    --speed 1 is like EC2; without it 30, or what the cloud was made with.

    \b
    Example:
      starcluster local up --speed 100
    """
    with told() as folder:
        before = control.status(folder)
        facts = before or control.up(folder, speed=speed, packages=packages, expose=expose)
    if before and speed not in (None, facts["speed"]):
        log.warning("the local cloud is up with --speed %g; `local down` first to change it", facts["speed"])
    log.info("The local cloud is up: %s (%s)", facts["endpoint"], facts["folder"])


@command.command()
@click.option("--delete", is_flag=True, help="Delete its folder too: volumes, keys, everything.")
@click.option("-c", "--confirm", "--yes", "confirm", is_flag=True, help="Do not ask, even if clusters run.")
def down(delete: bool, confirm: bool) -> None:
    """End the local cloud: its instances are terminated; volumes, key pairs and groups are kept for the next `up`.

    Clusters whose instances run are named first, and on a terminal it asks.

    \b
    Example:
      starcluster local down --delete
    """
    with told() as folder:
        if control.status(folder) and not _sure(running_clusters(folder), confirm):
            return
        control.down(folder, delete=delete)
    log.info("The local cloud is down%s: %s", " and deleted" if delete else "", folder)


def running_clusters(folder: Path) -> list[str]:
    """The clusters that have instances now."""
    nodes = control.call(folder, "status")["nodes"]
    return sorted({node["tags"]["@sc-cluster"] for node in nodes if "@sc-cluster" in node["tags"]})


def _sure(clusters: Sequence[str], confirm: bool) -> bool:
    if not clusters:
        return True
    log.warning("The instances of %s are terminated by this; volumes stay unless deleted", ", ".join(clusters))
    return not sys.stdin.isatty() or confirmed("Take the local cloud down", sure=confirm)


@command.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON, with keys and sockets.")
def status(as_json: bool) -> int:
    """Show whether the local cloud is up and what is in it; exit code 1 when it is down.

    \b
    Example:
      starcluster local status --json
    """
    with told() as folder:
        facts = control.status(folder)
        more = control.call(folder, "status") if facts else {}
    if as_json:
        environment = control.env(folder) if facts else {}
        click.echo(json.dumps({"up": bool(facts), **(facts or {}), "env": environment, **more}, indent=2))
    elif facts:
        _show_status(facts, more)
    else:
        click.echo(f"down ({folder})")
    return 0 if facts else 1


def _show_status(facts: Facts, more: Facts) -> None:
    counts = ", ".join(f"{count} {state}" for state, count in more["instances"].items() if count) or "none"
    click.echo(f"up at {facts['endpoint']} ({facts['folder']}, speed {facts['speed']:g}, pid {facts['pid']})")
    if more.get("trouble"):
        log.warning("%s", more["trouble"])
    click.echo(f"instances: {counts}")
    for node in more["nodes"]:
        tags = node["tags"]
        whose = f"{tags['@sc-cluster']}/{tags.get('alias', '')}" if "@sc-cluster" in tags else "-"
        words = (whose, node["instance_id"], node["state"], node["lifecycle"], node["type"], node["public_ip"] or "-")
        click.echo("    " + " ".join(words))
    for name in ("volumes", "spot_requests"):
        click.echo(f"{name.replace('_', ' ')}: {more[name]}")


@command.command()
def env() -> None:
    """Print the shell lines that let any AWS client speak to the local cloud.

    \b
    Example:
      eval "$(starcluster local env)" && aws ec2 describe-instances
    """
    with told() as folder:
        values = control.env(folder)
    click.echo(f"unset {' '.join(control.UNSET)}")
    for name, value in values.items():
        click.echo(f"export {name}={shlex.quote(value)}")


@command.command("ssh-config")
def ssh_config() -> None:
    """Print entries for ~/.ssh/config, by which ssh, scp and rsync reach the running nodes.

    \b
    Example:
      starcluster local ssh-config > nodes.ssh && rsync -e "ssh -F nodes.ssh" file mycluster-master:
    """
    with told() as folder:
        nodes = control.call(folder, "status")["nodes"]
        proxy = control.proxy_command(folder)
    running = sorted((node for node in nodes if node["state"] == "running"), key=lambda node: float(node["launched"]))
    # a node that is being drained and its successor bear one name: it means the newest
    bearers = {_ssh_alias(node): node["instance_id"] for node in running}
    for node in running:
        alias = _ssh_alias(node)
        click.echo(_ssh_entry(node, alias if bearers[alias] == node["instance_id"] else "", proxy))


def _ssh_alias(node: Facts) -> str:
    """CLUSTER-NODE, or nothing for an instance of somebody else."""
    cluster, alias = node["tags"].get("@sc-cluster"), node["tags"].get("alias")
    if not cluster or not alias:
        return ""
    # with DNS_PREFIX the name has the cluster's already
    return str(alias) if alias.startswith(f"{cluster}-") else f"{cluster}-{alias}"


def _ssh_entry(node: Facts, alias: str, proxy: str) -> str:
    ours = "@sc-cluster" in node["tags"]
    hosts = " ".join(word for word in (alias, node["instance_id"], node["public_dns"], node["public_ip"]) if word)
    lines = {
        "HostName": node["public_ip"] or node["private_ip"],
        # a cluster's nodes let root in; others are as their image made them
        "User": "root" if ours else node["user"],
        "IdentityFile": files.local_key(),
        "HostKeyAlias": node["instance_id"],
        "UserKnownHostsFile": home() / "known_hosts",
        "StrictHostKeyChecking": "accept-new",
        "ProxyCommand": proxy,
    }
    return "\n".join([f"Host {hosts}", *(f"    {name} {value}" for name, value in lines.items()), ""])


@command.command()
@click.argument("tag")
@click.argument("node")
@click.option("--notice", type=click.FloatRange(min=0), default=120, metavar="SECONDS", show_default=True)
def interrupt(tag: str, node: str, notice: float) -> None:
    """Take a spot node away, as EC2 does: a notice, then the instance is gone.

    --notice is in EC2's seconds (the cloud's speed divides them); 0 is sudden death without a notice.

    \b
    Example:
      starcluster local interrupt mycluster mynode
    """
    facts = ask("status")
    found = find_node(facts["nodes"], tag, node)
    if found["lifecycle"] != "spot":
        raise exception.InvalidOperation(
            f"{node} ({found['instance_id']}) is an on-demand instance: EC2 does not take it",
            hint="only spot instances are interrupted",
        )
    ask("interrupt", instance_id=found["instance_id"], notice=notice)
    log.info("EC2 takes %s (%s) %s", node, found["instance_id"], left_words(notice, speed()))


def speed() -> float:
    """What the cloud divides its delays by."""
    with told() as folder:
        facts = control.status(folder) or {}
    return float(facts.get("speed", 1))


def left_words(notice: float, speed: float) -> str:
    """How long the node has: seconds here, and EC2's where those are others."""
    if not notice:
        return "now"
    return f"in {notice / speed:.3g} s" + ("" if speed == 1 else f" ({notice:g} of EC2's)")


def find_node(nodes: list[Facts], tag: str, alias: str) -> Facts:
    """The living instance of that alias (or id) in the cluster."""
    members = [one for one in nodes if one["tags"].get("@sc-cluster") == tag and one["state"] in ("pending", "running")]
    for one in members:
        if alias == one["instance_id"] or names.fold(alias) == names.fold(one["tags"].get("alias", "")):
            return one
    known = ", ".join(one["tags"].get("alias", one["instance_id"]) for one in members) or "none"
    raise exception.NodeDoesNotExist(
        f"cluster '{tag}' has no running node '{alias}' on the local cloud", hint=f"its nodes: {known}"
    )


@command.command()
@click.argument("instance_type", metavar="TYPE")
@click.argument("count", metavar="[COUNT|none]")
@click.option("--zone", metavar="ZONE", help="In this zone only.")
@click.option("--market", type=click.Choice(["spot", "on-demand", "all"]), default="spot", show_default=True)
@click.option("--reclaim", is_flag=True, help="Interrupt running spot instances beyond it.")
def capacity(instance_type: str, count: str, zone: str | None, market: str, reclaim: bool) -> None:
    """Set how many instances of a type can run; 0 makes a shortage, none ends it.

    \b
    Example:
      starcluster local capacity t3.micro 0 --zone us-east-1a
    """
    if count.lower() not in _UNLIMITED and not count.isdigit():
        raise click.BadParameter(f"'{count}' is neither a number nor none", param_hint="COUNT")
    number = None if count.lower() in _UNLIMITED else int(count)
    answer = ask("capacity", type=instance_type, zone=zone, count=number, market=market, reclaim=reclaim)
    where = ", ".join(answer["zones"])
    log.info("%s: room for %s (%s) in %s", instance_type, "any number" if number is None else number, market, where)


@command.command()
@click.argument("instance_type", metavar="TYPE")
@click.argument("value", metavar="[DOLLARS|none]", required=False)
@click.option("--zone", metavar="ZONE", help="In this zone only.")
def price(instance_type: str, value: str | None, zone: str | None) -> None:
    """Show or set a type's spot price; instances whose bid is lower are taken. none = as at first.

    \b
    Example:
      starcluster local price t3.micro 0.5
    """
    if value is None:
        answer = ask("prices", type=instance_type)
        click.echo(f"on-demand: ${answer['on_demand']:.4f}")
    else:
        answer = ask("price", type=instance_type, zone=zone, value=_dollars(value))
    for name, dollars in answer["prices"].items():
        if zone in (None, name):
            click.echo(f"{name}: ${dollars:.4f}")


def _dollars(text: str) -> float | None:
    if text.lower() in _UNLIMITED:
        return None
    try:
        dollars = float(text)
    except ValueError:
        dollars = -1
    if not 0 < dollars < float("inf"):
        raise click.BadParameter(f"'{text}' is neither a price nor none", param_hint="DOLLARS")
    return dollars


@command.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--limit", type=click.FloatRange(min=0), metavar="SECONDS", help="End after so many of EC2's seconds.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a step.")
def scenario(file: Path, limit: float | None, as_json: bool) -> int:
    """Let happen what a scenario file says, when it says so; exit code 1 when a step could not be done.

    A line is WHEN: WHAT. WHEN is 'at SECONDS', 'before call N of ACTION', 'after call N of ACTION' or
    'when CLUSTER/NODE is pending|running|working'. docs/rehearsing.md has all of it.

    \b
    Example:
      starcluster local scenario bad-day.txt
    """
    from starcluster.localcloud.scenario import play, script

    try:
        steps = script.read(file.read_text())
    except (script.ScriptError, UnicodeDecodeError) as error:
        raise exception.ConfigError(f"{file}: {error}", hint="docs/rehearsing.md describes scenario files") from error
    with told() as folder:
        failures = 0
        for one in play.Play(steps, play.RealWorld(folder)).run(limit=limit):
            failures += bool(one.error)
            click.echo(json.dumps(one.plain) if as_json else _step_told(one.plain))
    return 1 if failures else 0


def _step_told(step: Facts) -> str:
    failed = f": FAILED: {step['error']}" if "error" in step else ""
    return f"{step['seconds']:8.1f} s  line {step['line']}: {step['step']}{failed}"

"""starcluster train NODE... [train.cfg [config]]"""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from starcluster import exception, names
from starcluster.commands.signals import heeding_signals, status_of
from starcluster.logger import log, machines, only_errors, only_stderr, timed_lines
from starcluster.model import InstanceState

if TYPE_CHECKING:
    from starcluster.app import App
    from starcluster.clock import Clock
    from starcluster.supervisor.look import NameLook
    from starcluster.supervisor.loop import Driver, Site
    from starcluster.supervisor.wishes import Wish

_TAIL_LINES = 20
_START_LIMIT = 600.0  # EC2's seconds in which a start may go wrong by what passes by itself
_START_PAUSE = 10.0


@dataclass(frozen=True, kw_only=True)
class Words:
    """The words after `train`, told apart."""

    nodes: tuple[str, ...]
    file: Path
    config: str | None = None


@click.command()
@click.argument("words", metavar="NODE... [TRAIN.CFG [CONFIG]]", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All nodes of the train.cfg.")
@click.option("--again", is_flag=True, help="Run anew what has finished.")
@click.option("--json-lines", is_flag=True, help="Print events as lines of JSON (docs/watching.md), no sentences.")
@click.option("--plain", is_flag=True, help="Print sentences only, no table, on a terminal too.")
@click.pass_obj
def command(app: App, words: tuple[str, ...], everything: bool, again: bool, json_lines: bool, plain: bool) -> int:
    """Keep named spot nodes alive until their commands are done.

    Each NODE is a section of train.cfg (default: ./train.cfg): which cluster, which machine, which command. The node
    is requested, set up, given its command and watched; when EC2 takes it away, it is requested again and the
    command goes on from its last checkpoint. The driver may be killed and started again at any time.

    On a terminal a table below the sentences shows each node: what it does, how far it is and how long it will take,
    what it has cost; elsewhere there is one sentence for each change.

    \b
    Exit status:
      0    all commands have finished
      1    a command gave up: it failed max_restarts times in a row
      2    wrong usage, or something in train.cfg can not be meant
      3    you must act first: a quota, a permission, a broken plugin, a node that a person ended
      130  Ctrl-C; 143 SIGTERM; 129 SIGHUP: the nodes go on, unwatched

    \b
    Examples:
      starcluster train mynode
      starcluster train mynode other other.cfg
      starcluster train --all other.cfg ~/.starcluster/config
    """
    asked = split(words, everything=everything)
    wishes = _wishes(asked, everything=everything)
    driver: list[Driver] = []
    with heeding_signals(), timed_lines(), only_stderr() if json_lines else contextlib.nullcontext():
        try:
            own = _with_config(app, asked.config)
            return _drive(own, wishes, driver, again=again, json_lines=json_lines, plain=plain)
        except KeyboardInterrupt as sent:
            return _leave(driver, status_of(sent))


def _wishes(asked: Words, *, everything: bool) -> list[Wish]:
    """What the train.cfg says; a fault in it is wrong usage."""
    from starcluster.supervisor.trainfile import node_sections, read_sections
    from starcluster.supervisor.wishes import read_wishes

    try:
        nodes = node_sections(read_sections(asked.file)) if everything else asked.nodes
        return read_wishes(asked.file, nodes)
    except exception.ConfigError as error:
        raise exception.WishError(error.msg, hint=error.hint) from error


def split(words: Sequence[str], *, everything: bool) -> Words:
    """Nodes first; the first word that ends in .cfg or has a "/" is the train.cfg; one more may be the config."""
    place = next((at for at, word in enumerate(words) if _is_file(word)), len(words))
    nodes, rest = tuple(words[:place]), words[place + 1 :]
    if len(rest) > 1:
        raise exception.UsageError(f"too many words after {words[place]}: {' '.join(rest)}")
    if everything and nodes:
        raise exception.UsageError("--all and names of nodes do not go together")
    if not everything and not nodes:
        raise exception.UsageError("which node?", hint="give the name of a section of train.cfg, or --all")
    file = Path(words[place]).expanduser() if place < len(words) else Path("train.cfg")
    return Words(nodes=nodes, file=file, config=rest[0] if rest else None)


def _is_file(word: str) -> bool:
    return bool(re.search(r"/|\.cfg\Z", word))


def _with_config(app: App, config: str | None) -> App:
    """The same global options with another StarCluster config."""
    if config is None:
        return app
    from starcluster.app import App

    return App(dataclasses.replace(app.options, config=config))


def _drive(app: App, wishes: list[Wish], made: list[Driver], *, again: bool, json_lines: bool, plain: bool) -> int:
    driver = patiently(lambda: _build(app, wishes, again=again, json_lines=json_lines), app.clock)
    driver.gave_up = _show_tail
    made.append(driver)
    if json_lines:
        only_errors()
    with _shown(driver, plain=plain or json_lines):
        ended = driver.run()
    if ended:
        raise _failure(driver)
    return int(ended)


def _build(app: App, wishes: list[Wish], *, again: bool, json_lines: bool) -> Driver:
    """The driver, its clusters found and its wishes held against what EC2 has."""
    from starcluster.supervisor.build import build_driver
    from starcluster.supervisor.execute import Settings
    from starcluster.supervisor.wishcheck import check_wishes, with_zones

    wishes = with_zones(wishes, app.ec2)
    driver = build_driver(
        wishes,
        clusters=app.clusters,
        ec2=app.ec2,
        clock=app.clock,
        settings=Settings(again=again),
        listener=_print_line if json_lines else None,
    )
    check_wishes(wishes, app.ec2, app.clusters)
    return driver


def patiently(build: Callable[[], Driver], clock: Clock) -> Driver:
    """What passes by itself is waited for at the start too: a driver may be started by nobody who could try again."""
    end, told = clock.end_of(_START_LIMIT), ""
    while True:
        try:
            return build()
        except exception.TransientError as error:
            if clock.monotonic() >= end:
                raise
            if told != (told := str(error)):
                log.warning("%s; trying again", error)
            clock.sleep(_START_PAUSE)


def _shown(driver: Driver, *, plain: bool) -> contextlib.AbstractContextManager[object]:
    """The table, where there is a terminal for it."""
    import os
    import sys

    if plain or not sys.stdout.isatty() or os.environ.get("TERM", "dumb") in ("dumb", "unknown"):
        return contextlib.nullcontext()
    from starcluster.commands.liveview import Screen

    return Screen(driver)


def _print_line(event: dict[str, object]) -> None:
    import json

    click.echo(json.dumps(event, default=str), file=machines())


def _failure(driver: Driver) -> exception.BaseException:
    """What to tell at the end when not everything has finished; its exit_code is the driver's."""
    hold = driver.last_hold  # those before it have been told
    if hold is not None:
        return exception.SupervisionError(f"{hold.name}: {hold.because}", hint=hold.hint)
    failed = [(site, name) for site in driver.sites for name, ended in site.results.items() if ended]
    gave_up = ", ".join(name for _, name in failed)
    logs = "\n".join(f"starcluster logs {site.cluster} {name}   shows all it wrote" for site, name in failed)
    return exception.ClusterError(f"the command gave up on: {gave_up}", hint=logs)


def _show_tail(site: Site, name: str) -> None:
    from starcluster.supervisor.tail import read_tail

    try:
        found = read_tail(site.observer, name, lines=_TAIL_LINES)
    except exception.BaseException as error:
        log.warning("the log of %s can not be read: %s", name, error)
        return
    log.info("%s: the last lines of its log (attempt %s):", name, found.attempt)
    log.info("%s", found.text.rstrip("\n"), extra={"__raw__": True})


def _leave(made: Sequence[Driver], status: int) -> int:
    """Who sends the driver away ends the watching, not the work; a second Ctrl-C ends the words about it as well."""
    with contextlib.suppress(KeyboardInterrupt):
        for site in (site for driver in made for site in driver.sites):
            try:
                site.executor.give_up_leases(site.wishes)
            except exception.BaseException as error:
                log.debug("lease: %s", error)
        log.info("")
        for site in (site for driver in made for site in driver.sites):
            for wish in site.wishes:
                for line in farewell(wish, _known_now(site, wish)):
                    log.info("%s", line)
    return status


def _known_now(site: Site, wish: Wish) -> NameLook | None:
    """What the last look saw of a name, its machines and record as they are now: acts may have ended them since."""
    known = site.look.names.get(names.fold(wish.name)) if site.look else None
    if known is None:
        return None
    try:
        found = site.observer.ec2.instances.find(cluster=site.cluster)
        record = site.observer.records.get(wish.name)
    except exception.BaseException as error:
        log.debug("%s: %s", wish.name, error)
        return known
    mine = tuple(one for one in found if names.fold(one.alias) == names.fold(wish.name))
    return dataclasses.replace(known, instances=mine, record=record or known.record)


def farewell(wish: Wish, known: NameLook | None) -> list[str]:
    """What goes on without us, by what is known of it, and how to watch or end it."""
    again = f"  to watch it again:  starcluster train {wish.name}"
    if known is not None and known.holder:
        return [f"{wish.name} is watched by {known.holder}, and goes on"]
    outcome = known.record.outcome if known and known.record else None
    alive = [one for one in known.instances if one.state.is_alive] if known else []
    if known and not alive and any(one.state is InstanceState.SHUTTING_DOWN for one in known.instances):
        done = f"{wish.name} has {outcome.state}; its machine" if outcome else wish.name
        return [f"{done} is being ended: nothing runs and nothing costs", again]
    if outcome:
        return [f"{wish.name} has {outcome.state}; its machine is perhaps not released yet, which this sees to:", again]
    if known and not alive:
        return [f"{wish.name} has no machine: nothing runs and nothing costs, unless one was just asked for", again]
    end = f"  to end it:          starcluster removenode {wish.cluster} {wish.name}"
    return [
        f"{wish.name} goes on running, and costing, without being watched: an interruption would end it",
        again,
        end,
    ]

"""The driver: look, plan, do, say one sentence a change, wait. It may be killed at any moment and started anew."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum

from starcluster import exception, names
from starcluster.clock import Clock
from starcluster.logger import log
from starcluster.model import InstanceState, Pool
from starcluster.supervisor import actions as act
from starcluster.supervisor import lease
from starcluster.supervisor.accounting import Accountant
from starcluster.supervisor.case import SOON
from starcluster.supervisor.crew import Crew, Lane
from starcluster.supervisor.execute import Executor
from starcluster.supervisor.journal import Journal
from starcluster.supervisor.look import ClusterState, Look
from starcluster.supervisor.observe import Observer
from starcluster.supervisor.plan import plan
from starcluster.supervisor.telling import sentence, tell_changes, tell_kept
from starcluster.supervisor.wishes import Wish

FIRST_TROUBLE = 2.0
LONGEST_TROUBLE = 120.0
QUICK = 0.2  # wall seconds between an act and the look at what it brought
PATIENCE = 5.0  # wall seconds that a round waits for its acts; a name whose act takes longer is left alone meanwhile


class Ended(IntEnum):
    """Exit statuses of the driver."""

    FINISHED = 0
    GAVE_UP = 1
    USER_MUST_ACT = 3


@dataclass(kw_only=True)
class Site:
    """One cluster and the wishes in it that are not yet done with; without a crew of hands acts are done in turn."""

    cluster: str
    observer: Observer
    executor: Executor
    journal: Journal
    wishes: list[Wish]
    crew: Crew = field(default_factory=Crew)
    trouble: float = 0.0
    look: Look | None = None
    said: dict[str, str] = field(default_factory=dict)
    results: dict[str, Ended] = field(default_factory=dict)
    holds: dict[str, act.Hold] = field(default_factory=dict)
    asked: dict[str, set[Pool]] = field(default_factory=dict)
    replayed: set[str] = field(default_factory=set)
    ended_here: set[str] = field(default_factory=set)
    accounts: Accountant | None = None


class Driver:
    def __init__(self, sites: Sequence[Site], *, clock: Clock) -> None:
        self.sites = list(sites)
        self.clock = clock
        self.looks = 0
        self.last_hold: act.Hold | None = None
        self.gave_up: Callable[[Site, str], None] = lambda site, name: None

    def run(self) -> Ended:
        """Until every name is done with; the worst of what became of them."""
        while True:
            pauses = [self.safe_round(site) for site in self.sites if site.wishes]
            if not pauses:
                break
            self._rest(min(pauses))
        return max((ended for site in self.sites for ended in site.results.values()), default=Ended.FINISHED)

    def safe_round(self, site: Site) -> float:
        """A round whose unexpected fault costs a pause, not the job."""
        try:
            return self.round(site)
        except Exception as error:  # noqa: BLE001  the loop's edge: it must not die of what nobody thought of
            log.error("unexpected: %r; the driver goes on (see the debug log)", error)
            log.debug("round", exc_info=error)
            return self._more_trouble(site)

    def round(self, site: Site) -> float:
        """One look, one plan, its acts; how many wall seconds may pass until the next."""
        began = self._moment()
        try:
            look = site.observer.look(site.wishes)
        except exception.AWSError as error:
            return self._no_look(site, error)
        site.trouble = 0.0
        site.look = look
        self.looks += 1
        for wish in site.wishes:
            tell_changes(site.journal, wish.name, look.names[names.fold(wish.name)])
        by_name = {wish.name: wish for wish in site.wishes}
        todo = [self._unless_busy(site, action) for action in plan(site.wishes, look)]
        for action in todo:
            self._do(site, action, by_name[action.name], look)
        site.crew.settle(PATIENCE)
        self._account(site, list(by_name.values()), look)
        if self._is_fresh(began):
            self._renew(site, look)
        return self._pause(todo)

    def _moment(self) -> tuple[float, datetime]:
        return self.clock.monotonic(), self.clock.now()

    def _is_fresh(self, began: tuple[float, datetime]) -> bool:
        """Whether so little time has passed that no other driver can have taken over since the look.

        A stopped process is not told that it slept, and the steady clock of a suspended laptop stands still.
        """
        steady, wall = self.clock.monotonic() - began[0], self.clock.now() - began[1]
        most = lease.length(self.clock.scale) / 2
        return steady <= most.total_seconds() * self.clock.scale and wall <= most

    def _unless_busy(self, site: Site, action: act.Action) -> act.Action:
        """What was begun for a name goes on before anything else is done for it."""
        if not site.crew.is_busy(action.name):
            return action
        return act.Wait(name=action.name, because=site.said.get(action.name, "the last act goes on"), seconds=SOON)

    def _no_look(self, site: Site, error: exception.AWSError) -> float:
        """Nothing is known, so nothing is done; also when the credentials have run out: they may be renewed."""
        text = f"{error}; nothing is done until EC2 can be asked again"
        if site.said.get("") != text:
            site.said[""] = text
            log.warning("%s", error.explain())
        return self._more_trouble(site)

    def _more_trouble(self, site: Site) -> float:
        site.trouble = min(max(site.trouble * 2, FIRST_TROUBLE), LONGEST_TROUBLE)
        return max(site.trouble / self.clock.scale, QUICK)

    def _do(self, site: Site, action: act.Action, wish: Wish, look: Look) -> None:
        self._say(site, action)
        if isinstance(action, act.RecordOutcome):
            site.ended_here.add(action.name)
        if isinstance(action, act.Finish):
            self._done(site, wish, Ended.FINISHED if action.succeeded else Ended.GAVE_UP)
            tell_kept(wish, look.names[names.fold(wish.name)])
        elif isinstance(action, act.Hold):
            site.journal.add(wish.name, "hold", because=action.because)
            site.holds[wish.name] = self.last_hold = action
            self._done(site, wish, Ended.USER_MUST_ACT)
            if self._goes_on():  # the last one's is told by the error that ends the driver
                log.error("%s: %s", wish.name, "\n".join(filter(None, [action.because, action.hint])))
        elif not isinstance(action, act.Wait | act.StandBack):
            launches = isinstance(action, act.Launch | act.Replay | act.LaunchSuccessor | act.ReplaySuccessor)
            lane = Lane.LAUNCHES if launches else Lane.ACTS
            site.crew.give(action.name, lambda: site.executor.do(action, wish, look), lane)

    def _done(self, site: Site, wish: Wish, ended: Ended) -> None:
        site.results[wish.name] = ended
        site.wishes = [one for one in site.wishes if one.name != wish.name]
        try:
            site.executor.give_up_leases([wish])
        except exception.AWSError as error:
            log.debug("lease: %s", error)
        if ended is Ended.GAVE_UP:
            self.gave_up(site, wish.name)

    def _goes_on(self) -> bool:
        return any(site.wishes for site in self.sites)

    def _renew(self, site: Site, look: Look) -> None:
        if look.cluster is ClusterState.GONE:
            return
        try:
            site.executor.renew(look.names[names.fold(wish.name)] for wish in site.wishes)
        except exception.AWSError as error:
            log.debug("lease: %s", error)

    def _account(self, site: Site, wishes: Sequence[Wish], look: Look) -> None:
        """What has ended is added to each name's costs, by the one who supervises it."""
        if site.accounts is None or look.cluster is ClusterState.GONE:
            return
        for wish in wishes:
            known = look.names[names.fold(wish.name)]
            if site.results.get(wish.name) in (Ended.FINISHED, Ended.GAVE_UP):
                site.accounts.close(wish.name, known)
            elif known.begun and not known.holder:
                site.accounts.count(wish.name, known)

    def _say(self, site: Site, action: act.Action) -> None:
        text = sentence(action)
        if isinstance(action, act.Finish) and action.succeeded and action.name not in site.ended_here:
            text += " already; --again runs it anew"
        if site.said.get(action.name) == text or _is_repeated(site, action):
            return
        if not isinstance(action, act.KeepDrive):  # it comes between, and what goes on need not be said again
            site.said[action.name] = text
        if not isinstance(action, act.Hold):
            log.info("%s: %s", action.name, text)

    def _pause(self, todo: Sequence[act.Action]) -> float:
        waits = [one.seconds for one in todo if isinstance(one, act.Wait | act.StandBack)]
        if len(waits) < len(todo):
            return QUICK
        return max(min(waits, default=0.0) / self.clock.scale, QUICK)

    def _rest(self, seconds: float) -> None:
        """Wait, and come back early when an agent has news."""
        open_sites = [site for site in self.sites if site.wishes]
        alone = len(open_sites) == 1 and not open_sites[0].crew.busy
        if alone and seconds > QUICK and self._listen(open_sites[0], seconds):
            return
        wake = open_sites[0].executor.wake if len(open_sites) == 1 else threading.Event()
        wake.wait(seconds)
        wake.clear()

    def _listen(self, site: Site, seconds: float) -> bool:
        """Let the master's agent hold the line; False when there is none to listen to."""
        wanted = [wish.name for wish in site.wishes if wish.name in site.observer.memory.seen]
        master = site.observer.last_master
        if not wanted or master is None or master.state is not InstanceState.RUNNING:
            return False
        return bool(site.observer.hearing.wait_for_news(master, wanted, seconds=seconds))


def _is_repeated(site: Site, action: act.Action) -> bool:
    """A further try in a pool that was asked before: the shortage has been told, its tries are not."""
    if isinstance(action, act.Replay):
        repeated = action.name in site.replayed
        site.replayed.add(action.name)
        return repeated
    if not isinstance(action, act.Launch | act.LaunchSuccessor):
        return False
    site.replayed.discard(action.name)
    if action.try_number == 1:
        site.asked[action.name] = set()
    asked = site.asked.setdefault(action.name, set())
    repeated = action.pool in asked
    asked.add(action.pool)
    return repeated

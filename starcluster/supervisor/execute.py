"""Does what was planned. Every act may be done twice; what it was meant to be is written before it is done."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Protocol

from starcluster import exception, names
from starcluster.aws.errors import spot_hint
from starcluster.clock import Clock
from starcluster.cluster.namerecord import Attempt, Intent, NameRecord, NameRecords, Outcome, OutcomeState
from starcluster.logger import log
from starcluster.model import Instance, LaunchRequest
from starcluster.supervisor import actions as act
from starcluster.supervisor import agentlink, lease
from starcluster.supervisor.agentlink import AgentError
from starcluster.supervisor.drivesight import KEEPING
from starcluster.supervisor.journal import Journal
from starcluster.supervisor.launches import Launches
from starcluster.supervisor.look import Look, NameLook
from starcluster.supervisor.memory import Memory
from starcluster.supervisor.noderules import ended_by_user
from starcluster.supervisor.orders import OUR_DRAIN, run_order
from starcluster.supervisor.setups import Machines as Settable
from starcluster.supervisor.setups import SetUps
from starcluster.supervisor.succession import Succession
from starcluster.supervisor.wishes import Wish

_DRAIN = 120.0  # wall seconds that a command gets when it is we who end it
_KEEP_AGAIN = 300.0  # EC2's seconds after a snapshot that failed
_MANY = 6  # the same trouble so often in a row is the user's to look at


class Machines(Settable, Protocol):
    """What is done with nodes; supervisor/machines.py does it for real."""

    def group_id(self) -> str: ...
    def launch_request(self, *, alias: str, intent: Intent, tags: dict[str, str]) -> LaunchRequest: ...
    def keep_drive(self, name: str) -> str: ...
    def remove(self, instance: Instance) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How this driver was called."""

    again: bool = False
    imds: str = ""


class Executor:
    def __init__(
        self,
        *,
        cluster: str,
        ec2: Any,
        records: NameRecords,
        machines: Machines,
        memory: Memory,
        journal: Journal,
        clock: Clock,
        me: lease.Holder,
        busy: dict[str, str],
        settings: Settings,
        spawn: Callable[[Callable[[], None]], None] | None = None,
    ) -> None:
        self.cluster, self.ec2, self.records, self.machines = cluster, ec2, records, machines
        self.memory, self.journal, self.clock, self.me = memory, journal, clock, me
        self.settings = settings
        self.wake = threading.Event()  # set when a set-up has ended: the loop need not wait to see it
        self.set_ups = SetUps(
            cluster=cluster,
            machines=machines,
            memory=memory,
            journal=journal,
            clock=clock,
            imds=settings.imds,
            busy=busy,
            ended=self.wake.set,
            spawn=spawn,
        )
        self._acts = self._table(self._launches(), self._succession())

    def _launches(self) -> Launches:
        return Launches(
            ec2=self.ec2,
            records=self.records,
            machines=self.machines,
            memory=self.memory,
            journal=self.journal,
            fresh=self._fresh,
            now=self._now,
            trouble=self._trouble,
            complain=self._complain,
        )

    def _succession(self) -> Succession:
        return Succession(
            ec2=self.ec2,
            records=self.records,
            machines=self.machines,
            memory=self.memory,
            journal=self.journal,
            set_ups=self.set_ups,
            fresh=self._fresh,
            now=self._now,
        )

    def _table(
        self, launches: Launches, succession: Succession
    ) -> dict[type[act.Action], Callable[[Any, Wish, NameLook], None]]:
        """Who does what."""
        return {
            act.Begin: self._begin,
            act.Adopt: self._adopt,
            act.Launch: launches.launch,
            act.Replay: launches.replay,
            act.SetUp: self._set_up,
            act.Run: self._run,
            act.Drain: self._drain,
            act.RecordDrained: self._record_drained,
            act.RecordOutcome: self._record_outcome,
            act.Release: self._release,
            act.Stop: self._stop,
            act.Start: self._start,
            act.CancelRequests: self._cancel,
            act.KeepDrive: self._keep_drive,
            act.LaunchSuccessor: succession.launch,
            act.ReplaySuccessor: succession.replay,
            act.Prepare: succession.prepare,
            act.Succeed: succession.succeed,
        }

    def do(self, action: act.Action, wish: Wish, look: Look) -> None:
        """Carry one action out; trouble ends in a pause or a complaint, never in an exception of our own."""
        doing = self._acts.get(type(action))
        if doing is None:
            return
        folded = names.fold(wish.name)
        known = look.names.get(folded, NameLook())
        try:
            doing(action, wish, known)
        except exception.CredentialsError as error:
            self._trouble(wish, error)  # they ran out under way: whoever owns them may renew them
        except exception.UserMustAct as error:
            self._complain(wish, error)
        except exception.BaseException as error:
            self._trouble(wish, error)
        except Exception as error:  # noqa: BLE001  the edge of one name's act: its fault stops no other name
            log.error("%s: unexpected: %r; the driver goes on (see the debug log)", wish.name, error)
            self._trouble(wish, exception.TransientError(f"unexpected: {error!r}"))
            log.debug("%s", wish.name, exc_info=error)
        else:
            if not isinstance(action, act.SetUp) and not self.memory.pause(folded)[0]:
                self.memory.went_well(folded)

    def _complain(self, wish: Wish, error: exception.BaseException) -> None:
        self.journal.add(wish.name, "complaint", error=str(error))
        self.memory.complain(names.fold(wish.name), error.explain())

    def _trouble(self, wish: Wish, error: exception.BaseException) -> None:
        """Pause; what does not pass by itself after many times is told to the user."""
        count = self.memory.back_off(names.fold(wish.name), str(error).splitlines()[0])
        self.journal.add(wish.name, "trouble", error=str(error), times=count)
        if count == 1:
            log.warning("%s: %s", wish.name, error.explain())
        log.debug("%s: %s", wish.name, error, exc_info=error)
        lasting = isinstance(error, exception.ConflictError | exception.NotFoundError | AgentError)
        if lasting and count >= _MANY:
            self._complain(wish, error)

    def _now(self) -> datetime:
        return self.clock.now().astimezone(UTC)

    def _fresh(self, wish: Wish) -> NameRecord:
        """The record as it is at this moment; TransientError when another driver has taken it meanwhile."""
        record = self.records.ensure(wish.name)
        holder = lease.other_holder(record, self.me, self.memory, self.clock.scale)
        if holder:
            raise exception.TransientError(f"{holder} has taken {wish.name} over")
        return record

    def renew(self, known: Iterable[NameLook]) -> None:
        """Keep the leases of the names that we supervise: all together as soon as one of them wants it."""
        ours = [one.record for one in known if one.record and one.begun and not one.holder]
        if [one for one in ours if lease.wants_renewal(one, self.me, self.memory, self.clock.scale)]:
            self.records.lease_all(ours, lease.new_lease(self.me, self._now(), self.clock.scale))

    def give_up_leases(self, wishes: list[Wish]) -> None:
        """At the end: the next driver need not wait for the lease to run out."""
        for wish in wishes:
            record = self.records.get(wish.name)
            if record and record.lease and record.lease.holder == self.me.text:
                self.records.change(record, lease=None)

    # the name -------------------------------------------------------------------------------------------------

    def _begin(self, action: act.Begin, wish: Wish, known: NameLook) -> None:
        record = self._fresh(wish)
        facts: dict[str, Any] = {"lease": lease.new_lease(self.me, self._now(), self.clock.scale)}
        outcome = record.outcome
        if outcome and (self.settings.again or outcome.state is not OutcomeState.FINISHED):
            facts["outcome"] = None
            facts["attempt"] = replace(record.attempt, failures=0, floor=record.attempt.number)
        facts["released"] = (*record.released, *self._ended_before(record, known))
        self.records.change(record, **facts)
        self.memory.sights.note_asked(record, known.instances)
        self.memory.begun.add(names.fold(wish.name))
        self.journal.add(wish.name, "begin", holder=self.me.text, again=self.settings.again)

    def _ended_before(self, record: NameRecord, known: NameLook) -> list[str]:
        """What a person had ended before this driver was asked for the name: that it was asked undoes it.

        What this driver has seen alive, while another one had the name, was ended later.
        """
        sights = self.memory.sights
        return [one for one in ended_by_user(known) if one not in record.released and not sights.has_seen_alive(one)]

    def _adopt(self, action: act.Adopt, wish: Wish, known: NameLook) -> None:
        record = self._fresh(wish)
        if record.generation > action.generation:
            return  # the look was late
        self.records.change(record, born=action.instance_id, generation=action.generation, asking_since=None)
        self.journal.add(wish.name, "adopted", instance=action.instance_id, generation=action.generation)

    # the machine ----------------------------------------------------------------------------------------------

    def _set_up(self, action: act.SetUp, wish: Wish, known: NameLook) -> None:
        instance = next((one for one in known.instances if one.id == action.instance_id), None)
        if instance is not None:
            self.set_ups.begin(instance, wish, whole=action.whole)

    # the command ----------------------------------------------------------------------------------------------

    def _run(self, action: act.Run, wish: Wish, known: NameLook) -> None:
        record = self._fresh(wish)
        attempt = Attempt(
            number=action.attempt,
            generation=action.generation,
            failures=action.failures,
            floor=record.attempt.floor,
        )
        self.records.change(record, attempt=attempt)
        instance = next(one for one in known.instances if one.id == action.instance_id)
        answer = agentlink.call(
            self.machines.shell(instance),
            "run",
            attempt=action.attempt,
            **run_order(wish),
        )
        self.journal.add(wish.name, "run", attempt=action.attempt, instance=instance.id, started=answer.get("started"))

    def _drain(self, action: act.Drain, wish: Wish, known: NameLook) -> None:
        self._fresh(wish)
        instance = next(one for one in known.instances if one.id == action.instance_id)
        agentlink.call(self.machines.shell(instance), "drain", seconds=_DRAIN, why=OUR_DRAIN)
        self.journal.add(wish.name, "drain", instance=instance.id)

    def _record_drained(self, action: act.RecordDrained, wish: Wish, known: NameLook) -> None:
        record = self._fresh(wish)
        if record.generation != action.generation:
            return  # the look was late: by now the name, and what is attached, is another instance's
        record = self.records.change(record, drained=action.generation)
        self.journal.add(wish.name, "drained-recorded", generation=action.generation)
        drained = next((one for one in known.instances if one.id == record.born), None)
        if drained is not None:
            self._free_volumes(drained, wish)

    def _free_volumes(self, instance: Instance, wish: Wish) -> None:
        """Detach what the agent has unmounted: while the old node lives it takes seconds, later minutes."""
        for device in instance.data_devices:
            try:
                self.ec2.volumes.detach(device.volume_id, instance_id=instance.id)
            except exception.AWSError as error:
                log.debug("%s: %s is freed by the end of %s only: %s", wish.name, device.volume_id, instance.id, error)

    def _keep_drive(self, action: act.KeepDrive, wish: Wish, known: NameLook) -> None:
        """A snapshot that can not be had stops no job."""
        try:
            snapshot_id = self.machines.keep_drive(action.drive)
        except exception.BaseException as error:
            self.memory.leave_alone(KEEPING, action.drive, seconds=_KEEP_AGAIN)
            self.journal.add(wish.name, "snapshot-failed", drive=action.drive, error=str(error))
            log.warning("%s: no snapshot of drive %s: %s", wish.name, action.drive, error.explain())
        else:
            self.journal.add(wish.name, "snapshot", drive=action.drive, snapshot=snapshot_id)

    def _record_outcome(self, action: act.RecordOutcome, wish: Wish, known: NameLook) -> None:
        outcome = Outcome(
            state=OutcomeState.FINISHED if action.finished else OutcomeState.FAILED,
            at=self._now(),
            exit=action.exit,
            attempt=action.attempt,
        )
        self.records.change(self._fresh(wish), outcome=outcome)
        self.journal.add(wish.name, "outcome", state=outcome.state, exit=action.exit, attempt=action.attempt)

    # the end --------------------------------------------------------------------------------------------------

    def _note_released(self, wish: Wish, instance_id: str) -> None:
        record = self._fresh(wish)
        if instance_id not in record.released:
            self.records.change(record, released=(*record.released, instance_id))

    def _release(self, action: act.Release, wish: Wish, known: NameLook) -> None:
        self._note_released(wish, action.instance_id)
        instance = next((one for one in known.instances if one.id == action.instance_id), None)
        if instance is not None:
            self.machines.remove(instance)
        if action.unusable:
            folded = names.fold(wish.name)
            self.memory.unusable[folded] = self.memory.unusable.get(folded, 0) + 1
        self.journal.add(wish.name, "released", instance=action.instance_id)

    def _stop(self, action: act.Stop, wish: Wish, known: NameLook) -> None:
        self._note_released(wish, action.instance_id)
        self.ec2.instances.stop([action.instance_id])
        self.journal.add(wish.name, "stopped", instance=action.instance_id)

    def _start(self, action: act.Start, wish: Wish, known: NameLook) -> None:
        self.ec2.instances.start([action.instance_id])
        self.journal.add(wish.name, "restarted", instance=action.instance_id)

    def _cancel(self, action: act.CancelRequests, wish: Wish, known: NameLook) -> None:
        """Take open requests back, and the intent with them: the next try is another one."""
        self.ec2.spot.cancel(list(action.request_ids))
        record = self._fresh(wish)
        if record.intent and not record.born:
            self.memory.avoid(record.intent.pool)
            self.records.change(record, intent=None)
        self.journal.add(wish.name, "request-cancelled", requests=list(action.request_ids))
        if action.code:
            words = f"EC2 can not fulfil its spot request: {action.message or 'no reason given'} ({action.code})"
            raise exception.UserMustAct(words, code=action.code, hint=spot_hint(action.code))

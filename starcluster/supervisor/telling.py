"""What the driver says: a sentence for each action, what a look shows for the first time, what the end has cost."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from starcluster.cluster.namerecord import Spent
from starcluster.logger import log
from starcluster.model import Instance, InstanceState, SpotState
from starcluster.supervisor import actions as act
from starcluster.supervisor.journal import Journal
from starcluster.supervisor.look import NameLook, Report
from starcluster.supervisor.orders import OUR_DRAIN
from starcluster.supervisor.wishes import Wish


def tell_changes(journal: Journal, name: str, known: NameLook) -> None:
    """Put into the journal what the look shows and was not there before; each thing once."""
    for instance in known.instances:
        _tell_instance(journal, name, instance)
    for request in known.requests:
        if request.state is not SpotState.ACTIVE:
            journal.add_once(
                name, ("request", request.id, request.code), "spot-request", request=request.id, code=request.code
            )
    if isinstance(known.answer, Report):
        _tell_report(journal, name, known.answer)


_EVENTS: dict[InstanceState, str] = {
    InstanceState.RUNNING: "running",
    InstanceState.SHUTTING_DOWN: "shutting-down",
    InstanceState.TERMINATED: "gone",
    InstanceState.STOPPED: "stopped",
}


def _tell_instance(journal: Journal, name: str, instance: Instance) -> None:
    event = _EVENTS.get(instance.state)
    if event is None:
        return
    reason = instance.reason_code
    key = ("instance", instance.id, str(instance.state))
    fresh = journal.add_once(name, key, event, instance=instance.id, reason=reason)
    if fresh and instance.state.is_gone:  # the other states are told by the plan's own sentences
        log.info("%s: %s is gone%s", name, instance.id, f" ({reason})" if reason else "")


def _tell_report(journal: Journal, name: str, report: Report) -> None:
    for stamp in report.stamps:
        key = ("stamp", report.instance_id, stamp.event, round(stamp.at, 3))
        at = datetime.fromtimestamp(stamp.at, UTC)
        fresh = journal.add_once(name, key, stamp.event, at=at, instance=report.instance_id, **stamp.detail)
        words = _STAMPS.get(stamp.event)
        if fresh and words:
            level = logging.WARNING if stamp.event in _TROUBLES else logging.INFO
            log.log(level, "%s: %s", name, words(stamp.detail))


def _checkpoint_words(detail: Mapping[str, object]) -> str:
    status, seconds = detail.get("exit"), detail.get("seconds")
    if status == 0:
        return f"the checkpoint command took {seconds} s"
    how = "was ended, it had no more time" if status is None else f"ended with exit status {status}"
    return f"the checkpoint command {how} (after {seconds} s; its output is in the log)"


def _home_words(detail: Mapping[str, object]) -> str:
    hint = "remove files, or grow its volume (starcluster resizevolume)"
    return (
        f"the shared volume is full ({detail.get('why')}): what the command prints is not kept, "
        f"and checkpoints will fail; {hint}"
    )


_TROUBLES = ("home-lost", "home-full")


def _notice_words(detail: Mapping[str, object]) -> str:
    if detail.get("action") == OUR_DRAIN:
        return "the instance makes room for its replacement"
    return "EC2's notice has come: the instance will be taken"


_STAMPS: dict[str, Callable[..., str]] = {
    "home-lost": lambda detail: f"its machine has lost /home: {detail.get('why')}",
    "home-back": lambda detail: (
        "the shared volume has room again" if detail.get("after") == "full" else "its machine can use /home again"
    ),
    "home-full": _home_words,
    "notice": lambda detail: _notice_words(detail),
    "checkpoint-asked": lambda detail: "the command is asked to save its work",
    "checkpoint-command": lambda detail: _checkpoint_words(detail),
    "command-ended": lambda detail: "the command has saved its work and ended",
    "command-killed": lambda detail: "the command did not end in time and was killed",
    "drained": lambda detail: "the disks are flushed; nothing runs on the instance any more",
    "rebalance": lambda detail: "EC2 says that the instance is at a higher risk",
    "first-progress": lambda detail: f"the command works, at step {detail.get('step')} of {detail.get('total')}",
}


def sentence(action: act.Action) -> str:
    """What is done and why, in one sentence."""
    what = _WHAT.get(type(action))
    return f"{action.because}: {what(action)}" if what else action.because


_WHAT: dict[type[act.Action], Callable[..., str]] = {
    act.Launch: lambda one: (
        f"asking EC2 for a {one.pool.instance_type} in {one.pool.zone} ({one.pool.market}, "
        f"generation {one.generation}, try {one.try_number})"
    ),
    act.Replay: lambda one: "asking EC2 again by the same token",
    act.SetUp: lambda one: "setting it up" if one.whole else "starting its agent",
    act.Run: lambda one: "starting the command" + ("" if "attempt" in one.because else f" (attempt {one.attempt})"),
    act.Drain: lambda one: f"{one.instance_id} is drained",
    act.LaunchSuccessor: lambda one: (
        f"it works on, and EC2 is asked for a replacement: a {one.pool.instance_type} in {one.pool.zone} "
        f"({one.pool.market}, generation {one.generation}, try {one.try_number})"
    ),
    act.ReplaySuccessor: lambda one: "asking EC2 again by the same token",
    act.Prepare: lambda one: "it is made ready while the other one works on",
    act.Succeed: lambda one: f"its replacement takes the name (generation {one.generation})",
    act.Release: lambda one: f"ending {one.instance_id}",
    act.Stop: lambda one: f"stopping {one.instance_id}",
    act.Start: lambda one: f"starting {one.instance_id}",
    act.CancelRequests: lambda one: f"taking back {', '.join(one.request_ids)}",
    act.RecordOutcome: lambda one: "that is written down",
    act.RecordDrained: lambda one: "that is written down, a new one may be asked for",
}


def tell_kept(wish: Wish, known: NameLook) -> None:
    """A node that is kept after the end costs as before."""
    for instance in known.instances:
        if instance.state.is_alive:
            log.warning(
                "%s: %s is kept and goes on costing; to end it: starcluster removenode %s %s",
                wish.name,
                instance.id,
                wish.cluster,
                wish.name,
            )


def cost_words(spent: Spent) -> str:
    """One sentence: how long, how much, how much less than on demand; what is not known is not told."""
    hours, seconds = divmod(round(spent.seconds), 3600)
    words = f"its machines ran {hours}:{seconds // 60:02d}:{seconds % 60:02d} in all"
    if spent.unknown:
        return words
    words += f", about ${spent.usd:.{digits(spent.usd)}f} by EC2's prices"
    saved = spent.on_demand - spent.usd
    if spent.unpriced or saved <= 0:
        return words
    return f"{words}, ${saved:.{digits(saved)}f} ({saved / spent.on_demand:.0%}) less than on demand"


def digits(usd: float) -> int:
    """How many digits of so many dollars are worth showing."""
    return 2 if usd >= 1 else 4

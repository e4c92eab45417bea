"""What a named node's command wrote, read from the shared volume over the cluster's master."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from starcluster import exception
from starcluster.supervisor import agentlink
from starcluster.supervisor.agentlink import AgentError, Shell
from starcluster.supervisor.observe import Observer


@dataclass(frozen=True, kw_only=True)
class Tail:
    """`file`, `offset`: where to go on reading; `attempt`: which attempt's log it is."""

    attempt: int
    text: str
    offset: int
    file: int = 0


def read_log(
    shell: Shell, name: str, *, attempt: int = 0, lines: int = 0, offset: int | None = None, file: int = 0
) -> Tail:
    """A part of an attempt's log (0 = the last attempt); puts the agent on the master when it is not there."""
    order: dict[str, Any] = {"name": name, "attempt": attempt, "lines": lines, "offset": offset, "file": file}
    try:
        answer = agentlink.call(shell, "tail", **order)
    except AgentError as error:
        if error.kind != "absent":
            raise
        agentlink.install(shell)
        answer = agentlink.call(shell, "tail", **order)
    if answer.get("error"):
        raise _no_log(name, attempt, int(answer["attempt"] or 0), str(answer["error"]))
    return Tail(
        attempt=int(answer["attempt"]),
        text=str(answer["text"]),
        offset=int(answer["offset"]),
        file=int(answer.get("file") or 0),
    )


def _no_log(name: str, wanted: int, found: int, why: str) -> exception.NoLog:
    """`wanted`: the attempt asked for, 0 = the last one; `found`: the one looked for, 0 = there has been none."""
    if not found:
        return exception.NoLog(
            f"{name} has no log yet: its command has not been started",
            hint="`starcluster nodes` shows what it waits for, `starcluster logs -f` waits for the log",
        )
    hint = "without -a the last attempt's log is shown; `starcluster nodes` tells how many there were" if wanted else ""
    return exception.NoLog(
        f"{name} has no log of attempt {found}: {why}",
        hint=hint or "the shared volume may be away: `starcluster sshmaster` and df /home show it",
    )


def read_tail(observer: Observer, name: str, *, lines: int) -> Tail:
    """The last lines of the last attempt, over the master that the driver has been listening to."""
    if observer.last_master is None:
        raise exception.MasterDoesNotExist("the cluster has no master")
    return read_log(observer.machines.shell(observer.last_master), name, lines=lines)

"""The end of a node: the command saves its work, the disks are flushed, and that is written down.

Once it has begun nothing is started on this instance again, also not by an agent that was started anew in the
middle of it: the state is on the disk.
"""

from __future__ import annotations

import os
import subprocess
import threading
import time
from typing import Any

from starcluster.agent import files, hooks
from starcluster.agent.boot import boot_id
from starcluster.agent.checkpoint import Checkpoint
from starcluster.agent.ownlog import say
from starcluster.agent.places import Places
from starcluster.agent.runs import Runs

IDLE = "idle"
DRAINING = "draining"
DRAINED = "drained"
_MARGIN = 8.0  # of EC2's seconds before the end are kept for flushing and telling
_LEAST_MARGIN = 0.5  # of the node's own: a fast local cloud does not make its disks faster
_SYNC_LIMIT = 20.0
_FOR_HOOKS = 1 / 3  # of the time, where there are hooks that save what the command has saved
_LONGEST_HOOK = 600.0  # wall seconds, when nothing presses
_SAVING = 2 / 3  # of the command's time, for the checkpoint command
_MOST_OF_A_KIND = 40
_BY_ID = "/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_"


class Drain:
    """The state of the instance's end: idle, draining or drained."""

    def __init__(self, places: Places, name: str, runs: Runs, *, scale: float) -> None:
        self._places, self._runs, self._scale = places, runs, scale
        self._kept = files.Kept(places.drain_state(name), places.spares)
        self._lock = threading.Lock()
        self._state: dict[str, Any] = self._kept.read() or {"phase": IDLE, "stamps": []}
        self.checkpoint = Checkpoint(places, name, runs)
        self.hooks = hooks.Hooks(places.hooks)
        self.volumes: list[str] = []
        self.changed = threading.Event()

    @property
    def phase(self) -> str:
        return str(self._state["phase"])

    @property
    def notice(self) -> dict[str, Any] | None:
        found = self._state.get("notice")
        return dict(found) if found else None

    @property
    def stamps(self) -> list[dict[str, Any]]:
        with self._lock:
            return list(self._state["stamps"])

    def stamp(self, event: str, **detail: Any) -> None:
        """Write down that something happened now."""
        with self._lock:
            self._state["stamps"].append({"event": event, "at": time.time(), **detail})
            self._save()
        self.changed.set()

    def stamp_again(self, event: str, **detail: Any) -> None:
        """The same, for what may happen over and over: of those with the same beginning the oldest go."""
        kind = event.partition("-")[0]
        with self._lock:
            stamps = self._state["stamps"]
            old = [one for one in stamps if one["event"].partition("-")[0] == kind][:-_MOST_OF_A_KIND]
            self._state["stamps"] = [one for one in stamps if one not in old]
        self.stamp(event, **detail)

    def _save(self) -> None:
        """What can be written nowhere is still told; the end of the node waits for no disk."""
        try:
            os.makedirs(os.path.dirname(self._kept.path), exist_ok=True)
            self._kept.write(self._state)
        except OSError as error:
            say(f"the state of the node's end can not be written down: {error}")

    def begin(self, action: str, seconds: float) -> bool:
        """Take the end up, once: it comes in so many seconds. False when it was under way.

        From here on only the steady clock counts, which nobody sets.
        """
        now, steady = time.time(), time.monotonic()
        with self._lock:
            if self._state["phase"] != IDLE:
                return False
            self._state["phase"] = DRAINING
            self._state["notice"] = {"action": action, "time": now + seconds, "seen": now}
            self._state["steady"] = {"boot": boot_id(), "seen": steady, "end": steady + seconds}
            self._state["stamps"].append({"event": "notice", "at": now, "time": now + seconds, "action": action})
            self._save()
        self.changed.set()
        self.resume()
        return True

    def interrupted(self, view: dict[str, Any]) -> bool:
        """Whether the attempt still ran when the end was announced, so that its exit status says nothing."""
        notice, steady = self.notice, self._state.get("steady") or {}
        if notice is None:
            return False
        if view.get("ended_at") and view.get("boot_id") == steady.get("boot"):
            return float(steady["seen"]) <= float(view["ended_at"])
        return float(notice["seen"]) <= float(view.get("ended") or time.time())

    def resume(self) -> None:
        """Go on with an end that was begun (also by an agent before this one)."""
        if self.phase == DRAINING:
            threading.Thread(target=self._drain, name="drain", daemon=True).start()

    def _left(self) -> float:
        """How long the command may take: what is left until the end, less a margin, reckoned from now."""
        steady = self._state.get("steady") or {}
        if steady.get("boot") == boot_id():
            left = max(0.0, float(steady["end"]) - time.monotonic())
        else:
            left = max(0.0, float(self._state["notice"]["time"]) - time.time())
        margin = min(max(_MARGIN / self._scale, _LEAST_MARGIN), left * 0.3)
        return left - margin

    def _drain(self) -> None:
        self._tell_command()
        status, boot = self._runs.last(), boot_id()
        if self._runs.members(status, boot):
            self._end_command(status, boot)
        self._run_hooks(hooks.NOTICE, self._left())
        self.stamp("synced" if _sync() else "sync-hangs")
        self._finish()
        for path in mount_points(self.volumes):
            self.stamp("unmounted" if _unmount(path) else "unmount-failed", path=path)

    def _tell_command(self) -> None:
        """The notice as a file that the command may read."""
        try:
            files.write_json(self._places.notice, self._state["notice"], durable=False)
            os.chmod(self._places.notice, 0o644)
        except OSError as error:
            say(f"the notice could not be put into its file: {error}")

    def _end_command(self, status: dict[str, Any] | None, boot: str) -> None:
        """The checkpoint command first, for two thirds of the time at most; then SIGTERM, in the end SIGKILL."""
        self.stamp("checkpoint-asked", attempt=status["attempt"] if status else 0)
        kept = self._left() * _FOR_HOOKS if self.hooks.found(hooks.NOTICE) else 0.0
        self.save(status, most=(self._left() - kept) * _SAVING, ends=True)
        spec = self._runs.spec(status)
        longest = float(spec.get("stop_timeout") or 0)
        left = max(0.0, self._left() - kept)
        everyone = spec.get("stop_signal_to") == "all"
        willing = self._runs.stop(status, boot, seconds=min(left, longest or left), everyone=everyone)
        self.stamp("command-ended" if willing else "command-killed")

    def _run_hooks(self, event: str, seconds: float) -> None:
        for told in self.hooks.run(event, seconds):
            self.stamp("hook", on=event, **told)

    def save(self, status: dict[str, Any] | None, *, ends: bool = False, **limit: float) -> None:
        """Run the checkpoint command if there is one, and write down how it ended; then what others do with it.

        `ends`: the node's end has its own hooks.
        """
        try:
            taken = self.checkpoint.take(status, **limit)
        except (OSError, subprocess.SubprocessError) as error:
            self.stamp("checkpoint-command", exit=None, error=str(error))
            return
        if taken is not None:
            self.stamp("checkpoint-command", **taken)
            if not ends and taken["exit"] == 0:
                self._run_hooks(hooks.CHECKPOINT, _LONGEST_HOOK)

    def _finish(self) -> None:
        with self._lock:
            self._state["phase"] = DRAINED
            self._state["stamps"].append({"event": "drained", "at": time.time()})
            self._save()
        self.changed.set()
        time.sleep(0.2 if self.volumes else 0)  # the shared report goes out before a volume under it goes


def _unmount(path: str) -> bool:
    try:
        return subprocess.run(["umount", path], check=False, capture_output=True, timeout=60).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _sync() -> bool:
    """Flush all file systems; a dead NFS server must not keep the rest from being told."""
    flusher = threading.Thread(target=os.sync, name="sync", daemon=True)
    flusher.start()
    flusher.join(_SYNC_LIMIT)
    return not flusher.is_alive()


def mount_points(volumes: list[str], table: str = "/proc/mounts") -> list[str]:
    """Where these EBS volumes are mounted here, the deepest first."""
    devices = {os.path.realpath(_BY_ID + volume.replace("-", "")) for volume in volumes}
    if not devices:
        return []
    with open(table, encoding="utf-8", errors="replace") as file:
        rows = [line.split() for line in file]
    found = [row[1].replace("\\040", " ") for row in rows if os.path.realpath(row[0]) in devices]
    return sorted(found, key=len, reverse=True)

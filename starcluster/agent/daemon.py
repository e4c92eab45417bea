"""The agent of one node: answers on a Unix socket, watches for EC2's notice, reports."""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import socket
import threading
import time
from typing import Any

from starcluster.agent import files, keeper, processes
from starcluster.agent.boot import boot_id
from starcluster.agent.drain import IDLE, Drain
from starcluster.agent.home import FULL, OK, Home
from starcluster.agent.imds import DEFAULT_BASE, Imds
from starcluster.agent.logfile import Pump
from starcluster.agent.ownlog import say
from starcluster.agent.places import Places
from starcluster.agent.report import VERSION, Publisher
from starcluster.agent.runs import Busy, Follower, Runs

_POLL = 5.0  # EC2's seconds, as EC2's documentation advises
_LONGEST_LINE = 1 << 20
HOME_LOST = "home-lost"
HOME_BACK = "home-back"
HOME_FULL = "home-full"


class Daemon:
    def __init__(self, places: Places, settings: dict[str, Any]) -> None:
        self.places, self.settings = places, settings
        self.name = str(settings["name"])
        self.scale = float(settings.get("scale") or 1)
        self.runs = Runs(places, self.name)
        self.drain = Drain(places, self.name, self.runs, scale=self.scale)
        self.drain.volumes = list(settings.get("volumes") or [])
        self.imds = Imds(str(settings.get("imds") or DEFAULT_BASE))
        self.boot = boot_id()
        self.rebalance: float | None = None
        self.ended = threading.Event()
        self.lock = threading.Lock()
        self.home = Home(
            places.home, scale=self.scale, is_mount=bool(settings.get("home_is_mount")), changed=self._home_changed
        )
        shared = places.report_beside(self.name) if settings.get("stands_by") else places.report(self.name)
        self.publisher = Publisher(places.local_report, shared, self.followed_report, self.home, scale=self.scale)
        self._follower: Follower | None = None
        self._pump: Pump | None = None
        self._home_said = OK

    # what it says ---------------------------------------------------------------------------------------------

    def report(self) -> dict[str, Any]:
        run = self._run_view()
        phase = self.drain.phase
        if phase == IDLE and run and run["state"] == "running":
            phase = "running"
        return {
            "v": VERSION,
            "name": self.name,
            "cluster": self.settings.get("cluster", ""),
            "instance_id": self.settings.get("instance_id", ""),
            "boot_id": self.boot,
            "agent": self.settings.get("agent", ""),
            "phase": phase,
            "run": run,
            "notice": self.drain.notice,
            "rebalance": self.rebalance,
            "stamps": self.drain.stamps,
            "home": self.home.view(),
        }

    def _run_view(self) -> dict[str, Any] | None:
        view = self.runs.view(self.runs.last(), self.boot)
        if view is None:
            return None
        view["interrupted"] = self.drain.interrupted(view)
        view["home_lost"] = self._lost_home(view)
        follower = self._follower
        if follower is not None and follower.path == self._log(view):
            view["step"], view["total"] = follower.step, follower.total
        return view

    def _lost_home(self, view: dict[str, Any]) -> bool | None:
        """Whether the shared home was lost under the attempt; None: it has just failed, and that is being looked at."""
        attempt = int(view["attempt"])
        if any(one["event"] == HOME_LOST and one.get("attempt") == attempt for one in self.drain.stamps):
            return True
        failed = view["state"] == "exited" and view["exit"] != 0 and view.get("boot_id") == self.boot
        if failed and self.home.checked < float(view.get("ended_at") or 0):
            self.home.look_now()
            return None
        return False

    def _home_changed(self, state: str, why: str, good: float) -> None:
        before, self._home_said = self._home_said, state
        if state == FULL:
            self.drain.stamp_again(HOME_FULL, why=why)
        elif state == OK:
            self.drain.stamp_again(HOME_BACK, after=before)
        elif before in (OK, FULL):
            self.drain.stamp_again(HOME_LOST, why=why, attempt=self._attempt_since(good))

    def _attempt_since(self, good: float) -> int | None:
        """The attempt that has lost the home: the one that runs, or that ended after it was last seen to be well."""
        view = self.runs.view(self.runs.last(), self.boot)
        if view is None or view.get("boot_id") != self.boot:
            return None
        ended = view.get("ended_at") if view["state"] == "exited" else None
        return int(view["attempt"]) if ended is None or float(ended) >= good else None

    def _log(self, view: dict[str, Any]) -> str:
        return self.places.log_file(self.name, int(view["attempt"]))

    def followed_report(self) -> dict[str, Any]:
        """The report after a look into the command's log; for the publisher's thread only, for it may hang."""
        view = self.runs.view(self.runs.last(), self.boot)
        if view is not None:
            self._empty_pipe(view)
            self._follow(view)
            if view["state"] == "exited":
                self._once(view, "exited", exit=view["exit"])
        return self.report()

    def _empty_pipe(self, view: dict[str, Any]) -> None:
        """Do what the keeper did for the command's log when only the keeper was killed."""
        status = self.runs.last()
        if view["state"] != "running" or status is None or processes.is_alive(status["keeper"]):
            return
        if self._pump is None or not self._pump.is_alive():
            spec = self.runs.spec(status)
            self._pump = Pump(spec["pipe"], keeper.log_of(spec))
            self._pump.start()

    def _follow(self, view: dict[str, Any]) -> None:
        follower = self._follower
        if follower is None or follower.path != self._log(view):
            self._follower = follower = Follower(self._log(view))
        follower.read()
        if follower.step is not None:
            self._once(view, "first-progress", step=follower.first, total=follower.total)

    def _once(self, view: dict[str, Any], event: str, **detail: Any) -> None:
        """Stamp what happens once in an attempt."""
        key = (int(view["attempt"]), event)
        known = {(one.get("attempt"), one["event"]) for one in self.drain.stamps}
        if key not in known:
            self.drain.stamp(event, attempt=key[0], **detail)

    # what it does ---------------------------------------------------------------------------------------------

    def answer(self, order: dict[str, Any]) -> dict[str, Any]:
        """The answer to one order; an order that can not be done is an answer with ok=False."""
        act = {
            "hello": self._hello,
            "report": self._report,
            "run": self._run,
            "drain": self._drain,
            "stop": self._stop,
            "quit": self._quit,
        }.get(str(order.get("op")))
        if act is None:
            return {"ok": False, "kind": "unknown", "error": f"unknown op {order.get('op')!r}"}
        try:
            return {"ok": True, **act(order)}
        except Busy as error:
            return {"ok": False, "kind": "busy", "error": str(error)}
        except (OSError, KeyError, ValueError, TypeError) as error:
            return {"ok": False, "kind": "failed", "error": f"{type(error).__name__}: {error}"}

    def _hello(self, order: dict[str, Any]) -> dict[str, Any]:
        return {"pid": os.getpid(), "agent": self.settings.get("agent", ""), "name": self.name}

    def _report(self, order: dict[str, Any]) -> dict[str, Any]:
        return {"report": dict(self.report(), seq=self.publisher.seq, at=time.time())}

    def _run(self, order: dict[str, Any]) -> dict[str, Any]:
        if not self.home.is_usable:
            raise OSError(f"{self.places.home} can not be used: {self.home.why}")
        with self.lock:
            if self.drain.phase != IDLE:
                raise Busy(f"the node is {self.drain.phase}; nothing is started on it any more")
            started = self.runs.start(dict(order, cluster=self.settings.get("cluster", "")))
        if started:
            self.drain.stamp("started", attempt=int(order["attempt"]))
        return {"started": started, **self._report({})}

    def _drain(self, order: dict[str, Any]) -> dict[str, Any]:
        seconds = float(order.get("seconds") or 120)
        return {"begun": self.begin_drain(str(order.get("why") or "drain"), seconds)}

    def begin_drain(self, action: str, seconds: float) -> bool:
        with self.lock:
            return self.drain.begin(action, seconds)

    def _stop(self, order: dict[str, Any]) -> dict[str, Any]:
        """End the command; the node stays as it is and may run another attempt."""
        willing = self.runs.stop(self.runs.last(), self.boot, seconds=float(order.get("seconds") or 10))
        self.drain.changed.set()
        return {"willing": willing}

    def _quit(self, order: dict[str, Any]) -> dict[str, Any]:
        self.ended.set()
        return {}

    # how it lives ---------------------------------------------------------------------------------------------

    def watch(self) -> None:
        """Ask the metadata service again and again; one that does not answer is asked again."""
        pause, trouble = _POLL / self.scale, ""
        while not self.ended.wait(pause):
            try:
                notice = self.imds.notice()
                if notice and self.drain.phase == IDLE:
                    self.begin_drain(notice["action"], notice["left"])
                hint = self.imds.rebalance()
            except (OSError, ValueError, KeyError) as error:
                if str(error) != trouble:
                    say(f"metadata service: {error}")
                trouble = str(error)
                continue
            trouble = ""
            if hint and hint != self.rebalance:
                self.rebalance = hint
                self._heed(hint)

    def _heed(self, hint: float) -> None:
        """EC2's hint of a higher risk: a checkpoint, for the command that has one, beside the watch; once a hint."""
        if any(one["event"] == "rebalance" and one.get("time") == hint for one in self.drain.stamps):
            return
        self.drain.stamp("rebalance", time=hint)
        status = self.runs.last()
        wanted = self.runs.spec(status).get("rebalance") != "ignore"
        if wanted and self.drain.phase == IDLE and self.runs.members(status, self.boot):
            threading.Thread(target=self.drain.save, args=(status,), name="checkpoint", daemon=True).start()

    def serve(self) -> None:
        listener = _listen(self.places.socket)
        self.drain.resume()
        for job, words in (
            (self.watch, ()),
            (self.home.run, (self.ended,)),
            (self.publisher.run, (self.ended, self.drain.changed)),
        ):
            threading.Thread(target=job, args=words, daemon=True).start()
        while not self.ended.is_set():
            if not select.select([listener], [], [], 0.2)[0]:
                continue
            connection, _ = listener.accept()
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()
        listener.close()
        os.unlink(self.places.socket)

    def _talk(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rw", encoding="utf-8") as stream:
            connection.settimeout(60)
            try:
                order = json.loads(stream.readline(_LONGEST_LINE))
                answer = self.answer(order if isinstance(order, dict) else {})
            except (OSError, ValueError) as error:
                answer = {"ok": False, "kind": "failed", "error": str(error)}
            try:
                stream.write(json.dumps(dict(answer, v=VERSION)) + "\n")
                stream.flush()
            except OSError as error:
                say(f"the asker went away: {error}")


def _listen(path: str) -> socket.socket:
    if os.path.exists(path):
        os.unlink(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        listener.bind(path)
    finally:
        os.umask(mask)
    listener.listen(16)
    return listener


def serve(places: Places) -> int:
    """Be the node's agent until told to quit; 1 when there is one already."""
    places.make()
    lock = os.open(places.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return 1
    settings = files.read_json(places.settings)
    if settings is None:
        say("there are no settings; it is started by the driver")
        return 1
    daemon = Daemon(places, settings)
    signal.signal(signal.SIGTERM, lambda number, frame: daemon.ended.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    daemon.serve()
    return 0

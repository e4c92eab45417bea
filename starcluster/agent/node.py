"""The agent's command line: `starcluster-agent call JSON` prints one line of JSON and ends 0.

call JSON      one order; "-" reads it from standard input
serve          be the node's agent in the foreground (`call {"op": "start"}` does it in the background)
keep           run one attempt of the command (the agent calls this itself)
beside         run the checkpoint command beside it (this as well)
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from typing import Any

from starcluster.agent import files, report
from starcluster.agent.launcher import launcher
from starcluster.agent.places import Places, from_environment
from starcluster.agent.tail import tail

VERSIONS = (1,)
_ASK_LIMIT = 90.0
_START_LIMIT = 15.0


def call(places: Places, order: dict[str, Any]) -> dict[str, Any]:
    """Do one order here, or pass it to the node's agent."""
    if order.get("v") not in VERSIONS:
        return {"ok": False, "kind": "version", "error": f"this agent speaks {VERSIONS}", "v": VERSIONS[-1]}
    own = {"look": report.look, "tail": tail, "start": start}.get(str(order.get("op")))
    if own is None:
        return ask(places, order)
    try:
        return {"ok": True, "v": VERSIONS[-1], **own(places, order)}
    except (OSError, KeyError, ValueError) as error:
        return {"ok": False, "kind": "failed", "error": f"{type(error).__name__}: {error}", "v": VERSIONS[-1]}


def ask(places: Places, order: dict[str, Any]) -> dict[str, Any]:
    """The running agent's answer; kind "absent" when none runs."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_ASK_LIMIT)
        try:
            connection.connect(places.socket)
        except OSError as error:
            return {"ok": False, "kind": "absent", "error": f"no agent runs: {error.strerror}", "v": VERSIONS[-1]}
        connection.sendall(json.dumps(order).encode() + b"\n")
        with connection.makefile("r", encoding="utf-8") as stream:
            line = stream.readline()
    if not line:
        return {"ok": False, "kind": "absent", "error": "the agent went away", "v": VERSIONS[-1]}
    answer: dict[str, Any] = json.loads(line)
    return answer


def start(places: Places, order: dict[str, Any]) -> dict[str, Any]:
    """See to it that an agent runs with these settings; one that has a command under it is left as it is."""
    settings = dict(order["settings"])
    places.make()
    running = ask(places, {"v": 1, "op": "report"})
    if running.get("ok"):
        known = running["report"]
        same = known.get("agent") == settings.get("agent") and files.read_json(places.settings) == settings
        if same or not _may_go(known):
            return {"started": False, "report": known}
        ask(places, {"v": 1, "op": "quit"})
        _wait_until_gone(places)
    files.write_json(places.settings, settings)
    _spawn(places)
    end = time.monotonic() + _START_LIMIT
    while time.monotonic() < end:
        answer = ask(places, {"v": 1, "op": "report"})
        if answer.get("ok"):
            return {"started": True, "report": answer["report"]}
        time.sleep(0.05)
    raise OSError(f"the agent did not start; see {places.log}")


def _may_go(known: dict[str, Any]) -> bool:
    """Whether the agent may be another one from now on; a setup command ahead of all attempts does not need it."""
    return known["phase"] == "idle" or (known["phase"] == "running" and int(known["run"]["attempt"]) == 0)


def _wait_until_gone(places: Places) -> None:
    end = time.monotonic() + _START_LIMIT
    while os.path.exists(places.socket) and time.monotonic() < end:
        time.sleep(0.05)


def _spawn(places: Places) -> None:
    """The agent as a daemon: forked twice, in a session of its own, its output in its log."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    os.chdir("/")
    nothing = os.open(os.devnull, os.O_RDWR)
    log = os.open(places.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for source, target in ((nothing, 0), (nothing, 1), (log, 2)):
        os.dup2(source, target)
    arguments = [*launcher(), "serve"]
    os.execv(arguments[0], arguments)


def main(arguments: list[str] | None = None) -> int:
    words = sys.argv[1:] if arguments is None else arguments
    # imported where they are needed: "call" is made all the time, and is three times as quick without them
    if words[:1] == ["serve"]:
        from starcluster.agent.daemon import serve

        return serve(from_environment())
    if words[:1] == ["keep"]:
        from starcluster.agent import keeper

        return keeper.main(words[1:])
    if words[:1] == ["beside"]:
        from starcluster.agent import become

        return become.main(words[1:])
    if words[:1] == ["call"] and len(words) == 2:
        text = sys.stdin.read() if words[1] == "-" else words[1]
        try:
            order = json.loads(text)
        except ValueError as error:
            order = {"v": 1, "op": f"not JSON: {error}"}
        sys.stdout.write(json.dumps(call(from_environment(), order)) + "\n")
        return 0
    sys.stderr.write(__doc__ or "")
    return 2


if __name__ == "__main__":
    sys.exit(main())

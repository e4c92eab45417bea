"""How the driver speaks to the agents: packs the agent, puts it on a node, sends orders, reads reports."""

from __future__ import annotations

import hashlib
import io
import json
import shlex
import zipfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import starcluster.agent
from starcluster import exception
from starcluster.supervisor.look import Home, HomeState, NodePhase, Report, RunReport, RunState, Stamp

PROTOCOL = 1
PROGRAM = "/usr/local/bin/starcluster-agent"
_FOLDER = "/usr/local/lib/starcluster"
_MAIN = "import sys\n\nfrom starcluster.agent.node import main\n\nsys.exit(main())\n"
_LONG_AGO = (2020, 1, 1, 0, 0, 0)  # the same sources give the same bytes
_NOT_FOUND = 127
_NO_PYTHON = 3
_BY_SIGNAL = 128  # and above: it was killed, for want of memory perhaps; else its program is not what it should be
_CALL_LIMIT = 60.0


class Shell(Protocol):
    """The part of ssh.client.SSHClient that is used here."""

    def run(self, command: str, *, data: bytes = b"", timeout: float | None = None) -> tuple[int, bytes, bytes]: ...


class AgentError(exception.BaseException):
    """The agent, or the node under it, did not do what was asked; `kind` is the agent's word for why."""

    def __init__(self, msg: str, *, kind: str = "failed", hint: str = "") -> None:
        super().__init__(msg, hint=hint)
        self.kind = kind


@cache
def package() -> tuple[str, bytes]:
    """The agent as one zip file that Python runs, and the twelve letters that name these very bytes."""
    folder = Path(starcluster.agent.__file__).parent
    files = {"__main__.py": _MAIN, "starcluster/__init__.py": ""}
    for path in sorted(folder.glob("*.py")):
        files[f"starcluster/agent/{path.name}"] = path.read_text(encoding="utf-8")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(name, _LONG_AGO), text, zipfile.ZIP_DEFLATED)
    return hashlib.sha256(packed.getvalue()).hexdigest()[:12], packed.getvalue()


def install(shell: Shell, *, fresh: bool = False) -> None:
    """Put the agent on a node unless it is there (`fresh`: it is not); AgentError when there is no Python for it."""
    version, archive = package()
    target = f"{_FOLDER}/agent-{version}.pyz"
    whole = _is_whole(target, len(archive))
    if not fresh and shell.run(f"{whole} && test -x {PROGRAM}", timeout=_CALL_LIMIT)[0] == 0:
        return
    status, output, errors = shell.run(_install_script(target, len(archive)), data=archive, timeout=_CALL_LIMIT)
    if status:
        told = (output + errors).decode("utf-8", "replace").strip()
        what = f"the agent could not be put on the node: {told or status}"
        if status == _NO_PYTHON:
            raise AgentError(
                what,
                kind="no python",
                hint="the node needs Python 3.8 or newer: take another image, or let USERDATA_SCRIPTS install it",
            )
        raise AgentError(what)


def _is_whole(path: str, size: int) -> str:
    return f'test "$(wc -c < {path} 2>/dev/null || echo 0)" -eq {size}'


def _install_script(target: str, size: int) -> str:
    """What is cut off on its way, by the end of the driver, is not put in place: the shell sees a good end of input."""
    launcher = f'#!/bin/sh\nexec "@PYTHON@" -I {target} "$@"\n'
    lines = [
        "set -e",
        "python=$(command -v python3 || true)",
        'if [ -z "$python" ]; then echo "the node has no python3" >&2; exit 3; fi',
        '"$python" -c "import sys; sys.exit(sys.version_info < (3, 8))"'
        ' || { echo "python3 on the node is older than 3.8" >&2; exit 3; }',
        f"mkdir -p {_FOLDER} {Path(PROGRAM).parent}",
        f"cat > {target}.$$",
        f'{_is_whole(f"{target}.$$", size)} || {{ rm -f {target}.$$; echo "it was cut off on its way" >&2; exit 4; }}',
        f"mv {target}.$$ {target}",
        f'printf %s {shlex.quote(launcher)} | sed "s|@PYTHON@|$python|" > {PROGRAM}.$$',
        f"chmod 755 {PROGRAM}.$$ && mv {PROGRAM}.$$ {PROGRAM}",
    ]
    return "\n".join(lines)


def call(shell: Shell, op: str, *, limit: float = _CALL_LIMIT, **order: Any) -> dict[str, Any]:
    """Give one order and return the answer; AgentError (kind "absent": there is no agent that works), or SSHError."""
    data = json.dumps({"v": PROTOCOL, "op": op, **order}).encode()
    status, output, errors = shell.run(f"{PROGRAM} call -", data=data, timeout=limit)
    if status == _NOT_FOUND:
        raise AgentError("the agent is not installed", kind="absent")
    try:
        answer = json.loads(output)
    except ValueError:
        told = errors.decode("utf-8", "replace").strip().splitlines()
        words = f"the agent ended {status}: {told[-1] if told else 'without a word'}"
        raise AgentError(words, kind="failed" if status >= _BY_SIGNAL else "absent") from None
    if not isinstance(answer, dict) or not answer.get("ok"):
        answer = answer if isinstance(answer, dict) else {}
        raise AgentError(str(answer.get("error", "no answer")), kind=str(answer.get("kind", "failed")))
    return answer


def parse_report(words: Mapping[str, Any]) -> Report:
    """The agent's report as a value; AgentError when it is not one (a newer or a broken agent)."""
    try:
        notice = words.get("notice") or {}
        return Report(
            instance_id=str(words["instance_id"]),
            boot_id=str(words["boot_id"]),
            phase=NodePhase(words["phase"]),
            run=_run(words.get("run")),
            notice=str(notice.get("action", "")),
            notice_time=float(notice.get("time", 0)),
            rebalance=str(words.get("rebalance") or ""),
            stamps=tuple(_stamp(one) for one in words.get("stamps", ())),
            home=_home(words.get("home") or {}),
            seq=int(words.get("seq", 0)),
        )
    except (KeyError, ValueError, TypeError) as error:
        raise AgentError(f"the agent's report can not be read: {error!r}") from error


def _run(words: Mapping[str, Any] | None) -> RunReport | None:
    if not words:
        return None
    status, step, total = words.get("exit"), words.get("step"), words.get("total")
    return RunReport(
        attempt=int(words["attempt"]),
        state=RunState(words["state"]),
        exit=None if status is None else int(status),
        interrupted=bool(words.get("interrupted")),
        started=float(words.get("started") or 0),
        ended=float(words.get("ended") or 0),
        boot_id=str(words.get("boot_id", "")),
        step=None if step is None else int(step),
        total=None if total is None else int(total),
        lingering=int(words.get("lingering") or 0),
        stage=str(words.get("stage") or "command"),
        home_lost=_maybe(words.get("home_lost", False)),
    )


def _maybe(word: Any) -> bool | None:
    return None if word is None else bool(word)


def _home(words: Mapping[str, Any]) -> Home:
    """An agent of an earlier version does not look at it; a state that nobody knows here is none to act on."""
    state = str(words.get("state", ""))
    known = HomeState(state) if state in list(HomeState) else HomeState.OK
    return Home(state=known, why=str(words.get("why") or ""))


def _stamp(words: Mapping[str, Any]) -> Stamp:
    detail = {key: value for key, value in words.items() if key not in ("event", "at")}
    return Stamp(event=str(words["event"]), at=float(words["at"]), detail=detail)

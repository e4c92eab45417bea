"""s3sync on one node: put there, set up, asked. The node's side is starcluster/s3sync."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from starcluster import exception
from starcluster.cluster import s3bundle
from starcluster.logger import log

if TYPE_CHECKING:
    from starcluster.cluster.node import Node

PROGRAM = "/usr/local/bin/starcluster-s3sync"
SETTINGS = "/etc/starcluster/s3sync"
_FOLDER = "/usr/local/lib/starcluster"
_RUNTIME = "/run/starcluster/s3sync"
_LOGS = "/var/log/starcluster"
_HOOKS = ("on-checkpoint.d", "on-notice.d")
_NO_PYTHON, _CUT_OFF = 3, 4
_FOR_THE_USER = ("keys", "denied", "missing", "region", "full")  # kinds of s3sync's Trouble
_INSTALL_LIMIT = 300.0
PUSH_LIMIT = 6 * 3600.0  # by hand; who waits may end it
_NEWER = 20  # minor versions of Python that are looked for

Told = dict[str, Any]


class S3Program:
    """What plugins and `starcluster sync` ask of s3sync on a node."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def install(self) -> None:
        """Put it there unless it is there; SyncError when the node has no Python for it."""
        target = f"{_FOLDER}/s3sync-{s3bundle.version()}"
        ssh = self._node.ssh
        if ssh.run(f"test -e {target}/whole && test -x {PROGRAM} && grep -q {target} {PROGRAM}")[0] == 0:
            return
        log.info("Bringing an S3 client to %s", self._node.alias)
        data = s3bundle.archive()
        status, output, errors = ssh.run(_install_script(target, len(data)), data=data, timeout=_INSTALL_LIMIT)
        if status == _NO_PYTHON:
            lowest = ".".join(str(one) for one in s3bundle.lowest_python())
            raise exception.SyncError(
                f"s3sync needs Python {lowest} or later on {self._node.alias}: {_words(output, errors)}",
                hint="take an image that has it (ubuntu-24.04), or install it beside (dnf install python3.11)",
            )
        if status:
            raise exception.SyncError(f"s3sync could not be put on {self._node.alias}: {_words(output, errors)}")

    def complete(self, settings: Mapping[str, Any]) -> Told:
        """The settings with what only the node and its cloud know."""
        launched = self._node.described.launched
        return {
            "region": self._node.ec2.region,
            **{name: value for name, value in settings.items() if value not in ("", None)},
            "writer": f"{self._node.alias} ({self._node.id})",
            "since": launched.timestamp() if launched else 0.0,
            "environment": dict(self._node.ec2.cloud.node_environment),
        }

    def set_up(self, settings: Mapping[str, Any]) -> None:
        """Keep the settings on the node, and have it push at checkpoints and at the interruption notice."""
        name = str(settings["name"])
        content = json.dumps(self.complete(settings), indent=1)
        hooks = "\n".join(_hook(folder, name) for folder in _HOOKS)
        self._node.ssh.script(
            f"mkdir -p {SETTINGS}; umask 077\n"
            f"printf %s {shlex.quote(content)} > {_file(name)}.new; mv {_file(name)}.new {_file(name)}\n{hooks}",
            what=f"set up the sync {name}",
        )

    def ask(self, verb: str, *words: str, settings: Mapping[str, Any] | None = None) -> list[Told]:
        """What came of `push`, `restore` or `check`, one answer a sync. `settings`: of one that is not set up."""
        data = json.dumps(self.complete(settings)).encode() if settings is not None else b""
        chosen = ["--stdin"] if settings is not None else []
        command = " ".join(shlex.quote(word) for word in [PROGRAM, verb, *chosen, *words])
        status, output, errors = self._node.ssh.run(command, data=data, timeout=PUSH_LIMIT)
        try:
            found = [json.loads(line) for line in output.decode("utf-8", "replace").splitlines()]
        except ValueError:
            found = []
        if not found:
            raise exception.SyncError(f"s3sync on {self._node.alias} ended {status}: {_words(output, errors)}")
        return found

    def need(self, verb: str, *words: str, settings: Mapping[str, Any] | None = None) -> Told:
        """The one answer; SyncError when it did not go well."""
        told = self.ask(verb, *words, settings=settings)[0]
        if not told["ok"]:
            raise trouble_of(self._node.alias, told)
        return told

    def watch(self, name: str) -> None:
        """Have it push every interval, in the place of one that does so already."""
        log_file = f"{_LOGS}/s3sync-{name}.log"
        self._node.ssh.script(
            f"{_stop_script(name)}\nmkdir -p {_RUNTIME} {_LOGS}\n"
            f"setsid {PROGRAM} watch {shlex.quote(name)} </dev/null >>{shlex.quote(log_file)} 2>&1 9>&- &\n"
            f"echo $! > {_pid_file(name)}",
            what=f"start the sync {name}",
        )

    def stop(self, name: str) -> None:
        """No more pushes by itself, neither every interval nor at a notice."""
        hooks = " ".join(f"/etc/starcluster/{folder}/s3sync-{shlex.quote(name)}" for folder in _HOOKS)
        self._node.ssh.script(f"{_stop_script(name)}\nrm -f {hooks}", what=f"stop the sync {name}")


def trouble_of(alias: str, told: Mapping[str, Any]) -> exception.SyncError:
    """The error that an answer of s3sync is."""
    kind = exception.SyncRefused if told.get("kind") in _FOR_THE_USER else exception.SyncError
    return kind(f"{alias}: {told['error']}", hint=str(told.get("hint", "")))


def _words(output: bytes, errors: bytes) -> str:
    lines = (output + errors).decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else "no word"


def _file(name: str) -> str:
    return f"{SETTINGS}/{shlex.quote(name)}.json"


def _pid_file(name: str) -> str:
    return f"{_RUNTIME}/{shlex.quote(name)}.pid"


def _stop_script(name: str) -> str:
    """The pid may be another program's by now."""
    return (
        f"pid=$(cat {_pid_file(name)} 2>/dev/null || true)\n"
        'if [ -n "$pid" ] && grep -aq s3sync "/proc/$pid/cmdline" 2>/dev/null; then kill "$pid" || true; fi\n'
        f"rm -f {_pid_file(name)}"
    )


def _hook(folder: str, name: str) -> str:
    """An executable that the node's agent runs at the event, with the seconds that there are."""
    path = f"/etc/starcluster/{folder}/s3sync-{shlex.quote(name)}"
    text = f'#!/bin/sh\nexec {PROGRAM} push {shlex.quote(name)} --within "${{STARCLUSTER_SECONDS:-60}}"\n'
    return f"mkdir -p /etc/starcluster/{folder}; printf %s {shlex.quote(text)} > {path}; chmod 755 {path}"


def _pythons() -> Sequence[str]:
    _, lowest = s3bundle.lowest_python()
    return ["python3", *(f"python3.{minor}" for minor in range(lowest + _NEWER, lowest - 1, -1))]


def _install_script(target: str, size: int) -> str:
    """What is cut off on its way is not put in place."""
    lowest = s3bundle.lowest_python()
    draft = f"{target}.$$"
    return "\n".join(
        [
            "set -e; python=; seen=none",
            f"for one in {' '.join(_pythons())}; do",
            '  path=$(command -v "$one" || true); [ -n "$path" ] || continue',
            f'  if "$path" -c "import sys; sys.exit(sys.version_info < {lowest})"; then python=$path; break; fi',
            '  seen=$("$path" -V 2>&1)',
            "done",
            f'if [ -z "$python" ]; then echo "it has $seen" >&2; exit {_NO_PYTHON}; fi',
            f"mkdir -p {draft} $(dirname {PROGRAM})",
            f"cat > {draft}/archive",
            f'if [ "$(wc -c < {draft}/archive)" -ne {size} ]; then',
            f'  rm -rf {draft}; echo "it was cut off on its way" >&2; exit {_CUT_OFF}',
            "fi",
            f"tar -xzf {draft}/archive -C {draft} --no-same-owner; rm {draft}/archive; touch {draft}/whole",
            f"rm -rf {target}; mv {draft} {target}",
            f'printf \'#!/bin/sh\\nexec "%s" -I {target} "$@"\\n\' "$python" > {PROGRAM}.$$',
            f"chmod 755 {PROGRAM}.$$; mv {PROGRAM}.$$ {PROGRAM}",
        ]
    )

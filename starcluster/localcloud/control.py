"""The product's side of a local cloud: start it, ask it, stop it. Standard library only, quick to import."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from starcluster.localcloud import presence
from starcluster.localcloud.places import Places, digest

DOWN_LIMIT = 90.0
LAST_LINES = 40

# Daemons started by this process: kept, so that a dead one is buried when its state is asked for.
_started: list[int] = []
N = TypeVar("N", int, float)


class LocalCloudError(Exception):
    """The local cloud cannot do it; `hint` says what the user can do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def status(folder: Path) -> dict[str, Any] | None:
    """What cloud.json says, or None if the cloud is not up (or its daemon is dead)."""
    _started[:] = [pid for pid in _started if _exit_code(pid) is None]
    return _read(Places(folder))


def _read(places: Places) -> dict[str, Any] | None:
    try:
        facts: dict[str, Any] = json.loads(places.cloud_json.read_text())
    except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError):
        return None
    return facts if _is_daemon(int(facts.get("pid", 0)), places.folder) else None


def _is_daemon(pid: int, folder: Path) -> bool:
    """Whether `pid` is this cloud's daemon: a pid alone may have been given to another process since."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return os.fsencode(folder) in words


def up(
    folder: Path,
    *,
    speed: float | None = None,
    owner_pid: int | None = None,
    packages: bool = False,
    expose: bool = False,
    timeout: float = 60,
) -> dict[str, Any]:
    """Start the cloud unless it is up; returns cloud.json's content. Raises LocalCloudError.

    For programs that run other programs (tests, a demo), two variables stand in for what is not given here:
    STARCLUSTER_LOCAL_SPEED and STARCLUSTER_LOCAL_OWNER, the pid with whose death the cloud ends.
    """
    facts = _lasting(folder)
    if facts is not None:
        return facts
    speed = speed if speed is not None else _number("STARCLUSTER_LOCAL_SPEED", float)
    owner_pid = owner_pid if owner_pid is not None else _number("STARCLUSTER_LOCAL_OWNER", int)
    places = Places(folder)
    try:
        places.make()
    except PermissionError as error:
        raise LocalCloudError(f"cannot create {error.filename}", "the local cloud needs root") from error
    except OSError as error:
        raise LocalCloudError(f"cannot create {error.filename}: {error.strerror}") from error
    words = [sys.executable, "-m", "starcluster.localcloud.daemon", str(places.folder)]
    words += ["--speed", f"{speed:g}"] if speed is not None else []
    words += ["--owner-pid", str(owner_pid)] if owner_pid is not None else []
    words += ["--packages"] if packages else []
    words += ["--expose"] if expose else []
    return _wait_up(places, _spawn(places, words), timeout)


def _lasting(folder: Path) -> dict[str, Any] | None:
    """The cloud's facts if it is up; one whose owner is dead is about to end, and has time to."""
    facts = status(folder)
    owner = facts.get("owner_pid") if facts else None
    if facts is None or owner is None or Path(f"/proc/{owner}").exists():
        return facts
    _wait_gone(lambda: status(folder) is not None, f"daemon (pid {facts['pid']})")
    return None


def _number(variable: str, kind: Callable[[str], N]) -> N | None:
    text = os.environ.get(variable)
    if not text:
        return None
    try:
        return kind(text)
    except ValueError:
        raise LocalCloudError(f"{variable} is '{text}', not a number") from None


def _spawn(places: Places, words: list[str]) -> int:
    """Start the daemon in its own session, its words in log/daemon.log; its pid."""
    log_file = str(places.logs / "daemon.log")
    files = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, log_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    # Not subprocess: its objects complain when a process outlives the program that started it, as this one must.
    pid = os.posix_spawn(words[0], words, _child_env(), file_actions=files, setsid=True)
    _started.append(pid)
    return pid


def _exit_code(pid: int) -> int | None:
    """The exit status of a daemon that this process started; None while it runs."""
    try:
        ended, code = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return 0  # somebody else has waited for it
    return os.waitstatus_to_exitcode(code) if ended else None


def _child_env() -> dict[str, str]:
    """The daemon's environment: this very package, and none of the user's AWS settings."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MOTO_"))}
    root = str(Path(__file__).resolve().parents[2])
    env["PYTHONPATH"] = os.pathsep.join(filter(None, [root, env.get("PYTHONPATH", "")]))
    return env


def _wait_up(places: Places, pid: int, timeout: float) -> dict[str, Any]:
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        facts = _read(places)
        if facts is not None:
            return facts
        code = _exit_code(pid)
        if code is not None:
            return _after_exit(places, code)
        time.sleep(0.02)
    os.kill(pid, signal.SIGTERM)
    raise LocalCloudError(f"the local cloud was not up within {timeout:g} s", f"see {places.logs / 'daemon.log'}")


def _after_exit(places: Places, code: int) -> dict[str, Any]:
    """The daemon has ended: because another one was quicker (fine), or with an error to be told."""
    facts = status(places.folder)
    if facts is not None:
        return facts
    log_file = places.logs / "daemon.log"
    lines = [line for line in log_file.read_text(errors="replace").splitlines() if line.strip()][-LAST_LINES:]
    for line in reversed(lines):
        if line.startswith("{"):
            report = json.loads(line)
            raise LocalCloudError(str(report["error"]), str(report.get("hint", "")))
    last = lines[-1] if lines else f"exit status {code}"
    raise LocalCloudError(f"the local cloud did not start: {last}", f"see {log_file}")


def down(folder: Path, *, delete: bool = False) -> None:
    """End all nodes, the agent and the daemon. `delete` removes the folder too. Idempotent."""
    places = Places(folder)
    facts = status(folder)
    if facts is not None:
        call(folder, "down")
        _wait_gone(lambda: _is_daemon(int(facts["pid"]), places.folder), f"daemon (pid {facts['pid']})")
    else:
        _end_orphans(places)
    if delete and places.folder.exists():
        _refuse_foreign(places)
        shutil.rmtree(places.folder)
    shutil.rmtree(places.sockets, ignore_errors=True)


def _refuse_foreign(places: Places) -> None:
    """Never delete a folder that is not a local cloud's."""
    if places.lock.exists() or not any(places.folder.iterdir()):
        return
    raise LocalCloudError(f"{places.folder} is not a local cloud's folder", "nothing was deleted")


def _end_orphans(places: Places) -> None:
    """End hosts whose daemon is dead: by their agent, or by what holds them if that is dead too."""
    from starcluster.localcloud.hosts import plan, wire
    from starcluster.localcloud.hosts.client import Hosts, HostsError

    try:
        Hosts(places.agent_socket).quit()
    except HostsError:
        try:
            wire.ask(places.sockets / plan.HOLDER_SOCKET, {"op": "quit"}, timeout=DOWN_LIMIT)
        except OSError:
            return
    _wait_gone(lambda: digest(places.folder) in presence.names_of_living(), "hosts")


def _wait_gone(is_there: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DOWN_LIMIT
    while is_there():
        if time.monotonic() > deadline:
            raise LocalCloudError(f"the local cloud's {what} does not end", "kill its processes")
        time.sleep(0.02)


def call(folder: Path, op: str, *, timeout: float = 120, **arguments: Any) -> dict[str, Any]:
    """One control operation; its answer. Raises LocalCloudError."""
    path = str(Places(folder).control_socket)
    line = json.dumps({"op": op, **arguments}).encode() + b"\n"
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(timeout)
        try:
            link.connect(path)
        except OSError as error:
            raise LocalCloudError("the local cloud is not up", "starcluster local up") from error
        link.sendall(line)
        with link.makefile("rb") as stream:
            answer = stream.readline()
    if not answer:
        raise LocalCloudError(f"the local cloud's daemon died during '{op}'", "starcluster local up")
    result: dict[str, Any] = json.loads(answer)
    if "error" in result:
        raise LocalCloudError(str(result["error"]), str(result.get("hint", "")))
    return result


UNSET = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN")


def env(folder: Path) -> dict[str, str]:
    """The variables that make any AWS client speak to this cloud; UNSET names those to be removed."""
    facts = status(folder)
    if facts is None:
        raise LocalCloudError("the local cloud is not up", "starcluster local up")
    places = Places(folder)
    return {
        "STARCLUSTER_LOCAL": str(places.folder),
        "AWS_ENDPOINT_URL": facts["endpoint"],
        "AWS_ACCESS_KEY_ID": facts["access_key"],
        "AWS_SECRET_ACCESS_KEY": facts["secret_key"],
        "AWS_REGION": facts["region"],
        "AWS_DEFAULT_REGION": facts["region"],
        "AWS_CONFIG_FILE": str(places.folder / "aws" / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(places.folder / "aws" / "credentials"),
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false",
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": _no_proxy(),
    }


def _no_proxy() -> str:
    """The user's own exceptions, and the loopback."""
    before = os.environ.get("NO_PROXY") or os.environ.get("no_proxy") or ""
    names = [name.strip() for name in before.split(",") if name.strip()]
    return ",".join([*names, *(name for name in ("127.0.0.1", "localhost") if name not in names)])


def dial(folder: Path, host: str, port: int, *, timeout: float = 5) -> socket.socket:
    """A connection to a node's port; `host` is its public or private address or its public DNS name."""
    from starcluster.localcloud.dial import connect

    return connect(Places(folder), host, port, timeout=timeout)


def proxy_command(folder: Path) -> str:
    """A ProxyCommand for ssh, scp and rsync that works from every directory, with %h and %p in it."""
    script = Path(__file__).resolve().with_name("dial.py")
    words = [sys.executable, "-I", str(script), str(Places(folder).folder)]
    return " ".join([*(shlex.quote(word).replace("%", "%%") for word in words), "%h", "%p"])

"""How a process of the agent turns into a shell with the user's rights, folder and environment."""

from __future__ import annotations

import os
import pwd
import signal
import sys
from typing import Any, NoReturn

from starcluster.agent import files
from starcluster.agent.logfile import redirect

CAN_NOT_START = 126


def become(spec: dict[str, Any], command: str) -> NoReturn:
    """Exec the command under bash as the spec says; ends with CAN_NOT_START and a line in the log when it can not."""
    try:
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        redirect(spec["pipe"])
        environment = _become_user(spec)
        os.chdir(spec["workdir"])
        os.execve("/bin/bash", ["bash", "-lc", command], environment)
    except (OSError, KeyError, ValueError) as error:
        os.write(2, f"starcluster: the command can not be started: {error}\n".encode())
    os._exit(CAN_NOT_START)


def _become_user(spec: dict[str, Any]) -> dict[str, str]:
    """Take the user's rights and return the environment of a fresh login."""
    try:
        who = pwd.getpwnam(spec["run_as"]) if spec.get("run_as") else pwd.getpwuid(os.getuid())
    except KeyError:
        raise ValueError(f"there is no user '{spec.get('run_as')}' on this node") from None
    if who.pw_uid != os.getuid():
        os.chown(spec["pipe"], who.pw_uid, -1)  # programs open /dev/stderr anew
        os.initgroups(who.pw_name, who.pw_gid)
        os.setgid(who.pw_gid)
        os.setuid(who.pw_uid)
    environment = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG": os.environ.get("LANG", "C.UTF-8"),
        "HOME": who.pw_dir,
        "USER": who.pw_name,
        "LOGNAME": who.pw_name,
        "SHELL": who.pw_shell or "/bin/bash",
    }
    environment.update({str(key): str(value) for key, value in spec.get("environment", {}).items()})
    return environment


def main(arguments: list[str]) -> int:
    """`beside SPEC PID`: the checkpoint command of a running attempt, whose main process is PID."""
    spec = files.read_json(arguments[0]) if len(arguments) == 2 else None
    if spec is None or not spec.get("checkpoint_command"):
        sys.stderr.write("beside: SPEC PID\n")
        return 2
    spec["environment"] = dict(spec.get("environment") or {}, STARCLUSTER_PID=arguments[1])
    become(spec, str(spec["checkpoint_command"]))

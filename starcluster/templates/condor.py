"""HTCondor's configuration as a template, for plugins that set up the HTCondor of an image of their own.

This program sets up no queueing system itself (plugins/condor.py).
"""

from __future__ import annotations

_HOST = "$(CONDOR_HOST)"
_CLUSTER = f"$(FULL_HOSTNAME), {_HOST}, node*"
_SETTINGS = {
    "CONDOR_HOST": "%(CONDOR_HOST)s",
    "DAEMON_LIST": "%(DAEMON_LIST)s",
    "FS_REMOTE_DIR": "%(FS_REMOTE_DIR)s",
    "LOCAL_DIR": "/var/lib/condor",
    **{name: f"$(LOCAL_DIR)/{name.lower()}" for name in ("RUN", "LOCK", "SPOOL", "EXECUTE")},
    "LOG": "$(LOCAL_DIR)/logs",
    "UID_DOMAIN": _HOST,
    "FILESYSTEM_DOMAIN": _HOST,
    "TRUST_UID_DOMAIN": "True",
    "ALLOW_ADMINISTRATOR": f"{_HOST}, node*",
    **{f"ALLOW_{right}": _CLUSTER for right in ("OWNER", "READ", "WRITE")},
    "SCHEDD_HOST": f"{_HOST}@{_HOST}",
    "SCHEDD_NAME": "$(FULL_HOSTNAME)@$(FULL_HOSTNAME)",
    # jobs run to their end, and parallel ones go to the scheduler of the master
    **dict.fromkeys(("START", "CONTINUE"), "True"),
    **dict.fromkeys(("SUSPEND", "PREEMPT", "KILL", "WANT_SUSPEND", "WANT_VACATE"), "False"),
    "DedicatedScheduler": f'"DedicatedScheduler@{_HOST}"',
    "STARTD_ATTRS": "$(STARTD_ATTRS), DedicatedScheduler",
    "RANK": "Scheduler =?= $(DedicatedScheduler)",
    "SEC_DEFAULT_AUTHENTICATION_METHODS": "FS, FS_REMOTE",
}
condor_tmpl = "".join(f"{name} = {value}\n" for name, value in _SETTINGS.items())

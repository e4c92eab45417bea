"""Grid Engine's files as templates, for plugins that set up the Grid Engine of an image of their own.

This program sets up no queueing system itself (plugins/sge.py).
"""

from __future__ import annotations

_ROOT = "/opt/sge6"
_PORTS = {"QMASTER": "63231", "EXECD": "63232"}

# answers of Grid Engine's inst_sge -auto, by its names of them
_ANSWERS = {
    "SGE_ROOT": _ROOT,
    "SGE_CLUSTER_NAME": "starcluster",
    "CELL_NAME": "default",
    **{f"SGE_{daemon}_PORT": port for daemon, port in _PORTS.items()},
    "ADMIN_HOST_LIST": "%(admin_hosts)s",
    "SUBMIT_HOST_LIST": "%(submit_hosts)s",
    "EXEC_HOST_LIST": "%(exec_hosts)s",
    "EXEC_HOST_LIST_RM": "",
    "SHADOW_HOST": "",
    "ADMIN_USER": "",
    "ADMIN_MAIL": "none",
    "DEFAULT_DOMAIN": "none",
    "HOSTNAME_RESOLVING": "true",
    "GID_RANGE": "20000-20100",
    "SCHEDD_CONF": "1",
    "RESCHEDULE_JOBS": "wait",
    "SPOOLING_METHOD": "classic",
    "QMASTER_SPOOL_DIR": f"{_ROOT}/default/spool/qmaster",
    "EXECD_SPOOL_DIR": f"{_ROOT}/default/spool",
    "EXECD_SPOOL_DIR_LOCAL": f"{_ROOT}/default/spool/local",
    "DB_SPOOLING_SERVER": "none",
    "DB_SPOOLING_DIR": f"{_ROOT}/default/spooldb",
    "PAR_EXECD_INST_COUNT": "20",
    "SHELL_NAME": "ssh",
    "COPY_COMMAND": "scp",
    "SET_FILE_PERMS": "true",
    "ADD_TO_RC": "false",
    "REMOVE_RC": "true",
    "SGE_ENABLE_SMF": "false",
    "WINDOWS_SUPPORT": "false",
    "CSP_RECREATE": "false",
    "CSP_COPY_CERTS": "false",
}
sgeinstall_template = "".join(f'{name}="{value}"\n' for name, value in _ANSWERS.items())

# of a parallel environment; filled with its name and its slots
_ENVIRONMENT = {
    "pe_name": "%s",
    "slots": "%s",
    "user_lists": "NONE",
    "xuser_lists": "NONE",
    "start_proc_args": "/bin/true",
    "stop_proc_args": "/bin/true",
    "allocation_rule": "$fill_up",
    "control_slaves": "TRUE",
    "job_is_first_task": "FALSE",
    "urgency_slots": "min",
    "accounting_summary": "FALSE",
}
sge_pe_template = "".join(f"{name:<20}{value}\n" for name, value in _ENVIRONMENT.items())

_PROFILE = {
    "SGE_ROOT": _ROOT,
    "SGE_CELL": "default",
    "SGE_CLUSTER_NAME": "starcluster",
    **{f"SGE_{daemon}_PORT": port for daemon, port in _PORTS.items()},
    "PATH": "$PATH:$SGE_ROOT/bin/%(arch)s",
    "MANPATH": "$MANPATH:$SGE_ROOT/man",
    "DRMAA_LIBRARY_PATH": "$SGE_ROOT/lib/%(arch)s/libdrmaa.so",
}
sgeprofile_template = "".join(f'export {name}="{value}"\n' for name, value in _PROFILE.items())

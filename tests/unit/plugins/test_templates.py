"""The texts of queueing systems, filled as old plugins fill them."""

from __future__ import annotations

from starcluster.templates import condor, sge


def test_grid_engine_is_told_the_hosts() -> None:
    hosts = {"admin_hosts": "master node001", "submit_hosts": "master", "exec_hosts": "node001"}
    lines = (sge.sgeinstall_template % hosts).splitlines()
    assert 'ADMIN_HOST_LIST="master node001"' in lines
    assert {'SUBMIT_HOST_LIST="master"', 'EXEC_HOST_LIST="node001"', 'SGE_ROOT="/opt/sge6"'} <= {*lines}
    assert all(line.count('"') == 2 for line in lines)


def test_a_parallel_environment_and_a_profile() -> None:
    settings = dict(line.split() for line in (sge.sge_pe_template % ("orte", 8)).splitlines())
    assert (settings["pe_name"], settings["slots"], settings["allocation_rule"]) == ("orte", "8", "$fill_up")
    profile = sge.sgeprofile_template % {"arch": "lx-amd64"}
    assert 'export PATH="$PATH:$SGE_ROOT/bin/lx-amd64"' in profile.splitlines()


def test_condor_is_told_its_part() -> None:
    text = condor.condor_tmpl % {"CONDOR_HOST": "master", "DAEMON_LIST": "MASTER, STARTD", "FS_REMOTE_DIR": "/home/x"}
    assert {"CONDOR_HOST = master", "DAEMON_LIST = MASTER, STARTD", "FS_REMOTE_DIR = /home/x"} <= {*text.splitlines()}

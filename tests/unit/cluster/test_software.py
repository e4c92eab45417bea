"""What is run on a node to install packages: in a real bash, whose programs only note how they are called."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from starcluster import exception
from starcluster.cluster import software
from starcluster.cluster.software import PYTHON, Software
from tests.fakes.shell import Shell

# there are the packages whose names are lines of the file `there`; an install adds all names that are no option
ADD = 'for one in "$@"; do case $one in -*|*=*|install|update) ;; *) echo "$one" >> {there} ;; esac; done'
REFUSE = 'case "$*" in *install*nothing*) echo "E: Unable to locate package nothing" >&2; exit 100 ;; esac\n'


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    made = Shell(tmp_path)
    (tmp_path / "there").write_text("vim\n")
    return made


def debian(shell: Shell) -> Software:
    there = shell.folder / "there"
    shell.has("dpkg-query", body=f'for last; do :; done; grep -qx "$last" {there} && echo "install ok installed"')
    shell.has("apt-get", body=REFUSE + ADD.format(there=there))
    return on(shell)


def fedora(shell: Shell, yum: str) -> Software:
    there = shell.folder / "there"
    shell.has("rpm", body=f'for last; do :; done; grep -qx "$last" {there}')
    shell.has(
        yum, body=REFUSE.replace("E: Unable to locate package", "No match for argument:") + ADD.format(there=there)
    )
    return on(shell)


def on(shell: Shell) -> Software:
    return Software(cast("Any", SimpleNamespace(alias="node001", ssh=shell)))


def test_apt_installs_what_is_missing_at_once_and_asks_nothing(shell: Shell) -> None:
    debian(shell).install(["vim", "htop", "tree"])
    update, install = [call for call in shell.calls if call.startswith("apt-get")]
    assert update.endswith(" update")
    assert install.endswith(" install htop tree")
    for call in (update, install):
        assert " -y " in call
        assert "DPkg::Lock::Timeout=300" in call


def test_what_is_there_needs_no_network(shell: Shell) -> None:
    node = debian(shell)
    node.install(["htop"])
    shell.log.write_text("")
    node.install(["htop", "vim"])
    node.install([])
    assert "apt-get" not in shell.programs()


def test_the_package_that_can_not_be_had_is_named_and_the_others_come(shell: Shell) -> None:
    with pytest.raises(exception.RemoteCommandFailed) as caught:
        debian(shell).install(["htop", "nothing"])
    assert str(caught.value) == "could not be installed on node001: nothing (E: Unable to locate package nothing)"
    assert "--packages" in caught.value.hint
    assert "htop" in (shell.folder / "there").read_text().split()


@pytest.mark.parametrize("yum", ["dnf", "yum"])
def test_dnf_or_yum(shell: Shell, yum: str) -> None:
    node = fedora(shell, yum)
    with pytest.raises(exception.RemoteCommandFailed, match=r"nothing \(No match for argument: nothing\)"):
        node.install(["vim", "htop", "nothing"])
    assert f"{yum} -y -q install htop nothing" in shell.calls
    assert f"{yum} -y -q install htop" in shell.calls


def test_the_lists_are_waited_for(shell: Shell) -> None:
    node = debian(shell)
    busy = f'case "$*" in *update*) [ -e {shell.folder}/once ] || {{ touch {shell.folder}/once; '
    busy += 'echo "E: Could not get lock /var/lib/apt/lists/lock" >&2; exit 100; }; esac\n'
    shell.has("apt-get", body=busy + ADD.format(there=shell.folder / "there"))
    shell.has("sleep")
    node.install(["htop"])
    assert [call.split()[-1] for call in shell.calls if call.startswith(("apt-get", "sleep"))] == [
        "update",
        "10",
        "update",
        "htop",
    ]


def test_a_node_without_any_of_them(shell: Shell) -> None:
    with pytest.raises(exception.RemoteCommandFailed, match="status 1") as caught:
        on(shell).install(["htop"])
    assert "neither apt-get nor dnf nor yum" in caught.value.output


def test_a_command_of_the_users_own(shell: Shell) -> None:
    shell.has("conda", body='case "$*" in *bad*) echo "Error: no such thing"; exit 1 ;; esac')
    with pytest.raises(exception.RemoteCommandFailed, match=r"bad \(Error: no such thing\)"):
        on(shell).install_by("conda install -y %s", ["a>=1", "bad", "c[d]"])
    assert shell.calls == ["conda install -y a>=1", "conda install -y bad", "conda install -y c[d]"]


def test_pip_is_installed_where_the_users_command_wants_it(shell: Shell) -> None:
    node = debian(shell)
    shell.has("apt-get", body=f"echo python3-pip >> {shell.folder}/there; ln -sf {shell.bin}/apt-get {shell.bin}/pip")
    shell._link("ln")
    node.install_by("pip install --break-system-packages", ["a"])
    assert shell.calls[-1] == "pip install --break-system-packages a"


def test_the_venv_is_made_once_by_the_pythons_own_name() -> None:
    script = software.python_script(["numpy>=1,<2"])
    assert '"$(readlink -f "$(command -v python3)")" -m venv' in script
    assert f"venv={PYTHON};" in script
    assert "add_all 'numpy>=1,<2'" in script


def test_failures_are_read_from_what_is_printed() -> None:
    lines = ["something", "failed\ta\tE: no\ttab", "failed\tb", "installed\tc"]
    assert software.failures(lines) == [("a", "E: no\ttab"), ("b", "")]

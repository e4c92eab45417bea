"""Programs on a node: packages of its distribution, and Python packages in a place of their own.

What is there already is not asked for again, so that a set-up which is repeated needs no network. A package that can
not be had does not keep the others away, and is named.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

from starcluster import exception
from starcluster.cluster.nodebase import words
from starcluster.logger import log

if TYPE_CHECKING:
    from starcluster.cluster.node import Node

PYTHON = "/opt/starcluster/python"
_PROFILE = "/etc/profile.d/starcluster-python.sh"
_PATH_LINE = f'case ":$PATH:" in *:{PYTHON}/bin:*) ;; *) PATH={PYTHON}/bin:$PATH ;; esac'
_FAILED, _INSTALLED = "failed\t", "installed\t"
_PATIENCE = 1800  # seconds that another set-up may install on the same node
_NETWORK_HINT = (
    "is it the name that the nodes' distribution has, and can they reach the internet? "
    "On the local cloud: starcluster local up --packages"
)

# Another apt-get may be at work (a first boot, upgrades by themselves): it waits for dpkg's lock by itself, and not
# for the lists'. Services that a package starts must not keep our own lock, hence 9>&-.
_APT = """export DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=a
options="-y -q -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold"
there() {
  case $1 in
    *=*) [ "$(dpkg-query -W -f '${Status} ${Version}' "${1%%=*}" 2>/dev/null)" = "install ok installed ${1#*=}" ] ;;
    *) [ "$(dpkg-query -W -f '${Status}' "${1%/*}" 2>/dev/null)" = "install ok installed" ] ;;
  esac
}
refresh() {
  for turn in 1 2 3 4 5 6; do
    apt-get $options update > "$log" 2>&1 && return 0
    grep -q 'ould not get lock\\|nable to lock' "$log" || return 0
    sleep 10
  done
}
add() { apt-get $options install "$@" > "$log" 2>&1 9>&-; }
"""
_YUM = """yum=$(command -v dnf || command -v yum)
there() { rpm -q --whatprovides "$1" >/dev/null 2>&1; }
refresh() { :; }
add() { "$yum" -y -q install "$@" > "$log" 2>&1 9>&-; }
"""
_ONE_BY_ONE = """reason() {
  { grep -i 'error\\|^E:\\|no match\\|unable' "$log" || cat "$log"; } | tail -n1 | cut -c1-300
}
failed() { printf 'failed\\t%s\\t%s\\n' "$1" "$(reason)"; }
add_all() {
  if add "$@"; then return 0; fi
  for one in "$@"; do add "$one" || failed "$one"; done
}
"""


class Software:
    """What plugins ask of the packages on one node."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def install(self, packages: Sequence[str]) -> None:
        """Packages of the distribution, by apt or dnf or yum; RemoteCommandFailed names those that can not be had."""
        if packages:
            self._run(install_script(packages), "packages")

    def install_python(self, packages: Sequence[str]) -> str:
        """Python packages into PYTHON, a venv that sees the system's; the path of its python.

        Debian and its kin refuse pip system-wide (PEP 668), and what pip overwrites there breaks their tools.
        """
        self._run(python_script(packages), "Python packages")
        return f"{PYTHON}/bin/python"

    def install_by(self, command: str, packages: Sequence[str]) -> None:
        """Python packages, each by a command in which %s stands for it."""
        self._run(command_script(command, packages), "Python packages")

    def _run(self, script: str, kind: str) -> None:
        alias = self._node.alias
        lines = self._node.ssh.script(script, what=f"install {kind} on {alias}")
        failed = failures(lines)
        if failed:
            told = "; ".join(f"{name} ({why})" if why else name for name, why in failed)
            error = exception.RemoteCommandFailed(
                f"could not be installed on {alias}: {told}", f"install {kind}", 1, "\n".join(lines)
            )
            error.hint = _NETWORK_HINT
            raise error
        new = [line.partition("\t")[2] for line in lines if line.startswith(_INSTALLED)]
        if new:
            log.info("Installed on %s: %s", alias, " ".join(new))


def failures(lines: Sequence[str]) -> list[tuple[str, str]]:
    """(package, why) out of what a script printed."""
    rows = [line.split("\t", 2) for line in lines if line.startswith(_FAILED)]
    return [(row[1], row[2].strip() if len(row) > 2 else "") for row in rows]


def install_script(packages: Sequence[str]) -> str:
    """Installs what is missing, all at once; if that fails one after the other."""
    return (
        f"{_begin('packages')}"
        f"if command -v apt-get >/dev/null; then\n{_APT}"
        f"elif command -v dnf >/dev/null || command -v yum >/dev/null; then\n{_YUM}"
        "else echo 'it has neither apt-get nor dnf nor yum' >&2; return 1; fi\n"
        "missing=\n"
        f'for one in {words(packages)}; do there "$one" || missing="$missing $one"; done\n'
        '[ -n "$missing" ] || return 0\n'
        "refresh\n"
        "add_all $missing\n"
        'for one in $missing; do ! there "$one" || printf "installed\\t%s\\n" "$one"; done\n'
    )


def python_script(packages: Sequence[str]) -> str:
    """Makes the venv where there is none, and has pip install what is missing; the system's pip serves if there is one.

    Debian has pip, and what makes one in a venv, in packages of their own.
    """
    return (
        f"{_begin('python-packages')}"
        f"venv={PYTHON}; python=$venv/bin/python\n"
        'pip() { "$python" -m pip --disable-pip-version-check --no-input "$@" > "$log" 2>&1; }\n'
        "if ! pip --version; then\n"
        'rm -rf "$venv"; mkdir -p "$venv"\n'
        # by its own name: behind a link of another folder a venv does not find its standard library
        '"$(readlink -f "$(command -v python3)")" -m venv --without-pip --system-site-packages "$venv"\n'
        'if ! pip --version && ! "$python" -m ensurepip > "$log" 2>&1; then\n'
        f"if command -v apt-get >/dev/null; then\n(\n{install_script(['python3-venv'])})\n"
        f"else\n(\n{install_script(['python3-pip'])})\nfi\n"
        'pip --version || "$python" -m ensurepip > "$log" 2>&1 || { failed pip; return 0; }\n'
        "fi\nfi\n"
        '[ -e "$venv/bin/pip" ] || printf \'#!/bin/sh\\nexec %s -m pip "$@"\\n\' "$python" > "$venv/bin/pip"\n'
        'chmod 755 "$venv/bin/pip"\n'
        f"printf '%s\\n' {shlex.quote(_PATH_LINE)} > {_PROFILE}; chmod 644 {_PROFILE}\n"
        'add() { pip install -q "$@"; }\n'
        f"add_all {words(packages)}\n"
    )


def command_script(command: str, packages: Sequence[str]) -> str:
    """The user's own command, once for each package; pip is installed where it is wanted and missing."""
    lines = [_begin("python-packages")]
    program = command.split()[0]
    if program in ("pip", "pip3"):
        lines.append(f"if ! command -v {program} >/dev/null; then\n(\n{install_script(['python3-pip'])})\nfi")
    for package in packages:
        one = shlex.quote(package)
        whole = command.replace("%s", one) if "%s" in command else f"{command} {one}"
        lines.append(f'{{ {whole}; }} > "$log" 2>&1 || failed {one}')
    return "\n".join(lines)


def _begin(name: str) -> str:
    """One such script at a time, and a file for what the installers say."""
    return (
        f"mkdir -p /run/lock; exec 9>/run/lock/starcluster-{name}; flock -w {_PATIENCE} 9\n"
        "umask 022; set -f; log=$(mktemp); trap 'rm -f \"$log\"' EXIT\n"
        f"{_ONE_BY_ONE}"
    )

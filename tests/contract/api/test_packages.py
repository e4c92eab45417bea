"""`local up --packages`, with a registry of this test's own on the loopback in the place of the world's."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from starcluster.localcloud import control
from tests.contract.api.conftest import RealCloud, until
from tests.fakes.registry import add_thing, serve

PROXY = "http://169.254.169.253:3128"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PyPI index with one wheel and a Debian archive with one package."""
    folder = tmp_path_factory.mktemp("registry")
    add_thing(folder)
    with serve(folder) as address:
        yield address


@pytest.fixture(scope="module")
def opened(registry: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RealCloud, str]]:
    """A cloud with --packages, and a node in it."""
    folder = tmp_path_factory.mktemp("packages") / "local"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIP_INDEX_URL", f"{registry}/simple")
        patch.setenv("PIP_CONFIG_FILE", os.devnull)
        control.up(folder, speed=200, owner_pid=os.getpid(), packages=True)
    cloud = RealCloud(folder=folder)
    try:
        yield cloud, cloud.run()
    finally:
        control.down(folder, delete=True)


def test_pip_installs(opened: tuple[RealCloud, str]) -> None:
    cloud, node = opened
    cloud.on(node, "python3 -m pip install -q --disable-pip-version-check --target /tmp/x lctestthing")
    assert cloud.on(node, "cd /tmp/x && python3 -c 'import lctestthing; print(lctestthing.word)'") == "installed"


def test_apt_installs(opened: tuple[RealCloud, str], registry: str) -> None:
    cloud, node = opened
    only = "-o Dir::Etc::sourcelist=/root/only.list -o Dir::Etc::sourceparts=/dev/null -q"
    cloud.on(node, f"echo 'deb [trusted=yes] {registry}/debian ./' > /root/only.list && apt-get {only} update")
    cloud.on(node, f"DEBIAN_FRONTEND=noninteractive apt-get {only} install -y lctestthing")
    assert cloud.on(node, "cat /usr/share/lctestthing/word") == "installed"
    assert not Path("/usr/share/lctestthing").exists()


def test_other_places_stay_out_of_reach(opened: tuple[RealCloud, str]) -> None:
    cloud, node = opened
    port = cloud.facts["endpoint"].rpartition(":")[2]
    api = f"curl -s -m 10 -o /dev/null -w '%{{http_code}}' -x {PROXY} http://127.0.0.1:{port}/"
    assert cloud.on(node, api) == "403"
    direct = cloud.ssh(node, f"curl -s -m 2 --noproxy '*' http://127.0.0.1:{port}/")
    assert direct.returncode != 0


def test_packages_outlive_daemon_and_agent(opened: tuple[RealCloud, str], registry: str) -> None:
    cloud, node = opened
    fetch = f"curl -sf -m 10 -x {PROXY} {registry}/simple/lctestthing/"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIP_INDEX_URL", f"{registry}/simple")
        os.kill(cloud.facts["pid"], 9)
        until(lambda: control.status(cloud.folder) is None)
        assert control.up(cloud.folder, owner_pid=os.getpid())["packages"] is True
    assert "lctestthing" in cloud.on(node, fetch)
    os.kill(cloud.facts["agent_pid"], 9)
    until(lambda: cloud.ssh(node, fetch).returncode == 0)


def test_without_packages_nothing_answers(cloud: RealCloud) -> None:
    node = cloud.run()
    cloud.on(node, "true")
    assert cloud.facts["packages"] is False
    dial = cloud.ssh(node, "timeout 2 bash -c 'echo > /dev/tcp/169.254.169.253/3128'")
    assert dial.returncode != 0
    assert cloud.ssh(node, "ls /etc/pip.conf /etc/apt/sources.list /etc/apt/sources.list.d/*").returncode != 0

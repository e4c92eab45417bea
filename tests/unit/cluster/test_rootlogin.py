"""Images whose root may not log in, and what user data such an image is given."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from starcluster import exception
from starcluster.cluster import rootlogin, userdata

ADVICE = 'Please login as the user "ubuntu" rather than the user "root".\n\n'
BARRED = (142, ADVICE.encode(), b"")
FINE = (0, b"", b"")


class Machine:
    """A node that answers root with `answers`, one after another, and its user with `sudo`."""

    alias, id, dns_name = "node001", "i-1", "host"

    def __init__(self, *answers: Any, login_user: str = "", sudo: tuple[int, bytes, bytes] = FINE) -> None:
        self.answers, self.sudo = list(answers), sudo
        self.asked: list[str] = []
        self.ssh = SimpleNamespace(run=self._root)
        self.access = SimpleNamespace(login_user=login_user, client=self._client)

    def _root(self, command: str) -> Any:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _client(self, instance_id: str, host: str, *, user: str, label: str) -> Any:
        return _Client(self, user)

    def forget_connection(self) -> None:
        self.asked.append("forgotten")


class _Client:
    def __init__(self, machine: Machine, user: str) -> None:
        self.machine, self.user = machine, user

    def __enter__(self) -> _Client:
        return self

    def __exit__(self, *_: object) -> None: ...

    def run(self, command: str, *, data: bytes) -> tuple[int, bytes, bytes]:
        self.machine.asked.append(f"{self.user}: {command}")
        return self.machine.sudo


@pytest.mark.parametrize(
    ("said", "user"),
    [
        (ADVICE, "ubuntu"),
        ("Please login as the user ec2-user instead of the user root.", "ec2-user"),
        ("Please log in as the user admin rather than the user root", "admin"),
        ("Please log in as another user than root.", ""),
        ("", ""),
    ],
)
def test_the_machine_says_whom_to_take(said: str, user: str) -> None:
    assert rootlogin.advised(said) == user


def test_a_root_that_may_log_in_is_all_that_is_needed() -> None:
    machine = Machine(FINE)
    rootlogin.check(machine)  # type: ignore[arg-type]
    assert machine.asked == []


@pytest.mark.parametrize(
    ("answer", "login_user", "who"),
    [
        (BARRED, "", "ubuntu"),
        (BARRED, "carol", "carol"),
        (exception.SSHAuthException("refused"), "admin", "admin"),
        ((1, b"no root here", b""), "admin", "admin"),
    ],
)
def test_the_other_user_lets_root_in(answer: Any, login_user: str, who: str) -> None:
    machine = Machine(answer, FINE, login_user=login_user)
    rootlogin.check(machine)  # type: ignore[arg-type]
    assert machine.asked == ["forgotten", f"{who}: sudo -n bash -s"]


def test_a_refusal_without_a_user_stays_one() -> None:
    with pytest.raises(exception.SSHAuthException, match="refused"):
        rootlogin.check(Machine(exception.SSHAuthException("refused")))  # type: ignore[arg-type]
    with pytest.raises(exception.SSHAuthException, match="status 3"):
        rootlogin.check(Machine((3, b"", b"nologin")))  # type: ignore[arg-type]


def test_a_sudo_that_wants_a_password_is_told() -> None:
    machine = Machine(BARRED, sudo=(1, b"", b"sudo: a password is required"))
    with pytest.raises(exception.SSHAuthException, match="a password is required") as caught:
        rootlogin.check(machine)  # type: ignore[arg-type]
    assert "LOGIN_USER" in caught.value.hint


def test_a_door_that_stays_shut_is_told() -> None:
    with pytest.raises(exception.SSHAuthException, match="although ubuntu"):
        rootlogin.check(Machine(BARRED, BARRED))  # type: ignore[arg-type]


# --- user data


def test_without_cloudinit_the_scripts_are_all_there_is() -> None:
    assert userdata.build("a", (), cloudinit=False) == b""
    assert userdata.build("a", ("#!/bin/sh\ntrue\n",), cloudinit=False) == b"#!/bin/sh\ntrue\n"
    assert b"disable_root: false" in userdata.build("a")


def test_several_scripts_are_run_in_their_order_by_their_own_shells(tmp_path: Path) -> None:
    scripts = (f"#!/bin/sh\necho 'one' >> {tmp_path}/out\n", f"#!/usr/bin/env bash\nx=(two); echo $x >> {tmp_path}/out")
    whole = tmp_path / "whole"
    whole.write_bytes(userdata.build("a", scripts, cloudinit=False))
    subprocess.run(["sh", str(whole)], check=True)
    assert (tmp_path / "out").read_text() == "one\ntwo\n"
    with pytest.raises(exception.ClusterValidationError):
        userdata.build("a", ("#!/bin/sh\n" + "#" * 9000,) * 2, cloudinit=False)

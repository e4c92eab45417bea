"""Faults that lose an answer, or the connection."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest

from starcluster.localcloud.api import gate
from starcluster.localcloud.api.faults import CONNECTION_RESET, CUT_ANSWER, Fault, Faults, When


class Connection:
    def __init__(self) -> None:
        self.is_open = True

    def shutdown(self, how: int) -> None:
        self.is_open = False


class Quiet:
    def call(self, **_: Any) -> None: ...


class Anybody:
    """The owner's keys: no role says what they may not."""

    def may(self, *_: object) -> bool:
        return True


def answer(fault: Fault) -> tuple[gate.Reply, bool, bool]:
    """What a call is answered with, whether it was carried out, whether its connection is open."""
    executed = []

    def app(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        executed.append("RunInstances")
        start("200 OK", [])
        return [b"<fine/>"]

    faults, connection = Faults(), Connection()
    faults.add(fault)
    made = gate.Gate(
        app, s3=None, roles=Anybody(), keys=None, faults=faults, log=Quiet(), hosts=frozenset, commit=lambda: None,  # type: ignore[arg-type]
    )  # fmt: skip
    call = gate.Call(request=None, service="ec2", action="RunInstances", ids=[])  # type: ignore[arg-type]
    scope = type("Scope", (), {"service": "ec2"})
    reply = made._served({"werkzeug.socket": connection}, call, scope, SimpleNamespace(role=""))  # type: ignore[arg-type]
    return reply, bool(executed), connection.is_open


def fault(code: str, when: When) -> Fault:
    return Fault(action="*", code=code, status=500, message="", times=1, probability=1, when=when)


@pytest.mark.parametrize("code", ["InternalError", CONNECTION_RESET])
@pytest.mark.parametrize("when", list(When))
def test_a_fault_comes_before_or_after_the_call_is_carried_out(code: str, when: When) -> None:
    reply, executed, is_open = answer(fault(code, when))
    assert (reply.error, executed, is_open) == (code, when is When.AFTER, code != CONNECTION_RESET)


@pytest.mark.parametrize("when", list(When))
def test_an_answer_may_be_cut_short(when: When) -> None:
    reply, executed, is_open = answer(fault(CUT_ANSWER, when))
    assert (reply.status, executed, is_open) == (200, when is When.AFTER, True)
    with pytest.raises(ElementTree.ParseError):
        ElementTree.fromstring(reply.body)
    if when is When.AFTER:
        assert b"<fine/>".startswith(reply.body)
        assert reply.body

"""The WSGI middleware in front of moto: who may ask, what is held or refused on order, what is written down."""

from __future__ import annotations

import contextlib
import datetime
import logging
import re
import socket
import time
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qsl

from starcluster.localcloud.api.calls import CallLog
from starcluster.localcloud.api.cloud import Keys
from starcluster.localcloud.api.errors import http_status
from starcluster.localcloud.api.faults import CONNECTION_RESET, CUT_ANSWER, Fault, Faults, When
from starcluster.localcloud.api.roles import Caller, Roles, caller_of
from starcluster.localcloud.api.s3door import S3Door
from starcluster.localcloud.api.signature import BadSignature, Scope, SignedRequest, read_claim, verify
from starcluster.localcloud.api.wire import (
    Call,
    Environ,
    client_alive,
    error_body,
    read_action,
    read_head,
    read_request,
    read_tags,
    status_line,
)

log = logging.getLogger(__name__)

SERVICES = frozenset({"ec2", "iam", "sts", "s3", "ssm", "pricing"})
S3 = "s3"
ERROR_CODE = re.compile(rb"<Code>([^<]+)</Code>")
JSON_ERROR_CODE = re.compile(rb'"__type": ?"(?:[^"#]*#)?([^"]+)"')
JSON_FORM = "ssm"  # a service whose errors are JSON
READING = ("Describe", "Get", "List", "Lookup", "Head")

App = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]


class Reply:
    """A complete answer, before it is sent. S3's objects come as `chunks` of `length` bytes, the rest as a `body`."""

    def __init__(
        self, status: int, headers: list[tuple[str, str]], body: bytes, *,
        chunks: Iterable[bytes] | None = None, length: int | None = None,
    ) -> None:  # fmt: skip
        self.status = status
        self.headers = headers
        self.body = body
        self.chunks = [body] if chunks is None else chunks
        self.length = len(body) if length is None else length

    @property
    def error(self) -> str | None:
        """AWS's error code, if it is one."""
        if self.status < 400:
            return None
        found = ERROR_CODE.search(self.body) or JSON_ERROR_CODE.search(self.body)
        return found.group(1).decode() if found else str(self.status)


def refusal(service: str, code: str, message: str, status: int | None = None) -> Reply:
    kind, body = error_body(service, code, message)
    return Reply(status or http_status(code), [("Content-Type", kind)], body)


def _failed(environ: Environ, call: Call, fault: Fault, reply: Reply | None = None) -> Reply:
    """The answer that a fault makes of the call's own `reply`; none reaches the client whose connection is closed."""
    if fault.code == CUT_ANSWER:
        whole = reply.body if reply is not None else f"<{call.action}Response><requestId>".encode()
        return Reply(200, [("Content-Type", "text/xml")], whole[: max(1, len(whole) // 2)])
    if fault.code == CONNECTION_RESET:
        connection = environ.get("werkzeug.socket")
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        return refusal(call.service, fault.code, fault.message, 499)
    return refusal(call.service, fault.code, fault.message, fault.status)


class ClientGone(Exception):
    """The client of a held call is not there any more."""


class Gate:
    """Lets calls through to `app`, those of S3 to `s3`: signed by keys of the cloud, for this very host.

    `services`: what is to be had at this address.
    """

    def __init__(
        self, app: App, *, s3: S3Door, roles: Roles, keys: Keys, faults: Faults, log: CallLog,
        hosts: Callable[[], frozenset[str]], commit: Callable[[], None], services: frozenset[str] = SERVICES,
    ) -> None:  # fmt: skip
        self._app = app
        self._s3 = s3
        self._roles = roles
        self._services = services
        self._keys = keys
        self._faults = faults
        self._log = log
        self._hosts = hosts
        self._commit = commit

    def __call__(self, environ: Environ, start: Callable[..., Any]) -> Iterable[bytes]:
        began = time.time()
        reply, call = self._answer(environ)
        self._log.call(
            action=call.action if call else "", service=call.service if call else "", began=began,
            ids=call.ids if call else [], error=reply.error, status=reply.status,
            client=call.client if call else "", tags=call.tags if call else {},
        )  # fmt: skip
        headers = [(name, value) for name, value in reply.headers if name.lower() != "content-length"]
        start(status_line(reply.status), [*headers, ("Content-Length", str(reply.length))])
        return reply.chunks

    def _answer(self, environ: Environ) -> tuple[Reply, Call | None]:
        # Against DNS rebinding: a web page that made its own name point here cannot send another Host.
        if environ.get("HTTP_HOST", "") not in self._hosts():
            return refusal("ec2", "AuthFailure", "This address is not served here", 403), None
        request = read_head(environ)
        claimed = _claimed_service(request)
        request = request if claimed == S3 else read_request(environ)
        try:
            scope, caller = self._signed_by(request)
        except BadSignature as bad:
            return refusal(claimed, bad.code, bad.message), None
        if scope.service == S3 and S3 in self._services:
            return self._of_s3(environ, request, scope, caller)
        action, ids = read_action(request)
        call = Call(request=request, service=scope.service, action=action, ids=ids, tags=read_tags(request))
        return self._served(environ, call, scope, caller), call

    def _signed_by(self, request: SignedRequest) -> tuple[Scope, Caller]:
        claim, now = read_claim(request), _now()
        token = request.headers.get("x-amz-security-token") or _presigned(request).get("X-Amz-Security-Token", "")
        caller = caller_of(self._keys, claim.scope.access_key, token, now.timestamp())
        return verify(request, caller.access_key, caller.secret_key, now), caller

    def _of_s3(self, environ: Environ, request: SignedRequest, scope: Scope, caller: Caller) -> tuple[Reply, Call]:
        s3_call = self._s3.read(environ, request, scope)
        call = Call(request=request, service=S3, action=self._s3.action(s3_call), ids=[s3_call.bucket, s3_call.key])
        try:
            answer = self._s3.answer(environ, s3_call, caller)
        except Exception:
            log.exception("s3 %s failed", call.action)
            return refusal(S3, "InternalError", "An internal error has occurred (see log/daemon.log)", 500), call
        body = b"" if answer.status < 400 else b"".join(answer.body)
        chunks = answer.body if answer.status < 400 else [body]
        return Reply(answer.status, answer.headers, body, chunks=chunks, length=answer.length), call

    def _served(self, environ: Environ, call: Call, scope: Scope, caller: Caller) -> Reply:
        if scope.service not in self._services:
            form = JSON_FORM if "x-amz-target" in call.request.headers else scope.service
            return refusal(form, "InvalidAction", f"The local cloud has no service '{scope.service}'")
        if not self._roles.may(caller.role, f"{scope.service}:{call.action}", "*", {}):
            code = "UnauthorizedOperation" if scope.service == "ec2" else "AccessDenied"
            return refusal(call.service, code, f"The role {caller.role} may not {call.action}", 403)
        fault = self._faults.strike(call.action)
        if fault is not None and fault.when is When.BEFORE:
            return _failed(environ, call, fault)
        try:
            reply = self._held(environ, call)
        except ClientGone:
            return refusal(call.service, "RequestCanceled", "The client has gone", 499)
        return reply if fault is None else _failed(environ, call, fault, reply)

    def _held(self, environ: Environ, call: Call) -> Reply:
        hold = self._faults.claim(call.action)
        connection = environ.get("werkzeug.socket")

        def alive() -> bool:
            return client_alive(connection)

        if hold is not None and hold.when is When.BEFORE and not self._faults.park(hold, alive):
            raise ClientGone
        reply = self._passed_on(environ, call)
        if not call.action.startswith(READING):
            self._commit()
        if hold is not None and hold.when is When.AFTER and not self._faults.park(hold, alive):
            raise ClientGone
        return reply

    def _passed_on(self, environ: Environ, call: Call) -> Reply:
        """moto's answer; whatever is not one is turned into an error that a client can read."""
        caught: list[Any] = []

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
            caught[:] = [int(status.split()[0]), headers]

        try:
            body = b"".join(self._app(environ, start))
        except NotImplementedError:
            text = f"The action {call.action} is not valid for this web service: the local cloud lacks it."
            return refusal(call.service, "InvalidAction", text)
        except Exception:
            log.exception("%s %s failed", call.service, call.action)
            return refusal(call.service, "InternalError", "An internal error has occurred (see log/daemon.log)")
        status, headers = caught
        if status >= 400 and b"<html" in body[:400].lower():
            log.error("%s %s was answered with HTML: %s", call.service, call.action, body[:200])
            return refusal(call.service, "InternalError", "An internal error has occurred (see log/daemon.log)")
        return Reply(status, headers, body)


def _claimed_service(request: SignedRequest) -> str:
    stated = _presigned(request).get("X-Amz-Credential", "")
    found = re.search(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/", request.headers.get("authorization", ""))
    found = found or re.fullmatch(r"[^/]+/\d+/[^/]+/([^/]+)/[^/]+", stated)
    return found.group(1) if found else "ec2"


def _presigned(request: SignedRequest) -> dict[str, str]:
    return dict(parse_qsl(request.query)) if "X-Amz-" in request.query else {}


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)

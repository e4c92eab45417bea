"""S3's side of the gate: its calls are read and answered as streams, and struck by the same faults as EC2's."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from typing import Any

from starcluster.localcloud.api.faults import CONNECTION_RESET, CUT_ANSWER, Fault, Faults, OfS3, When
from starcluster.localcloud.api.http import KEEP
from starcluster.localcloud.api.roles import Caller, Roles
from starcluster.localcloud.api.signature import Scope, SignedRequest
from starcluster.localcloud.api.wire import Environ, client_alive
from starcluster.localcloud.s3.answer import Answer
from starcluster.localcloud.s3.calls import S3Call
from starcluster.localcloud.s3.errors import HTTP_STATUS, S3Error
from starcluster.localcloud.s3.service import S3, refused

_CHUNK = 1 << 18


class _Counted:
    """A body of known length that knows how much of it was read."""

    def __init__(self, stream: Any, length: int) -> None:
        self._stream, self.left = stream, length

    def read(self, size: int) -> bytes:
        found: bytes = self._stream.read(min(size, self.left))
        self.left -= len(found)
        return found

    def readline(self, size: int) -> bytes:
        found: bytes = self._stream.readline(min(size, self.left))
        self.left -= len(found)
        return found


class S3Door:
    """Answers calls whose signature has been checked."""

    def __init__(self, s3: S3, faults: Faults, roles: Roles) -> None:
        self._s3, self._faults, self._roles = s3, faults, roles

    def action(self, call: S3Call) -> str:
        return call.action or f"{call.method} {call.bucket}/{call.key}"

    def read(self, environ: Environ, request: SignedRequest, scope: Scope) -> S3Call:
        length = str(environ.get("CONTENT_LENGTH") or "0")
        source = _Counted(environ["wsgi.input"], int(length) if length.isdecimal() else 0)
        headers = {**request.headers, "content-length": length}
        return S3Call.read(
            method=request.method, path=request.path, query=request.query, headers=headers, source=source,
            region=scope.region,
        )  # fmt: skip

    def answer(self, environ: Environ, call: S3Call, caller: Caller) -> Answer:
        fault = self._faults.strike(OfS3(call.action))
        connection = environ.get("werkzeug.socket")
        if fault is not None and fault.when is When.BEFORE:
            answer = self._failed(call, fault, connection)
        else:
            answer = self._held(call, caller, connection)
        if fault is not None and fault.when is When.AFTER and fault.code not in (CUT_ANSWER, CONNECTION_RESET):
            answer = self._error(call, fault)
        elif fault is not None and fault.code in (CUT_ANSWER, CONNECTION_RESET):
            answer.body = _Cut(answer, connection, nothing=fault.code == CONNECTION_RESET)
            return answer
        environ[KEEP] = isinstance(call.source, _Counted) and call.source.left == 0
        return answer

    def _failed(self, call: S3Call, fault: Fault, connection: socket.socket | None) -> Answer:
        """What comes of a call that is not carried out; a cut connection breaks in the middle of what is sent."""
        if fault.code == CONNECTION_RESET and isinstance(call.source, _Counted):
            half = call.source.left // 2
            while call.source.left > half and call.source.read(min(_CHUNK, call.source.left - half)):
                pass
        return self._error(call, fault)

    @staticmethod
    def _error(call: S3Call, fault: Fault) -> Answer:
        answer = refused(call, S3Error(fault.code, fault.message))
        answer.status = HTTP_STATUS.get(fault.code, fault.status)
        return answer

    def _held(self, call: S3Call, caller: Caller, connection: socket.socket | None) -> Answer:
        hold = self._faults.claim(OfS3(call.action))

        def wait() -> None:
            if hold is not None:
                self._faults.park(hold, lambda: client_alive(connection))

        if hold is not None and hold.when is When.BEFORE:
            wait()
        answer = self._s3.answer(call, self._permission(call, caller))
        if hold is not None and hold.when is When.AFTER:
            wait()
        return answer

    def _permission(self, call: S3Call, caller: Caller) -> Any:
        context = {"s3:prefix": call.query["prefix"]} if "prefix" in call.query else {}
        return lambda action, resource: self._roles.may(caller.role, action, resource, context)


class _Cut:
    """Half of a body (`nothing`: none of it), then the connection is gone."""

    def __init__(self, answer: Answer, connection: socket.socket | None, *, nothing: bool) -> None:
        self._body, self._left, self._connection = answer.body, answer.length // 2, connection
        if nothing:
            self._left = 0
            _shut(connection)

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._body:
            if self._left <= 0:
                break
            yield chunk[: self._left]
            self._left -= len(chunk)
        _shut(self._connection)

    def close(self) -> None:
        if hasattr(self._body, "close"):
            self._body.close()


def _shut(connection: socket.socket | None) -> None:
    if connection is not None:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)

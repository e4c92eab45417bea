"""The HTTP side of a call: reading a request from WSGI, and errors in the form of each AWS protocol."""

from __future__ import annotations

import io
import json
import re
import secrets
import select
import socket
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from starcluster.localcloud.api.signature import SignedRequest

Environ = dict[str, Any]
_TAG_OF_A_KIND = re.compile(r"TagSpecification\.(\d+)\.Tag\.\d+\.Key")
BODY_LIMIT = 64 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Call:
    """One API call as it came in."""

    request: SignedRequest
    service: str
    action: str
    ids: list[str]
    tags: dict[str, list[str]] = field(default_factory=dict)  # kind of what is made -> keys that it is given at once

    @property
    def client(self) -> str:
        """The program that asks, by the first word of what it says of itself, or by its own addition at the end."""
        words = self.request.headers.get("user-agent", "").split()
        return (words[-1] if words[-1].startswith("starcluster") else words[0]) if words else ""


def read_request(environ: Environ) -> SignedRequest:
    """Read the body and put it back for the application."""
    length = min(int(environ.get("CONTENT_LENGTH") or 0), BODY_LIMIT)
    body = environ["wsgi.input"].read(length)
    environ["wsgi.input"] = io.BytesIO(body)
    return replace(read_head(environ), body=body)


def read_head(environ: Environ) -> SignedRequest:
    """The request without its body."""
    headers = {
        name[5:].replace("_", "-").lower(): str(value) for name, value in environ.items() if name.startswith("HTTP_")
    }
    headers["content-type"] = environ.get("CONTENT_TYPE", "")
    headers["content-length"] = str(environ.get("CONTENT_LENGTH", ""))
    path, _, query = str(environ.get("REQUEST_URI") or environ.get("PATH_INFO", "/")).partition("?")
    return SignedRequest(method=environ["REQUEST_METHOD"], path=path, query=query, headers=headers, body=b"")


def read_action(request: SignedRequest) -> tuple[str, list[str]]:
    """The action of a call and the resource ids among its parameters."""
    target = request.headers.get("x-amz-target", "")
    if target:
        return target.rpartition(".")[2], []
    form = _form(request)
    action = (form.get("Action") or [""])[0]
    if not action:
        return f"{request.method} {request.path}", []
    ids = [
        value
        for name, values in form.items()
        for value in values
        if name.split(".")[0].endswith(("Id", "Ids", "Name", "Resource", "ResourceId", "ClientToken"))
    ]
    return action, ids


def _form(request: SignedRequest) -> dict[str, list[str]]:
    """The parameters of a call in the query protocol."""
    form = parse_qs(request.body.decode("utf-8", "replace")) if b"Action=" in request.body else {}
    return form or parse_qs(request.query)


def read_tags(request: SignedRequest) -> dict[str, list[str]]:
    """The keys of the tags that a call gives to what it makes, by the kind of resource."""
    form = _form(request)
    found: dict[str, list[str]] = {}
    for name, values in form.items():
        match = _TAG_OF_A_KIND.fullmatch(name)
        if match:
            kind = (form.get(f"TagSpecification.{match.group(1)}.ResourceType") or [""])[0]
            found.setdefault(kind, []).extend(values)
    return found


def error_body(service: str, code: str, message: str) -> tuple[str, bytes]:
    """Content type and body of an error as the service's clients expect it."""
    request_id = secrets.token_hex(16)
    code, text = escape(code), escape(message)
    if service in ("ssm", "pricing"):
        return "application/x-amz-json-1.1", json.dumps({"__type": code, "message": message}).encode()
    if service == "s3":
        body = f"<Error><Code>{code}</Code><Message>{text}</Message><RequestId>{request_id}</RequestId></Error>"
    elif service in ("sts", "iam"):
        body = (
            f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{text}</Message></Error>"
            f"<RequestId>{request_id}</RequestId></ErrorResponse>"
        )
    else:
        body = (
            f"<Response><Errors><Error><Code>{code}</Code><Message>{text}</Message></Error></Errors>"
            f"<RequestID>{request_id}</RequestID></Response>"
        )
    return "text/xml", ('<?xml version="1.0" encoding="UTF-8"?>\n' + body).encode()


def status_line(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"{status} Unknown"


def client_alive(connection: socket.socket | None) -> bool:
    """Whether the other end of a connection is still there: a closed one reads as empty."""
    if connection is None:
        return True
    # Asked first: a socket with a time limit waits for data in spite of MSG_DONTWAIT.
    ready = select.poll()
    ready.register(connection, select.POLLIN)
    try:
        return not ready.poll(0) or connection.recv(1, socket.MSG_PEEK) != b""
    except OSError:
        return False

"""A small forward proxy that leads to the registries of this machine and nowhere else.

GET and HEAD of plain HTTP (apt's way) and CONNECT (everybody's way with HTTPS). It never looks into what it carries.
"""

from __future__ import annotations

import http.client
import logging
import socket
import sys
from base64 import b64encode
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from starcluster.localcloud.api import pump
from starcluster.localcloud.api.registries import PORTS, Registries

log = logging.getLogger(__name__)

IDLE_SECONDS = 120
CHUNK = 1 << 16
# for one hop only, RFC 9110 7.6.1
HOP_HEADERS = frozenset(
    {
        *("connection", "proxy-connection", "keep-alive", "proxy-authorization", "proxy-authenticate"),
        *("te", "trailer", "transfer-encoding", "upgrade", "host"),
    }
)


class WayOut:
    """How a registry is reached from here: directly, or by the machine's own proxy."""

    def __init__(self, registries: Registries) -> None:
        self._registries = registries

    def leads_to(self, scheme: str, host: str, port: int) -> bool:
        """Whether a node may go there."""
        known = self._registries.https if scheme == "https" else self._registries.http
        return (host.lower(), port) in known

    def request(self, host: str, port: int) -> tuple[http.client.HTTPConnection, bool]:
        """A connection for one plain request, and whether that needs its whole address."""
        proxy = self._proxy("http", host)
        if proxy is None:
            return http.client.HTTPConnection(host, port, timeout=IDLE_SECONDS), False
        return _to_proxy(proxy), True

    def tunnel(self, host: str, port: int) -> socket.socket:
        """A connection to the place itself."""
        proxy = self._proxy("https", host)
        if proxy is None:
            return socket.create_connection((host, port), timeout=IDLE_SECONDS)
        through = _to_proxy(proxy)
        through.set_tunnel(host, port, headers=proxy_headers(proxy))
        through.connect()
        return through.sock

    def headers(self, host: str) -> dict[str, str]:
        """What the machine's proxy wants to hear in a plain request."""
        proxy = self._proxy("http", host)
        return {} if proxy is None else proxy_headers(proxy)

    def _proxy(self, scheme: str, host: str) -> SplitResult | None:
        known = self._registries.proxies
        if scheme not in known or goes_direct(host, known.get("no", "")):
            return None
        return urlsplit(known[scheme] if "://" in known[scheme] else f"http://{known[scheme]}")


def goes_direct(host: str, exceptions: str) -> bool:
    """Whether NO_PROXY names the host, its domain, or everything."""
    names = [one.strip().lstrip(".").lower() for one in exceptions.split(",") if one.strip()]
    return any(one == "*" or host.lower() == one or host.lower().endswith(f".{one}") for one in names)


def _to_proxy(proxy: SplitResult) -> http.client.HTTPConnection:
    kind = http.client.HTTPSConnection if proxy.scheme == "https" else http.client.HTTPConnection
    return kind(proxy.hostname or "", proxy.port or PORTS.get(proxy.scheme, 80), timeout=IDLE_SECONDS)


def proxy_headers(proxy: SplitResult) -> dict[str, str]:
    """The name and the password that are in the proxy's address."""
    if proxy.username is None:
        return {}
    pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": f"Basic {b64encode(pair.encode()).decode()}"}


class Handler(BaseHTTPRequestHandler):
    """One client of the proxy."""

    protocol_version = "HTTP/1.1"
    server_version = "localcloud"
    sys_version = ""
    timeout = IDLE_SECONDS
    server: Proxy

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        try:
            host, port = url.hostname or "", url.port or PORTS["http"]
        except ValueError:
            host, port = "", 0
        if url.scheme != "http" or not host or "Content-Length" in self.headers or "Transfer-Encoding" in self.headers:
            self._refuse(HTTPStatus.BAD_REQUEST, "plain requests for packages only")
        elif not self.server.way_out.leads_to("http", host, port):
            self._refuse_place(host, port)
        else:
            self._fetch(url, host, port)

    do_HEAD = do_GET

    def do_CONNECT(self) -> None:
        host, _, port = self.path.rpartition(":")
        if not port.isdigit() or not self.server.way_out.leads_to("https", host.strip("[]"), int(port)):
            self._refuse_place(host, port)
            return
        try:
            there = self.server.way_out.tunnel(host.strip("[]"), int(port))
        except OSError as error:
            self._refuse(HTTPStatus.BAD_GATEWAY, f"{host} cannot be reached: {error}")
            return
        self.close_connection = True
        with there:
            self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            for end in (there, self.connection):
                end.settimeout(IDLE_SECONDS)
            pump.join(self.connection, there)

    def _fetch(self, url: SplitResult, host: str, port: int) -> None:
        connection, whole = self.server.way_out.request(host, port)
        target = url.geturl() if whole else url._replace(scheme="", netloc="").geturl() or "/"
        try:
            connection.putrequest(self.command, target, skip_host=True, skip_accept_encoding=True)
            for name, value in self._sent_headers(url, host):
                connection.putheader(name, value)
            connection.endheaders()
            answer = connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            self._refuse(HTTPStatus.BAD_GATEWAY, f"{host} cannot be reached: {error}")
            return
        with answer:
            self._pass_on(answer)
        connection.close()

    def _sent_headers(self, url: SplitResult, host: str) -> Iterator[tuple[str, str]]:
        yield "Host", url.netloc.rpartition("@")[2]
        yield from _passed(self.headers.items(), self.headers.get("Connection", ""))
        yield from self.server.way_out.headers(host).items()
        yield "Connection", "close"

    def _pass_on(self, answer: http.client.HTTPResponse) -> None:
        self.send_response_only(answer.status, answer.reason)
        for name, value in _passed(answer.getheaders(), answer.getheader("Connection", "")):
            self.send_header(name, value)
        length = answer.length
        if length is None:
            self.close_connection = True
            self.send_header("Connection", "close")
        self.end_headers()
        sent = 0
        while data := answer.read(CHUNK):
            self.wfile.write(data)
            sent += len(data)
        if length is not None and sent < length:
            self.close_connection = True  # the registry broke off; so do we, that the client sees it

    def _refuse_place(self, host: str, port: object) -> None:
        log.warning("%s asked for %s port %s, which is no registry of this machine", self.client_address[0], host, port)
        self._refuse(HTTPStatus.FORBIDDEN, "not a package registry of this machine")

    def _refuse(self, status: HTTPStatus, reason: str) -> None:
        self.close_connection = True
        self.send_error(status, reason.splitlines()[0])

    def log_message(self, *args: Any) -> None:
        log.debug("%s %s", self.client_address[0], args[0] % args[1:])


def _passed(headers: Any, connection: str) -> Iterator[tuple[str, str]]:
    named = {name.strip().lower() for name in connection.split(",")}
    return ((name, value) for name, value in headers if name.lower() not in HOP_HEADERS | named)


class Proxy(ThreadingHTTPServer):
    """Serves on a socket that listens already, in whatever network that was made."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, sock: socket.socket, way_out: WayOut) -> None:
        super().__init__(sock.getsockname()[:2], Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = sock
        self.way_out = way_out

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A node that hangs up in the middle is no news; anything else is logged, and the next one is served."""
        if not isinstance(sys.exc_info()[1], OSError):
            log.exception("the request of %s failed", client_address)

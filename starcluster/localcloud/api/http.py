"""The HTTP server under the gate: werkzeug's, with an end of its own to each call."""

from __future__ import annotations

import logging
import selectors
import socket
from typing import Any

from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import BaseWSGIServer, make_server

log = logging.getLogger(__name__)

# What the application says in the environ when the request was read to its end and the next one may follow it.
KEEP = "localcloud.keep"
MOST_UNREAD = 1 << 28
UNREAD_WAIT = 0.01


class Handler(MotoRequestHandler):
    """Sends at once, and writes no access log: calls.jsonl is that.

    A connection ends with its call unless the application says KEEP, as S3 does: its clients make thousands of calls.
    """

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 300

    def run_wsgi(self) -> None:
        if self.headers.get("Expect", "").strip().lower() == "100-continue":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self.environ = environ = self.make_environ()
        told: list[Any] = []

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
            told[:] = [status, headers]

        chunks = self.server.app(environ, start)
        try:
            self._send(told[0], told[1], keep=bool(environ.get(KEEP)))
            for chunk in chunks:
                self.wfile.write(chunk)
            self.wfile.flush()
        except OSError as error:
            log.debug("an answer was not sent: %s", error)
            self.close_connection = True
        finally:
            if hasattr(chunks, "close"):
                chunks.close()
        if self.close_connection:
            self._drain()

    def _send(self, status: str, headers: list[tuple[str, str]], *, keep: bool) -> None:
        code, _, phrase = status.partition(" ")
        self.send_response(int(code), phrase)
        for name, value in headers:
            self.send_header(name, value)
        if not keep:
            self.send_header("Connection", "close")  # the server's own flag follows from it
        self.end_headers()

    def _drain(self) -> None:
        """Read what is still coming: a connection closed with unread bytes is reset, and the answer lost with it."""
        with selectors.DefaultSelector() as selector:
            selector.register(self.connection, selectors.EVENT_READ)
            total = 0
            while total < MOST_UNREAD and selector.select(timeout=UNREAD_WAIT):
                try:
                    data = self.connection.recv(1 << 20)
                except OSError:
                    return
                if not data:
                    return
                total += len(data)

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - werkzeug's own name
        logging.getLogger("werkzeug").log(logging.DEBUG if type == "info" else logging.WARNING, message, *args)


def listen(app: Any, host: str, port: int, *, sock: socket.socket | None = None) -> BaseWSGIServer:
    """A server of the application, on that address or on a socket that listens already."""
    fd = sock.fileno() if sock is not None else None
    server = make_server(host, port, app, threaded=True, request_handler=Handler, fd=fd)
    server.daemon_threads = True  # type: ignore[attr-defined]
    return server

"""The instance metadata service, version 2: one server on 169.254.169.254 for all nodes of the cloud.

Nodes are told apart by their source address. `lookup` yields the tree of an address:

    {"instance-id": "i-...", "spot": {"instance-action": "..."}, ...}   shown below /latest/meta-data/
    "dynamic": {...}                                                    shown below /latest/dynamic/
    "user-data": base64 text, or absent
    "_http_tokens": "required" or "optional", "_hop_limit": 1           never shown

A missing key is a 404. A key like "0=my-key" is listed as it is and found as "0", as EC2 does for public-keys.
"""

import base64
import logging
import re
import secrets
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

Tree = Mapping[str, Any]
Lookup = Callable[[str], Tree | None]

TOKEN_PATH = "/latest/api/token"
TOKEN_HEADER = "X-aws-ec2-metadata-token"
TTL_HEADER = "X-aws-ec2-metadata-token-ttl-seconds"
TTL_MOST = 21600
VERSIONS = ("1.0", "2007-01-19", "2011-01-01", "2016-09-02", "2021-03-23", "latest")
CATEGORIES = ("dynamic", "meta-data", "user-data")
IDLE_SECONDS = 60
SMALL_NUMBER = re.compile("[0-9]{1,5}")

log = logging.getLogger("localcloud.imds")


class Tokens:
    """Session tokens: each belongs to one address and ends with its time."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._tokens: dict[str, tuple[str, float]] = {}

    def issue(self, address: str, seconds: int) -> str:
        """A new token for that address."""
        token = base64.b64encode(secrets.token_bytes(42)).decode()
        now = self._clock()
        with self._lock:
            self._tokens = {one: value for one, value in self._tokens.items() if value[1] > now}
            self._tokens[token] = (address, now + seconds)
        return token

    def good(self, token: str, address: str) -> bool:
        """Whether the token is known, is this address's, and has time left."""
        with self._lock:
            owner, end = self._tokens.get(token, ("", 0.0))
        return owner == address and end > self._clock()


def find(tree: Tree, path: str) -> str | bytes | None:
    """What a path such as /latest/meta-data/placement/ holds: a text, a listing, user data, or None."""
    version, *rest = [unquote(part) for part in path.split("/") if part] or [""]
    if not version:
        return "\n".join(VERSIONS)
    if version not in VERSIONS:
        return None
    if not rest:
        return "\n".join(one for one in CATEGORIES if one == "meta-data" or one in tree)
    category, *parts = rest
    if category == "user-data":
        return None if parts or tree.get("user-data") is None else base64.b64decode(tree["user-data"])
    if category not in CATEGORIES:
        return None
    return _descend(_shown(tree) if category == "meta-data" else tree.get("dynamic"), parts)


def _shown(tree: Tree) -> Tree:
    hidden = ("user-data", "dynamic")
    return {key: value for key, value in tree.items() if key not in hidden and not key.startswith("_")}


def _descend(place: Any, parts: list[str]) -> str | None:
    for part in parts:
        if not isinstance(place, Mapping):
            return None
        key = next((key for key in place if key == part or key.startswith(f"{part}=")), None)
        place = None if key is None else place[key]
    if place is None:
        return None
    return _listing(place) if isinstance(place, Mapping) else str(place)


def _listing(place: Tree) -> str:
    """Names, one a line; what has something below it ends in a slash, unless EC2 shows it with its name."""
    folders = (f"{key}/" if isinstance(value, Mapping) and "=" not in key else key for key, value in place.items())
    return "\n".join(folders)


class Handler(BaseHTTPRequestHandler):
    """Answers as EC2 does: 400, 401, 403, 404 and 405 where EC2 gives them."""

    protocol_version = "HTTP/1.1"
    server_version = "EC2ws"
    sys_version = ""
    timeout = IDLE_SECONDS
    server: "Server"

    def do_PUT(self) -> None:
        self._skip_body()
        tree = self._tree()
        if tree is None or urlsplit(self.path).path != TOKEN_PATH:
            self._refuse(HTTPStatus.NOT_FOUND)
            return
        if "X-Forwarded-For" in self.headers:
            self._refuse(HTTPStatus.FORBIDDEN)
            return
        ttl = str(self.headers.get(TTL_HEADER, ""))
        if not (SMALL_NUMBER.fullmatch(ttl) and 1 <= int(ttl) <= TTL_MOST):
            self._refuse(HTTPStatus.BAD_REQUEST)
            return
        # the answer with the token dies on its way to whoever is more hops away than allowed
        self.connection.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, int(tree.get("_hop_limit", 1)))
        token = self.server.tokens.issue(self.client_address[0], int(ttl))
        self._answer(HTTPStatus.OK, token.encode(), {TTL_HEADER: ttl})

    def do_GET(self) -> None:
        self._skip_body()
        tree = self._tree()
        if tree is None:
            self._refuse(HTTPStatus.NOT_FOUND)
        elif not self._authorized(tree):
            self._refuse(HTTPStatus.UNAUTHORIZED)
        else:
            found = find(tree, urlsplit(self.path).path)
            if found is None:
                self._refuse(HTTPStatus.NOT_FOUND)
            else:
                self._answer(HTTPStatus.OK, found.encode() if isinstance(found, str) else found)

    do_HEAD = do_GET

    def do_POST(self) -> None:
        self._skip_body()
        self._refuse(HTTPStatus.METHOD_NOT_ALLOWED)

    do_DELETE = do_PATCH = do_OPTIONS = do_POST

    def _tree(self) -> Tree | None:
        return self.server.lookup(self.client_address[0])

    def _authorized(self, tree: Tree) -> bool:
        token = self.headers.get(TOKEN_HEADER)
        if token is None:
            return bool(tree.get("_http_tokens", "required") != "required")
        address: str = self.client_address[0]
        return self.server.tokens.good(str(token), address)

    def _skip_body(self) -> None:
        """A body would be taken for the next request; one without a plain length ends the connection."""
        length = str(self.headers.get("Content-Length", "0"))
        if "Transfer-Encoding" in self.headers or not SMALL_NUMBER.fullmatch(length):
            self.close_connection = True
        else:
            self.rfile.read(int(length))

    def _refuse(self, status: HTTPStatus) -> None:
        page = f"<html><head><title>{status.value} - {status.phrase}</title></head></html>\n"
        self._answer(status, page.encode(), {"Content-Type": "text/html"})

    def _answer(self, status: HTTPStatus, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "text/plain", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        log.debug("%s %s", self.client_address[0], args[0] % args[1:])


class Server(ThreadingHTTPServer):
    """Serves on a socket that listens already, wherever that was made."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, sock: socket.socket, lookup: Lookup, tokens: Tokens) -> None:
        super().__init__(sock.getsockname()[:2], Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = sock
        self.lookup = lookup
        self.tokens = tokens

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A node that hangs up in the middle is no news; anything else is logged, and the next one is served."""
        if not isinstance(sys.exc_info()[1], OSError):
            log.exception("the request of %s failed", client_address)


class ServerThread(threading.Thread):
    """The running service."""

    def __init__(self, server: Server) -> None:
        super().__init__(target=server.serve_forever, name="imds", daemon=True)
        self._server = server

    def stop(self) -> None:
        """Serve no more and close the socket."""
        self._server.shutdown()
        self._server.server_close()


def serve(sock: socket.socket, lookup: Lookup, *, tokens: Tokens | None = None) -> ServerThread:
    """Serve the metadata on a listening socket in a thread of its own, until the process ends or `stop()`.

    `lookup(address)` is called for every request, from several threads, and returns the tree of the node
    with that address, or None. Tokens end with this process.
    """
    thread = ServerThread(Server(sock, lookup, tokens or Tokens()))
    thread.start()
    return thread

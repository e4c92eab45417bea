"""The proxy for packages, with a registry of this test's own on the loopback."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

import pytest

from starcluster.localcloud.api.proxy import Proxy, WayOut, goes_direct
from starcluster.localcloud.api.registries import Registries

CONTENT = b"a package" * 50_000


class Registry(BaseHTTPRequestHandler):
    """Answers every path, notes what it was asked; /endless has no length; /short breaks off."""

    protocol_version = "HTTP/1.1"
    asked: list[tuple[str, dict[str, str]]]

    def do_GET(self) -> None:
        self.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        self.send_response(200)
        if not self.path.endswith("/endless"):
            self.send_header("Content-Length", str(len(CONTENT)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        if self.command == "GET":
            self.wfile.write(CONTENT[:100] if self.path.endswith("/short") else CONTENT)

    do_HEAD = do_GET

    def log_message(self, *args: object) -> None:
        """Silence."""


def serving(server: ThreadingHTTPServer) -> int:
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    return int(server.server_port)


@pytest.fixture
def registry() -> Iterator[ThreadingHTTPServer]:
    Registry.asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    serving(server)
    yield server
    server.shutdown()
    server.server_close()


Start = Callable[..., int]


@pytest.fixture
def proxy(registry: ThreadingHTTPServer) -> Iterator[Start]:
    """Starts a proxy that knows the registry; its port."""
    started: list[Proxy] = []
    place = frozenset({("127.0.0.1", registry.server_port)})

    def start(**proxies: str) -> int:
        known = Registries(sources={}, keyrings={}, pip={}, certificates=None, http=place, https=place, proxies=proxies)
        sock = socket.create_server(("127.0.0.1", 0))
        started.append(Proxy(sock, WayOut(known)))
        threading.Thread(target=started[-1].serve_forever, args=(0.01,), daemon=True).start()
        return int(sock.getsockname()[1])

    yield start
    for one in started:
        one.shutdown()
        one.server_close()


class Answer(NamedTuple):
    status: int
    body: bytes
    connection: str | None


def get(port: int, url: str, *, method: str = "GET", **headers: str) -> Answer:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as link:
        link.request(method, url, headers=headers)
        with link.getresponse() as answer:
            return Answer(answer.status, answer.read(), answer.getheader("Connection"))


def test_a_package_comes_through(registry: ThreadingHTTPServer, proxy: Start) -> None:
    place = f"http://127.0.0.1:{registry.server_port}"
    answer = get(proxy(), f"{place}/pool/a.deb?x=1", Range="bytes=0-", Cookie="c")
    assert (answer.status, answer.body) == (200, CONTENT)
    path, headers = Registry.asked[0]
    assert (path, headers["host"], headers["range"]) == ("/pool/a.deb?x=1", place[7:], "bytes=0-")
    assert "proxy-connection" not in headers


def test_a_connection_serves_more_than_one_request(registry: ThreadingHTTPServer, proxy: Start) -> None:
    link = http.client.HTTPConnection("127.0.0.1", proxy(), timeout=10)
    for method, content in (("HEAD", b""), ("GET", CONTENT), ("GET", CONTENT)):
        link.request(method, f"http://127.0.0.1:{registry.server_port}/a")
        before = link.sock
        assert link.getresponse().read() == content
        assert link.sock is before is not None
    link.close()


def test_an_answer_without_a_length_ends_with_the_connection(registry: ThreadingHTTPServer, proxy: Start) -> None:
    answer = get(proxy(), f"http://127.0.0.1:{registry.server_port}/endless")
    assert (answer.connection, answer.body) == ("close", CONTENT)


def test_an_answer_that_broke_off_is_seen_as_such(registry: ThreadingHTTPServer, proxy: Start) -> None:
    with pytest.raises(http.client.IncompleteRead):
        get(proxy(), f"http://127.0.0.1:{registry.server_port}/short")


def test_other_places_are_refused(registry: ThreadingHTTPServer, proxy: Start) -> None:
    port = proxy()
    for url in ("http://127.0.0.1:1/a", f"http://localhost:{registry.server_port}/a"):
        assert get(port, url).status == 403
    for url in ("/a", "ftp://127.0.0.1/a", f"https://127.0.0.1:{registry.server_port}/a", "http://127.0.0.1:x/"):
        assert get(port, url).status == 400
    assert get(port, f"http://127.0.0.1:{registry.server_port}/a", **{"Content-Length": "0"}).status == 400
    for place in ("127.0.0.1:1", "127.0.0.1", f"localhost:{registry.server_port}"):
        assert get(port, place, method="CONNECT").status == 403
    assert get(port, f"http://127.0.0.1:{registry.server_port}/a", method="POST").status == 501
    assert not Registry.asked


def through(port: int, goal: int) -> bytes:
    """What the registry says at the end of a tunnel."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as link:
        link.set_tunnel("127.0.0.1", goal)
        link.request("GET", "/in-the-tunnel")
        with link.getresponse() as answer:
            return answer.read()


def test_a_tunnel_carries_what_it_is_given(registry: ThreadingHTTPServer, proxy: Start) -> None:
    assert through(proxy(), registry.server_port) == CONTENT
    assert Registry.asked[0][0] == "/in-the-tunnel"


def test_the_machines_own_proxy_is_used(registry: ThreadingHTTPServer, proxy: Start) -> None:
    """Two in a row: the first asks the second, which asks the registry."""
    outer = f"http://me:w%40rd@127.0.0.1:{proxy()}"
    inner = proxy(http=outer, https=outer)
    place = f"http://127.0.0.1:{registry.server_port}"
    assert get(inner, f"{place}/a").body == CONTENT
    assert through(inner, registry.server_port) == CONTENT
    as_registry = proxy(http=place)
    get(as_registry, f"{place}/whole")
    assert [path for path, _ in Registry.asked] == ["/a", "/in-the-tunnel", f"{place}/whole"]


def test_a_registry_that_is_away_is_a_bad_gateway(registry: ThreadingHTTPServer, proxy: Start) -> None:
    gone = socket.create_server(("127.0.0.1", 0))
    dead = f"http://127.0.0.1:{gone.getsockname()[1]}"
    gone.close()
    port = proxy(http=dead, https=dead)
    assert get(port, f"http://127.0.0.1:{registry.server_port}/a").status == 502
    assert get(port, f"127.0.0.1:{registry.server_port}", method="CONNECT").status == 502


@pytest.mark.parametrize(
    ("host", "exceptions", "direct"),
    [
        ("a.example", "", False),
        ("a.example", "example", True),
        ("a.example", "b, .example", True),
        ("bexample", "example", False),
        ("a", "*", True),
    ],
)
def test_exceptions_from_the_proxy(host: str, exceptions: str, direct: bool) -> None:
    assert goes_direct(host, exceptions) is direct

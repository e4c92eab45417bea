"""The metadata service over real sockets on the loopback, asked as nodes and their tools ask it."""

import base64
import contextlib
import http.client
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from starcluster.localcloud.hosts import imds

TREE = {
    "instance-id": "i-0123456789abcdef0",
    "placement": {"availability-zone": "us-east-1a"},
    "public-keys": {"0=my-key": {"openssh-key": "ssh-ed25519 AAAA"}},
    "tags": {"instance": {"@sc-alias": "my node"}},
    "dynamic": {"instance-identity": {"document": "{}"}},
    "user-data": base64.b64encode(b"\x00#!/bin/sh\n").decode(),
    "_http_tokens": "required",
    "_hop_limit": 2,
}
TOKEN = "X-aws-ec2-metadata-token"
TTL = "X-aws-ec2-metadata-token-ttl-seconds"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Service:
    """A running service with a tree for each address, and a client that asks it from an address."""

    def __init__(self) -> None:
        self.trees: dict[str, Any] = {"127.0.0.1": TREE}
        self.clock = Clock()
        listening = socket.create_server(("127.0.0.1", 0))
        self.port = listening.getsockname()[1]
        self.thread = imds.serve(listening, self.look_up, tokens=imds.Tokens(self.clock))

    def look_up(self, address: str) -> Any:
        if self.trees.get(address) == "broken":
            raise RuntimeError("no tree today")
        return self.trees.get(address)

    def ask(self, method: str, path: str, address: str = "127.0.0.1", **headers: str) -> tuple[int, bytes, Any]:
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5, source_address=(address, 0))
        with contextlib.closing(client):
            client.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
            response = client.getresponse()
            return response.status, response.read(), response.headers

    def token(self, address: str = "127.0.0.1", seconds: int = 60) -> str:
        status, body, headers = self.ask("PUT", "/latest/api/token", address, **{TTL: str(seconds)})
        assert (status, headers[TTL]) == (200, str(seconds))
        return body.decode()

    def get(self, path: str, address: str = "127.0.0.1") -> tuple[int, bytes]:
        return self.ask("GET", path, address, **{TOKEN: self.token(address)})[:2]


@pytest.fixture(scope="module")
def running() -> Iterator[Service]:
    one = Service()
    yield one
    one.thread.stop()


@pytest.fixture
def service(running: Service) -> Service:
    running.trees = {"127.0.0.1": TREE}
    return running


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/latest/meta-data/instance-id", b"i-0123456789abcdef0"),
        ("/latest/meta-data/placement/availability-zone/", b"us-east-1a"),
        ("/2021-03-23/meta-data/instance-id", b"i-0123456789abcdef0"),
        ("/latest/meta-data/placement", b"availability-zone"),
        ("/latest/meta-data/", b"instance-id\nplacement/\npublic-keys/\ntags/"),
        ("/latest/meta-data/public-keys/", b"0=my-key"),
        ("/latest/meta-data/public-keys/0/openssh-key", b"ssh-ed25519 AAAA"),
        ("/latest/meta-data/tags/instance/%40sc-alias", b"my node"),
        ("/latest/dynamic/instance-identity/document", b"{}"),
        ("/latest/user-data", b"\x00#!/bin/sh\n"),
        ("/latest/", b"dynamic\nmeta-data\nuser-data"),
    ],
)
def test_paths_that_are_there(service: Service, path: str, body: bytes) -> None:
    assert service.get(path) == (200, body)


@pytest.mark.parametrize(
    "path",
    [
        "/latest/meta-data/spot/instance-action",
        "/latest/meta-data/instance-id/more",
        "/latest/meta-data/user-data",
        "/latest/meta-data/_http_tokens",
        "/latest/user-data/x",
        "/1999-01-01/meta-data/",
        "/latest/api/token",
    ],
)
def test_paths_that_are_not_there(service: Service, path: str) -> None:
    assert service.get(path)[0] == 404


def test_versions_end_with_latest(service: Service) -> None:
    assert service.get("/")[1].splitlines()[-1] == b"latest"


def test_without_user_data_there_is_none(service: Service) -> None:
    service.trees["127.0.0.1"] = {"instance-id": "i-1"}
    assert service.get("/latest/user-data")[0] == 404
    assert service.get("/latest/")[1] == b"meta-data"


def test_a_token_is_required(service: Service) -> None:
    assert service.ask("GET", "/latest/meta-data/instance-id")[0] == 401
    assert service.ask("GET", "/latest/meta-data/instance-id", **{TOKEN: "made-up"})[0] == 401


def test_tokens_may_be_optional_but_not_wrong(service: Service) -> None:
    service.trees["127.0.0.1"] = {**TREE, "_http_tokens": "optional"}
    assert service.ask("GET", "/latest/meta-data/instance-id")[0] == 200
    assert service.ask("GET", "/latest/meta-data/instance-id", **{TOKEN: "made-up"})[0] == 401


def test_a_token_ends_with_its_time(service: Service) -> None:
    token = service.token(seconds=30)
    service.clock.now += 29
    assert service.ask("GET", "/latest/meta-data/", **{TOKEN: token})[0] == 200
    service.clock.now += 2
    assert service.ask("GET", "/latest/meta-data/", **{TOKEN: token})[0] == 401


def test_a_token_is_good_for_its_own_node_only(service: Service) -> None:
    service.trees["127.0.0.2"] = {"instance-id": "i-2"}
    token = service.token("127.0.0.1")
    assert service.ask("GET", "/latest/meta-data/instance-id", "127.0.0.2", **{TOKEN: token})[0] == 401
    assert service.get("/latest/meta-data/instance-id", "127.0.0.2") == (200, b"i-2")


@pytest.mark.parametrize("ttl", ["", "0", "21601", "-1", "ten", "٣", "1" * 5000])
def test_a_token_needs_a_lifetime_in_range(service: Service, ttl: str) -> None:
    headers = {TTL: ttl.encode()} if ttl else {}
    assert service.ask("PUT", "/latest/api/token", **headers)[0] == 400  # type: ignore[arg-type]


def test_the_longest_lifetime_is_granted(service: Service) -> None:
    assert service.token(seconds=21600)


def test_a_forwarded_request_for_a_token_is_refused(service: Service) -> None:
    headers = {TTL: "60", "X-Forwarded-For": "10.0.0.1"}
    assert service.ask("PUT", "/latest/api/token", **headers)[0] == 403


def test_a_stranger_sees_nothing(service: Service) -> None:
    assert service.ask("GET", "/latest/meta-data/", "127.0.0.9")[0] == 404
    assert service.ask("PUT", "/latest/api/token", "127.0.0.9", **{TTL: "60"})[0] == 404


def test_other_methods_are_not_allowed(service: Service) -> None:
    assert service.ask("POST", "/latest/meta-data/")[0] == 405
    assert service.ask("DELETE", "/latest/meta-data/")[0] == 405


def test_head_has_the_headers_without_the_body(service: Service) -> None:
    status, body, headers = service.ask("HEAD", "/latest/meta-data/instance-id", **{TOKEN: service.token()})
    assert (status, body, headers["Content-Length"]) == (200, b"", str(len("i-0123456789abcdef0")))


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\r\n",
        b"GET\r\n\r\n",
        b"\xff\xfe\x00 / HTTP/9.9\r\n\r\n",
        b"GET /latest/meta-data/%ff%00/.. HTTP/1.1\r\nHost\r\n\r\n",
        b"GET http://[bad/ HTTP/1.1\r\n\r\n",
        b"PUT /latest/api/token HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        b"GET /" + b"a" * 70000 + b" HTTP/1.1\r\n\r\n",
    ],
)
def test_malformed_requests_leave_it_running(service: Service, request_bytes: bytes) -> None:
    with socket.create_connection(("127.0.0.1", service.port), timeout=5) as raw:
        raw.sendall(request_bytes)
        raw.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            while raw.recv(65536):
                pass
    assert service.get("/latest/meta-data/instance-id")[0] == 200


def test_a_failing_lookup_leaves_it_running(service: Service) -> None:
    service.trees["127.0.0.3"] = "broken"
    with pytest.raises(http.client.RemoteDisconnected):
        service.ask("GET", "/latest/meta-data/", "127.0.0.3")
    assert service.get("/latest/meta-data/instance-id")[0] == 200


def test_one_connection_serves_many_requests(service: Service) -> None:
    token = service.token()
    client = http.client.HTTPConnection("127.0.0.1", service.port, timeout=5)
    with contextlib.closing(client):
        for _ in range(3):
            client.request("POST", "/latest/meta-data/", body=b"a body that nobody asked for")
            assert client.getresponse().read()
            client.request("GET", "/latest/meta-data/instance-id", headers={TOKEN: token})
            assert client.getresponse().read() == b"i-0123456789abcdef0"


def test_the_token_travels_as_far_as_the_hop_limit(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    answer = imds.Handler._answer

    def watched(handler: imds.Handler, *args: Any) -> None:
        seen.append(handler.connection.getsockopt(socket.IPPROTO_IP, socket.IP_TTL))
        answer(handler, *args)

    monkeypatch.setattr(imds.Handler, "_answer", watched)
    service.token()
    assert seen == [2]

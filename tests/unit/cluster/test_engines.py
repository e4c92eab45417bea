"""The connection to IPython engines by way of this machine's ports."""

from __future__ import annotations

from starcluster.cluster.engines import local, ports_of

CONNECTION = {
    "key": "secret",
    "location": "10.0.0.1",
    "interface": "tcp://10.0.0.1",
    "ssh": "user@somewhere",
    "registration": 1000,
    "control": 1001,
    "mux": 1002,
    "task": 1003,
    "task_scheme": "leastload",
    "iopub": 1004,
    "notification": 1005,
    "broadcast": [1006, 1007],
}


def test_all_ports_that_a_client_speaks_to() -> None:
    assert ports_of(CONNECTION) == list(range(1000, 1008))
    assert ports_of({"key": "secret"}) == []


def test_each_port_becomes_one_of_ours_and_nothing_else_changes() -> None:
    moved = local(CONNECTION, {port: port + 50000 for port in ports_of(CONNECTION)})
    assert ports_of(moved) == list(range(51000, 51008))
    assert moved["broadcast"] == [51006, 51007]
    assert (moved["interface"], moved["location"]) == ("tcp://127.0.0.1", "127.0.0.1")
    assert (moved["key"], moved["task_scheme"], moved["ssh"]) == ("secret", "leastload", "")

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest

from starcluster.ssh import keys
from starcluster.ssh.client import SSHClient
from starcluster.ssh.hostkeys import KnownHosts
from tests.unit.ssh.server import FakeServer, PairDialer


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    private, _ = keys.generate_pem()
    path = tmp_path / "key"
    path.write_text(private)
    path.chmod(0o600)
    return path


@pytest.fixture
def known(tmp_path: Path) -> KnownHosts:
    return KnownHosts(tmp_path / "state" / "known_hosts")


@pytest.fixture(scope="session")
def host_key() -> paramiko.PKey:
    return paramiko.ECDSAKey.generate()


@pytest.fixture
def server() -> FakeServer:
    return FakeServer(lambda command, data: (0, b" out \n", b"err\n"))


@pytest.fixture
def dialer(server: FakeServer, host_key: paramiko.PKey) -> Iterator[PairDialer]:
    dialer = PairDialer(server, host_key)
    yield dialer
    dialer.close()


@pytest.fixture
def client(dialer: PairDialer, known: KnownHosts, key_file: Path, host_key: paramiko.PKey) -> Iterator[SSHClient]:
    from starcluster.ssh.hostkeys import HostKey

    known.add("i-1", [HostKey(kind=host_key.get_name(), blob=host_key.get_base64())])
    with SSHClient(
        "node.example", private_key=str(key_file), dialer=dialer, known=known, instance_id="i-1", label="node001"
    ) as client:
        yield client

"""Host keys are made once and kept, private."""

from pathlib import Path

import asyncssh

from starcluster.localcloud.hosts import sshd_hostkeys as hostkeys


def test_a_key_is_made_once(tmp_path: Path) -> None:
    first = hostkeys.ensure_host_keys(tmp_path / "ssh", comment="root@here")
    private = first[0].read_bytes()
    assert [path.name for path in first] == ["ssh_host_ed25519_key"]
    assert first[0].stat().st_mode & 0o777 == 0o600
    assert hostkeys.ensure_host_keys(tmp_path / "ssh") == first
    assert first[0].read_bytes() == private
    assert sorted(path.name for path in (tmp_path / "ssh").iterdir()) == [
        "ssh_host_ed25519_key",
        "ssh_host_ed25519_key.pub",
    ]


def test_keys_that_are_there_are_enough(tmp_path: Path) -> None:
    key = asyncssh.generate_private_key("ecdsa-sha2-nistp256")
    hostkeys.write_host_key(tmp_path, "ecdsa", key.export_private_key(), key.export_public_key())
    assert [path.name for path in hostkeys.ensure_host_keys(tmp_path)] == ["ssh_host_ecdsa_key"]


def test_public_keys_come_with_their_fingerprints(tmp_path: Path) -> None:
    hostkeys.ensure_host_keys(tmp_path, comment="root@here")
    (fingerprint, line) = next(iter(hostkeys.public_keys(tmp_path).items()))
    assert fingerprint.startswith("SHA256:")
    assert line.split()[0] == "ssh-ed25519"
    assert line.split()[2] == "root@here"
    assert asyncssh.import_public_key(line).get_fingerprint() == fingerprint

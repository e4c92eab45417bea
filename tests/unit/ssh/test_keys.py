"""Private key files, and that they are EC2's."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from starcluster import exception
from starcluster.ssh import keys


def test_a_good_file_is_read(key_file: Path) -> None:
    assert keys.read_private_key(key_file).get_name() == "ssh-ed25519"


def test_missing_foreign_and_open_files_are_told_apart(tmp_path: Path, key_file: Path) -> None:
    with pytest.raises(exception.KeyFileError, match="does not exist"):
        keys.read_private_key(tmp_path / "none")
    with pytest.raises(exception.KeyFileError, match="is not a file"):
        keys.read_private_key(tmp_path)
    key_file.chmod(0o640)
    with pytest.raises(exception.KeyFileError) as caught:
        keys.read_private_key(key_file)
    assert caught.value.hint == f"chmod 600 {key_file}"
    other = tmp_path / "text"
    other.write_text("no key")
    other.chmod(0o600)
    with pytest.raises(exception.KeyFileError, match="is not a private key"):
        keys.read_private_key(other)


def test_a_key_with_a_passphrase_is_told(tmp_path: Path) -> None:
    path = tmp_path / "locked"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", str(path)], check=True)
    with pytest.raises(exception.KeyFileError, match="passphrase"):
        keys.read_private_key(path)


def test_public_keys_are_compared(key_file: Path) -> None:
    mine = subprocess.run(["ssh-keygen", "-y", "-f", str(key_file)], capture_output=True, text=True, check=True).stdout
    keys.check_same_key(key_file, "k", public_key=mine, fingerprint="whatever")
    _, foreign = keys.generate_pem()
    with pytest.raises(exception.KeyFileError, match="key pair 'k'"):
        keys.check_same_key(key_file, "k", public_key=foreign, fingerprint="")


def test_fingerprints_are_those_of_openssh_and_openssl(tmp_path: Path) -> None:
    path = tmp_path / "rsa.pem"
    subprocess.run(["ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-m", "PEM", "-N", "", "-f", str(path)], check=True)
    told = subprocess.run(["ssh-keygen", "-l", "-f", str(path)], capture_output=True, text=True, check=True).stdout
    assert told.split()[1] in keys.fingerprints(path)
    der = subprocess.run(
        ["openssl", "rsa", "-in", str(path), "-pubout", "-outform", "DER"], capture_output=True, check=True
    ).stdout
    digest = subprocess.run(["openssl", "md5", "-c"], input=der, capture_output=True, check=True).stdout.decode()
    assert digest.split()[-1] == keys.get_public_rsa_fingerprint(str(path))
    keys.check_same_key(path, "k", public_key="", fingerprint=keys.get_private_rsa_fingerprint(str(path)))
    with pytest.raises(exception.KeyFileError):
        keys.check_same_key(path, "k", public_key="", fingerprint="aa:bb")

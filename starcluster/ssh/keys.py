"""Private keys: reading, making, and the fingerprints by which EC2 names them."""

from __future__ import annotations

import base64
import hashlib
import io
import os
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from starcluster import exception
from starcluster.ssh.keyfile import check_key_file
from starcluster.ssh.lean import paramiko


def read_private_key(path: str | os.PathLike[str]) -> paramiko.PKey:
    """The key in the file; KeyFileError names what is wrong with it."""
    where = check_key_file(path)
    try:
        return paramiko.PKey.from_path(where)
    # cryptography says it by a TypeError where paramiko passes that on
    except (paramiko.PasswordRequiredException, TypeError) as error:
        raise exception.KeyFileError(
            f"the key file {where} has a passphrase",
            hint="keys with a passphrase can not be used here; make one without: starcluster createkey",
        ) from error
    except (paramiko.SSHException, ValueError, paramiko.pkey.UnknownKeyType) as error:
        raise exception.KeyFileError(
            f"{where} is not a private key", hint="KEY_LOCATION must be the file that createkey wrote"
        ) from error


def fingerprints(path: str | os.PathLike[str]) -> list[str]:
    """Every form in which EC2 may name this key: made by EC2, imported, RSA or ED25519."""
    key = _crypto_key(check_key_file(path))
    public = _openssh_blob(key)
    sha256 = base64.b64encode(hashlib.sha256(public).digest()).decode()
    found = [sha256, sha256.rstrip("="), "SHA256:" + sha256.rstrip("="), _colons(hashlib.md5(public).digest())]
    if isinstance(key, rsa.RSAPrivateKey):
        found += [_private_sha1(key), _public_md5(key)]
    return found


def check_same_key(path: str | os.PathLike[str], name: str, *, public_key: str, fingerprint: str) -> None:
    """KeyFileError when the file holds another key than EC2's key pair `name`.

    EC2 tells the public key itself; where it does not, the fingerprint must do.
    """
    if public_key:
        same = public_key.split()[1] == read_private_key(path).get_base64()
    else:
        same = not fingerprint or fingerprint in fingerprints(path)
    if not same:
        raise exception.KeyFileError(
            f"{path} is not the private key of EC2's key pair '{name}' (fingerprint {fingerprint})",
            hint="set KEY_LOCATION to that key's file, or KEYNAME to the name of this key",
        )


def _crypto_key(path: Path) -> object:
    data = path.read_bytes()
    try:
        if b"OPENSSH PRIVATE KEY" in data:
            return serialization.load_ssh_private_key(data, password=None)
        return serialization.load_pem_private_key(data, password=None)
    except (ValueError, TypeError) as error:
        raise exception.KeyFileError(f"{path} is not a private key that can be read: {error}") from error


def _openssh_blob(key: object) -> bytes:
    """The key's public half as SSH sends it."""
    line: bytes = key.public_key().public_bytes(  # type: ignore[attr-defined]
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    return base64.b64decode(line.split()[1])


def _private_sha1(key: rsa.RSAPrivateKey) -> str:
    """EC2's fingerprint of an RSA key that EC2 made: SHA-1 of the private key in PKCS#8."""
    data = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return _colons(hashlib.sha1(data).digest())


def _public_md5(key: rsa.RSAPrivateKey) -> str:
    """EC2's fingerprint of an imported RSA key: MD5 of the public key in DER."""
    data = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return _colons(hashlib.md5(data).digest())


def _colons(digest: bytes) -> str:
    return ":".join(f"{byte:02x}" for byte in digest)


def generate_rsa_key(bits: int = 2048) -> paramiko.RSAKey:
    return paramiko.RSAKey.generate(bits)


def generate_pem() -> tuple[str, str]:
    """A new ED25519 key pair as (private key in OpenSSH's form, public line)."""
    key = ed25519.Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return private.decode(), public.decode()


def get_public_key(key: paramiko.PKey) -> str:
    """The line for an authorized_keys file."""
    return f"{key.get_name()} {key.get_base64()}"


def get_rsa_key(
    key_location: str | None = None, key_file_obj: io.TextIOBase | None = None, passphrase: str | None = None
) -> paramiko.RSAKey:
    """An RSA key from a path or an open text file."""
    if key_file_obj is not None:
        return paramiko.RSAKey.from_private_key(key_file_obj, passphrase)
    return paramiko.RSAKey.from_private_key_file(os.path.expanduser(key_location or ""), passphrase)


def get_dsa_key(
    key_location: str | None = None, key_file_obj: io.TextIOBase | None = None, passphrase: str | None = None
) -> paramiko.PKey:
    """A DSA key from a path or an open text file, where paramiko still knows them; SSHError where it does not."""
    kind: type[paramiko.PKey] | None = getattr(paramiko, "DSSKey", None)
    if kind is None:
        raise exception.SSHError(
            "DSA keys are no longer supported: OpenSSH, EC2 and paramiko have given them up",
            hint="make an RSA or ED25519 key: starcluster createkey",
        )
    if key_file_obj is not None:
        return kind.from_private_key(key_file_obj, passphrase)
    return kind.from_private_key_file(os.path.expanduser(key_location or ""), passphrase)


def get_private_rsa_fingerprint(key_location: str) -> str:
    """The fingerprint that EC2 shows for an RSA key which EC2 made."""
    return _private_sha1(_rsa(key_location))


def get_public_rsa_fingerprint(key_location: str) -> str:
    """The fingerprint that EC2 shows for an imported RSA key."""
    return _public_md5(_rsa(key_location))


def _rsa(key_location: str) -> rsa.RSAPrivateKey:
    key = _crypto_key(Path(key_location).expanduser())
    if not isinstance(key, rsa.RSAPrivateKey):
        raise exception.KeyFileError(f"{key_location} is not an RSA key")
    return key

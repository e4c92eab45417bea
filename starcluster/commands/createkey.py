"""starcluster createkey NAME"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from starcluster import exception
from starcluster.aws import keyfile
from starcluster.logger import log
from starcluster.permissions import OWN_TAG

if TYPE_CHECKING:
    from starcluster.app import App
    from starcluster.model import KeyPair

_TAGS = {OWN_TAG: "1"}  # what removekey may be allowed to delete


@click.command()
@click.argument("name")
@click.option("-o", "--output-file", metavar="FILE", help="Write the private key there, mode 0400.")
@click.option(
    "-i",
    "--import-key",
    "public_key",
    metavar="FILE",
    help="Import this public key instead, or the public half of this private one.",
)
@click.pass_obj
def command(app: App, name: str, output_file: str | None, public_key: str | None) -> None:
    """Make a key pair in EC2, or import a public key that you have.

    \b
    Examples:
      starcluster createkey mykey -o ~/.ssh/mykey.pem
      starcluster createkey mykey -i ~/.ssh/id_ed25519.pub
    """
    if public_key:
        if output_file:
            log.warning("-o %s is not written: with -i the private key is, and stays, where you have it", output_file)
        pair = app.ec2.network.import_key(name, _public_key(Path(public_key).expanduser()), _TAGS)
        log.info("Imported key pair: %s", name)
    else:
        pair = _create(app, name, output_file)
    log.info("fingerprint: %s", pair.fingerprint)


def _public_key(path: Path) -> str:
    """A private key's own half stays here: EC2 is told the other one."""
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise exception.KeyFileError(f"can not read the public key {path}: {error}") from error
    if "PRIVATE KEY" in text:
        from starcluster.ssh.keys import get_public_key, read_private_key

        return get_public_key(read_private_key(path))
    return text


def _create(app: App, name: str, output_file: str | None) -> KeyPair:
    """Without a file the private key is printed: EC2 tells it once only."""
    if output_file is None:
        pair, secret = app.ec2.network.create_key(name, tags=_TAGS)
        log.info("Created key pair: %s", name)
        click.echo(secret)
        return pair
    path = Path(output_file).expanduser()
    try:
        pair = keyfile.create(app.ec2.network, name, path, tags=_TAGS)
    except FileExistsError as error:
        raise exception.KeyFileError(f"{path} exists: it is not overwritten", hint="name another file") from error
    except OSError as error:
        raise exception.KeyFileError(f"can not write {path}: {error.strerror}") from error
    log.info("Created key pair: %s", name)
    log.info("private key written to %s", path)
    return pair

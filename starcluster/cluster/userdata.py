"""The user data of a node: cloud-config for root's login, host name and host keys, and the user's own scripts.

The same settings give the same bytes, because a launch that is repeated with its token must not differ.
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import re
from collections.abc import Sequence
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from pathlib import Path

from starcluster import exception

_MOST_BYTES = 16 * 1024
_SECRET = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----"
    r"|\b(AKIA|ASIA)[A-Z0-9]{16}\b"
    r"|aws_secret_access_key\s*[=:]\s*['\"]?[A-Za-z0-9/+]{20}",
    re.IGNORECASE,
)
_BOUNDARY = "===============starcluster=="
_CLOUD_CONFIG = """#cloud-config
disable_root: false
hostname: {alias}
ssh:
  emit_keys_to_console: true
"""


def build(alias: str, scripts: Sequence[str] = (), *, cloudinit: bool = True) -> bytes:
    """User data as EC2 takes it, before base64; more than EC2 takes is refused.

    Without `cloudinit` it is the scripts alone, as one script, for images that run that and know nothing else.
    """
    if not cloudinit:
        return _checked(_one_script(scripts).encode())
    config = _CLOUD_CONFIG.format(alias=alias)
    if not scripts:
        return config.encode()
    whole = MIMEMultipart(boundary=_BOUNDARY)
    whole.attach(_part(config, "cloud-config", "cloud-config"))
    for number, script in enumerate(scripts, 1):
        whole.attach(_part(script, "x-shellscript", f"script-{number:02d}"))
    return _checked(gzip.compress(whole.as_bytes(), 9, mtime=0))


def _one_script(scripts: Sequence[str]) -> str:
    """One as it is; several as a script that runs them one after another, each by its own #! line."""
    if len(scripts) < 2:
        return "".join(scripts)
    parts = ["#!/bin/sh", "folder=$(mktemp -d)"]
    for number, script in enumerate(scripts, 1):
        file = f"$folder/script-{number:02d}"
        body = base64.b64encode(script.encode()).decode()
        parts.append(f'echo {body} | base64 -d > "{file}"; chmod 700 "{file}"; "{file}"')
    return "\n".join([*parts, 'rm -rf "$folder"', ""])


def _checked(data: bytes) -> bytes:
    if len(data) > _MOST_BYTES:
        raise exception.ClusterValidationError(
            f"the user data scripts take {len(data)} bytes, EC2 takes {_MOST_BYTES} at most",
            hint="let a short script download the rest",
        )
    return data


def _part(text: str, kind: str, name: str) -> MIMEText:
    part = MIMEText(text, kind, "utf-8")
    part.add_header("Content-Disposition", f'attachment; filename="{name}"')
    return part


def read_scripts(paths: Sequence[str]) -> tuple[str, ...]:
    """The texts of USERDATA_SCRIPTS; ConfigError for one that cloud-init would not run."""
    return tuple(_read_script(Path(path).expanduser()) for path in paths)


def secrets_in(paths: Sequence[str]) -> list[str]:
    """A sentence for each script that seems to hold a secret; one that can not be read is told elsewhere."""
    found = []
    for path in paths:
        with contextlib.suppress(OSError, UnicodeDecodeError):
            if _SECRET.search(Path(path).expanduser().read_text(encoding="utf-8")):
                found.append(
                    f"the user data script {path} seems to hold a secret: everybody on the node can read it, and"
                    " everybody who may describe the instance or its cluster"
                )
    return found


def _read_script(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise exception.ConfigError(f"the user data script {path} can not be read: {error}") from error
    if not text.startswith("#!"):
        raise exception.ConfigError(
            f"the user data script {path} does not begin with #!", hint="begin it with a line such as #!/bin/bash"
        )
    return text

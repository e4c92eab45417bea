"""The user data of a node: cloud-config for root's login, host name and host keys, and the user's own scripts.

The same settings give the same bytes, because a launch that is repeated with its token must not differ.
"""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from pathlib import Path

from starcluster import exception

_MOST_BYTES = 16 * 1024
_BOUNDARY = "===============starcluster=="
_CLOUD_CONFIG = """#cloud-config
disable_root: false
hostname: {alias}
ssh:
  emit_keys_to_console: true
"""


def build(alias: str, scripts: Sequence[str] = ()) -> bytes:
    """User data as EC2 takes it, before base64; more than EC2 takes is refused."""
    config = _CLOUD_CONFIG.format(alias=alias)
    if not scripts:
        return config.encode()
    whole = MIMEMultipart(boundary=_BOUNDARY)
    whole.attach(_part(config, "cloud-config", "cloud-config"))
    for number, script in enumerate(scripts, 1):
        whole.attach(_part(script, "x-shellscript", f"script-{number:02d}"))
    data = gzip.compress(whole.as_bytes(), 9, mtime=0)
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

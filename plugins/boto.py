"""AWS credentials for the cluster's user, where boto3, boto and the aws command look for them.

    [plugin boto]
    SETUP_CLASS = starcluster.plugins.boto.BotoPlugin
    BOTO_CFG =                       # a file of yours to copy; empty: the credentials that starcluster itself uses

Better: IAM_PROFILE in the cluster's section. A role's keys are on no disk, end by themselves after hours and may do
only what the nodes need; your own may do all that you may. With IAM_PROFILE and without BOTO_CFG this plugin therefore
copies nothing.

The keys go into ~/.aws/credentials of CLUSTER_USER in the shared /home, a BOTO_CFG with a section [Credentials] into
~/.boto, readable by that user alone (and by root on each node). A file there that is not of this plugin is left as it
is. Keys that end after hours (a session token, SSO) are not renewed there.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starcluster import exception
from starcluster.clustersetup import ClusterSetup, WantedNode
from starcluster.logger import log

if TYPE_CHECKING:
    from starcluster.cluster.node import Node

Volumes = Mapping[str, Mapping[str, Any]]
MARK = "# put here by starcluster's plugin boto; without this line it leaves the file alone"
_SECTION = re.compile(r"^\s*\[\s*Credentials\s*\]", re.MULTILINE)
_AWS, _BOTO = ".aws/credentials", ".boto"


class BotoPlugin(ClusterSetup):
    def __init__(self, boto_cfg: str = "") -> None:
        self.file = Path(boto_cfg.strip()).expanduser() if boto_cfg.strip() else None

    def wanted_nodes(self) -> Sequence[WantedNode]:
        """None; this is asked before the launch, when a file that is not there costs nothing yet."""
        self._given()
        return ()

    def run(self, nodes: list[Node], master: Node, user: str, user_shell: str, volumes: Volumes) -> None:
        given = self._given()
        if given:
            self._keep(master, user, _BOTO if _SECTION.search(given) else _AWS, given)
        elif master.described.instance_profile:
            log.info(
                "The master has the instance profile %s: programs use its role, no keys are copied",
                master.described.instance_profile.rpartition("/")[2],
            )
        else:
            self._keep(master, user, _AWS, credentials_file(*master.ec2.api.credentials(), master.ec2.region))

    def _given(self) -> str:
        """The text of BOTO_CFG."""
        if self.file is None:
            return ""
        try:
            return self.file.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise exception.ConfigSettingError(f"{self.file} can not be read: {error}", setting="BOTO_CFG") from error

    def _keep(self, master: Node, user: str, path: str, content: str) -> None:
        """The output stays out of the log, and no error of it shows the content."""
        told = master.ssh.script(_script(user, path, f"{MARK}\n{content}"), what=f"write ~/{path}", secret=True)
        if told[-1:] == ["foreign"]:
            log.warning("~%s/%s was there before and stays as it is", user, path)
        elif told[-1:] == ["written"]:
            log.info("AWS credentials are in ~%s/%s", user, path)
            log.warning("They are your own; a role for the nodes is safer: IAM_PROFILE in the cluster's section")


def credentials_file(key: str, secret: str, token: str, region: str) -> str:
    """As botocore and boto read it."""
    lines = ["[default]", f"aws_access_key_id = {key}", f"aws_secret_access_key = {secret}"]
    if token:
        lines.append(f"aws_session_token = {token}")
    return "\n".join([*lines, f"region = {region}", ""])


def _script(user: str, path: str, content: str) -> str:
    return (
        f"user={shlex.quote(user)}; umask 077\n"
        f'home=$(getent passwd "$user" | cut -d: -f6); file=$home/{path}\n'
        f'if [ -e "$file" ] && ! head -n1 "$file" | grep -qxF {shlex.quote(MARK)}; then echo foreign; return 0; fi\n'
        f'if [ "$(cat "$file" 2>/dev/null)" = "$(printf %s {shlex.quote(content)})" ]; then echo same; return 0; fi\n'
        '[ -d "$(dirname "$file")" ] || install -d -m 700 -o "$user" -g "$(id -g "$user")" "$(dirname "$file")"\n'
        f'printf %s {shlex.quote(content)} > "$file.new"\n'
        'chown "$user:$(id -g "$user")" "$file.new"; chmod 600 "$file.new"; mv "$file.new" "$file"; echo written\n'
    )

"""Images whose root may not log in: their own user (ubuntu, admin, ec2-user) lets root in, by sudo, once.

Where cloud-init reads our user data it does that by itself. Elsewhere (DISABLE_CLOUDINIT, an image without cloud-init)
the machine refuses root, or lets it in only to say which user to take.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from starcluster import exception
from starcluster.logger import log

if TYPE_CHECKING:
    from starcluster.cluster.node import Node

_ADVICE = re.compile(r"""log ?in as the user ["']?([a-z_][a-z0-9_-]*)["']? (?:rather than|instead of)""", re.IGNORECASE)
# The keys that may log in as that user may do so as root from now on; and sshd has to allow it.
_LET_IN = r"""
keys=$(cat "$(getent passwd "$1" | cut -d: -f6)/.ssh/authorized_keys")
[ -n "$keys" ]
mkdir -p /root/.ssh; chmod 700 /root/.ssh
printf '%s\n' "$keys" > /root/.ssh/authorized_keys.starcluster
chmod 600 /root/.ssh/authorized_keys.starcluster
mv /root/.ssh/authorized_keys.starcluster /root/.ssh/authorized_keys
config=/etc/ssh/sshd_config
first='PermitRootLogin prohibit-password'
now=$(PATH=$PATH:/usr/sbin:/sbin sshd -T 2>/dev/null | grep -i '^permitrootlogin ' || true)
if [ -f $config ] && echo "$now" | grep -qi ' \(no\|forced-commands-only\)$'; then
    { echo "$first"; cat $config; } > $config.starcluster
    cat $config.starcluster > $config; rm -f $config.starcluster
    systemctl reload ssh 2>/dev/null || systemctl reload sshd 2>/dev/null || service sshd reload
fi
"""


def advised(output: str) -> str:
    """The user that the machine tells to log in as instead of root, "" when it tells none."""
    found = _ADVICE.search(output)
    return found[1] if found else ""


def check(node: Node) -> None:
    """A first login as root: fine, or the other user lets root in; SSHError while neither works."""
    try:
        status, output, errors = node.ssh.run("true")
    except exception.SSHAuthException:
        user = node.access.login_user
        if not user:
            raise
        _let_in(node, user)
        node.ssh.run("true")
        return
    if status == 0:
        return
    told = (output + errors).decode("utf-8", "replace")
    user = node.access.login_user or advised(told)
    if not user:
        raise exception.SSHAuthException(
            f"{node.alias} ends every command of root with status {status}: {told.strip()}"
        )
    _let_in(node, user)
    if node.ssh.run("true")[0]:
        raise exception.SSHAuthException(f"{node.alias} does not let root in, although {user} was to see to that")


def _let_in(node: Node, user: str) -> None:
    """By the user's sudo, without a password."""
    log.info("%s: root may not log in; %s lets it in", node.alias, user)
    node.forget_connection()
    with node.access.client(node.id, node.dns_name, user=user, label=node.alias) as client:
        script = f"set -eu\nmain() {{\n{_LET_IN}\n}}\nmain {user} </dev/null\n"
        status, output, errors = client.run("sudo -n bash -s", data=script.encode())
    if status:
        told = (output + errors).decode("utf-8", "replace").strip()
        raise exception.SSHAuthException(
            f"{user} on {node.alias} can not let root in: sudo ended with status {status}: {told}",
            hint="LOGIN_USER has to be a user of the image that may use sudo without a password",
        )

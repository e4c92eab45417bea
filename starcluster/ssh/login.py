"""The ssh program's words for a login to a node.

Its first word decides nothing here: the caller runs the list as it is, without a shell between.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from starcluster import exception
from starcluster.ssh.access import Access
from starcluster.ssh.keyfile import check_private
from starcluster.ssh.words import with_profile

# OpenSSH's own, but those first that AES instructions do for next to nothing; ssh itself asks for them last
_QUICK_FIRST = (
    "aes128-gcm@openssh.com,aes256-gcm@openssh.com,chacha20-poly1305@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr"
)


def ssh_program() -> str | None:
    """The path of the ssh program; None on a machine without one."""
    return shutil.which("ssh")


def options(access: Access, instance_id: str) -> list[str]:
    """`-o` words that make ssh (scp, sftp, rsync -e) reach exactly that instance."""
    words = [
        f"HostKeyAlias={instance_id}",
        f"UserKnownHostsFile={access.known.path}",
        "GlobalKnownHostsFile=/dev/null",
        f"StrictHostKeyChecking={_checking(access, instance_id)}",
        "CheckHostIP=no",
        "UpdateHostKeys=no",
        "IdentitiesOnly=yes",
        "ServerAliveInterval=15",
        "ServerAliveCountMax=4",
        "ConnectTimeout=30",
    ]
    proxy = access.way_to(instance_id).proxy_command()
    if proxy:
        words += [f"ProxyCommand={proxy}", "ControlPath=none"]
    return [piece for word in words for piece in ("-o", word)]


def _checking(access: Access, instance_id: str) -> str:
    return "yes" if access.strict or access.known.keys(instance_id) else "accept-new"


def argv(
    access: Access,
    *,
    instance_id: str,
    host: str,
    user: str = "root",
    command: str = "",
    forward_x11: bool = False,
    forward_agent: bool = False,
    pseudo_tty: bool | None = None,
    profile: bool = True,
    bulk: bool = False,
) -> list[str]:
    """The words of an ssh call; before a command, /etc/profile is read unless `profile` is off.

    `pseudo_tty`: a terminal on the other side; None leaves it to ssh. `bulk`: much is to go through it.
    """
    program = ssh_program()
    if program is None:
        raise exception.CommandNotFound("there is no ssh program on this machine")
    words = [program, *options(access, instance_id)]
    if bulk and _aes_in_hardware():
        words += ["-o", f"Ciphers={_QUICK_FIRST}"]
    if access.key_file:
        check_private(access.key_file)
        words += ["-i", str(access.key_file)]
    for wanted, flag in ((forward_x11, "-Y"), (forward_agent, "-A"), (pseudo_tty, "-t"), (pseudo_tty is False, "-T")):
        if wanted:
            words.append(flag)
    words += ["-l", user, host]
    if not command:
        return words
    return [*words, "--", with_profile(command) if profile else command]


def _aes_in_hardware() -> bool:
    """As every processor of EC2 has it."""
    try:
        return " aes" in Path("/proc/cpuinfo").read_text("ascii", "replace")
    except OSError:
        return sys.platform == "darwin"

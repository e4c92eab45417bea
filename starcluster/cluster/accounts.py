"""Users and groups on a node, and the keys with which users move between nodes without a password."""

from __future__ import annotations

import io
import shlex
from collections.abc import Sequence
from typing import NamedTuple

from starcluster.cluster.hosts import Hosts
from starcluster.cluster.nodebase import lock
from starcluster.ssh.lean import paramiko

_EACH = '"$key"'
_LAUNCH_KEYS = (
    "{ grep -hv '^#' /root/.ssh/authorized_keys 2>/dev/null || true; } | "
    "grep -oE '(ssh-|ecdsa-|sk-)[a-z0-9@.-]+ AAAA.*'"
)
_MAKE_KEY = """[ -s "$ssh/id_rsa" ] || ssh-keygen -q -t rsa -b 2048 -N '' -C "cluster" -f "$ssh/id_rsa"
[ -s "$ssh/id_rsa.pub" ] || ssh-keygen -y -f "$ssh/id_rsa" > "$ssh/id_rsa.pub"
chmod 600 "$ssh/id_rsa"; chmod 644 "$ssh/id_rsa.pub"; touch "$ssh/authorized_keys"
"""


class PasswdEntry(NamedTuple):
    """A line of /etc/passwd, with the field names of Python's pwd module."""

    pw_name: str
    pw_passwd: str
    pw_uid: int
    pw_gid: int
    pw_gecos: str
    pw_dir: str
    pw_shell: str


class GroupEntry(NamedTuple):
    """A line of /etc/group, with the field names of Python's grp module."""

    gr_name: str
    gr_passwd: str
    gr_gid: int
    gr_mem: list[str]


class Accounts(Hosts):
    def getpwnam(self, username: str) -> PasswdEntry | None:
        """The user of that name, None when there is none."""
        return next(iter(self._passwd(username)), None)

    def getpwuid(self, uid: int) -> PasswdEntry | None:
        return next(iter(self._passwd(str(uid))), None)

    def getgrnam(self, groupname: str) -> GroupEntry | None:
        return next(iter(self._group(groupname)), None)

    def getgrgid(self, gid: int) -> GroupEntry | None:
        return next(iter(self._group(str(gid))), None)

    def get_user_map(self, key_by_uid: bool = False) -> dict[str | int, PasswdEntry]:
        """All users by name, or by uid."""
        return {(entry.pw_uid if key_by_uid else entry.pw_name): entry for entry in self._passwd("")}

    def get_group_map(self, key_by_gid: bool = False) -> dict[str | int, GroupEntry]:
        """All groups by name, or by gid."""
        return {(entry.gr_gid if key_by_gid else entry.gr_name): entry for entry in self._group("")}

    def _passwd(self, key: str) -> list[PasswdEntry]:
        lines = self._getent("passwd", key)
        rows = [line.split(":") for line in lines if line.count(":") >= 6]
        return [PasswdEntry(row[0], row[1], int(row[2]), int(row[3]), row[4], row[5], row[6]) for row in rows]

    def _group(self, key: str) -> list[GroupEntry]:
        rows = [line.split(":") for line in self._getent("group", key) if line.count(":") >= 3]
        return [GroupEntry(row[0], row[1], int(row[2]), row[3].split(",") if row[3] else []) for row in rows]

    def _getent(self, database: str, key: str) -> list[str]:
        command = f"getent {database} {shlex.quote(key)}" if key else f"getent {database}"
        return self.ssh.execute(command, ignore_exit_status=True, source_profile=False) or []

    def add_user(self, name: str, uid: int | None = None, gid: int | None = None, shell: str = "bash") -> None:
        """Make a user with a home of their own name, or change the one that is there; their files stay."""
        user = shlex.quote(name)
        options = f"-o -u {uid}" if uid is not None else ""
        wanted = f"{uid if uid is not None else ''}:{gid if gid is not None else ''}"
        self.ssh.script(
            f"{lock('users')}\n"
            f"shell=$(command -v {shlex.quote(shell)} || echo /bin/bash)\n"
            f"if id {user} >/dev/null 2>&1; then\n"
            f"  now=$(id -u {user}):$(id -g {user}); wanted={wanted}\n"
            f'  if [ "$now" = "$wanted" ] || [ "$wanted" = ":" ]; then usermod -s "$shell" {user}; return 0; fi\n'
            f"  userdel {user} >/dev/null 2>&1 || true\n"
            "fi\n"
            + _make_group(name, uid, gid)
            + f'mkdir -p /home\nuseradd {options} -g "$group" -d /home/{user} -M -s "$shell" {user}\n'
            f"if [ ! -d /home/{user} ]; then\n"
            f"  cp -r /etc/skel /home/{user} 2>/dev/null || mkdir -p /home/{user}\n"
            f'  chown -R {user}:"$group" /home/{user}; chmod 755 /home/{user}\n'
            "fi",
            what=f"add the user {name}",
        )

    def remove_user(self, name: str) -> None:
        """Remove the account; its home stays."""
        user = shlex.quote(name)
        self.ssh.script(f"if id {user} >/dev/null 2>&1; then userdel {user}; fi", what=f"remove the user {name}")

    def add_user_to_group(self, user: str, group: str) -> None:
        self.ssh.script(
            f"getent group {shlex.quote(group)} >/dev/null || groupadd {shlex.quote(group)}\n"
            f"usermod -a -G {shlex.quote(group)} {shlex.quote(user)}",
            what=f"add {user} to the group {group}",
        )

    def generate_key_for_user(
        self,
        username: str,
        ignore_existing: bool = False,
        auth_new_key: bool = False,
        auth_conn_key: bool = False,
    ) -> paramiko.RSAKey:
        """The user's RSA key, made if missing (or anew with `ignore_existing`).

        `auth_new_key` lets it log in as that user here, `auth_conn_key` also the key that we came with.
        """
        lines = self.make_key_for_user(username, ignore_existing, auth_new_key, auth_conn_key)
        return paramiko.RSAKey.from_private_key(io.StringIO("\n".join(lines[:-1]) + "\n"))

    def make_key_for_user(
        self,
        username: str,
        ignore_existing: bool = False,
        auth_new_key: bool = False,
        auth_conn_key: bool = False,
    ) -> list[str]:
        """The same; its [private, public] lines."""
        user = shlex.quote(username)
        lines = [lock("keys"), _ssh_folder(user)]
        if ignore_existing:
            lines.append('rm -f "$ssh/id_rsa" "$ssh/id_rsa.pub"')
        lines.append(_MAKE_KEY)
        if auth_new_key:
            lines.append(_authorize('"$(cat "$ssh/id_rsa.pub")"'))
        if auth_conn_key:
            lines.append(f"{_LAUNCH_KEYS} | while IFS= read -r key; do\n{_authorize(_EACH)}done")
        lines.append(f'chmod 600 "$ssh/authorized_keys"; chown -R {user}:"$(id -g {user})" "$ssh"')
        self.ssh.script("\n".join(lines), what=f"make {username}'s SSH key")
        return self.ssh.script(
            f'{_ssh_folder(user)}cat "$ssh/id_rsa" "$ssh/id_rsa.pub"', what=f"read {username}'s SSH key", secret=True
        )

    def install_key(self, username: str, key: Sequence[str]) -> None:
        """Give the user here the key pair that make_key_for_user returned on another node."""
        user, private, public = shlex.quote(username), "\n".join(key[:-1]), key[-1]
        self.ssh.script(
            f"{lock('keys')}\n{_ssh_folder(user)}umask 077\n"
            f'printf "%s\\n" {shlex.quote(private)} > "$ssh/id_rsa"\n'
            f'printf "%s\\n" {shlex.quote(public)} > "$ssh/id_rsa.pub"; chmod 644 "$ssh/id_rsa.pub"\n'
            'touch "$ssh/authorized_keys"\n'
            + _authorize(shlex.quote(public))
            + f'chown -R {user}:"$(id -g {user})" "$ssh"',
            what=f"install {username}'s SSH key",
        )

    def enable_passwordless_ssh(self, username: str, nodes: Sequence[Accounts]) -> None:
        """Let the user go between this node and the others without a password."""
        key = self.make_key_for_user(username, auth_new_key=True, auth_conn_key=True)
        self.add_to_known_hosts(username, nodes)
        for node in nodes:
            if node is not self:
                node.install_key(username, key)
                node.add_to_known_hosts(username, [*nodes, self])

    def copy_remote_file_to_node(self, remote_file: str, node: Accounts, dest: str | None = None) -> None:
        self.copy_remote_file_to_nodes(remote_file, [node], dest)

    def copy_remote_file_to_nodes(self, remote_file: str, nodes: Sequence[Accounts], dest: str | None = None) -> None:
        """Copy a file from this node to the same (or another) path on the others, its mode and its owners too."""
        with self.ssh.sftp.open(remote_file) as file:
            data = file.read()
        found = self.ssh.stat(remote_file)
        mode = (found.st_mode or 0o644) & 0o7777
        for node in nodes:
            if node is not self or dest:
                with node.ssh.sftp.open(dest or remote_file, "w") as file:
                    file.write(data)
                    file.chown(found.st_uid or 0, found.st_gid or 0)
                    file.chmod(mode)


def _make_group(name: str, uid: int | None, gid: int | None) -> str:
    """Lines that set $group to the user's group, made if missing: with the user's number where no other is wanted."""
    quoted = shlex.quote(name)
    if gid is None:
        numbered = f"groupadd -g {uid} {quoted} 2>/dev/null || " if uid is not None else ""
        return f"getent group {quoted} >/dev/null || {numbered}groupadd {quoted}\ngroup={quoted}\n"
    return (
        f"if ! getent group {gid} >/dev/null; then\n"
        f"  if getent group {quoted} >/dev/null; then groupmod -g {gid} {quoted}; else groupadd -g {gid} {quoted}; fi\n"
        f"fi\ngroup={gid}\n"
    )


def _ssh_folder(user: str) -> str:
    """Lines that set $ssh to the user's .ssh folder, made if missing."""
    return (
        f"ssh=$(getent passwd {user} | cut -d: -f6)/.ssh\n"
        f'[ -d "$ssh" ] || install -d -m 700 -o {user} -g "$(id -g {user})" "$ssh"\n'
    )


def _authorize(key: str) -> str:
    """Lines that add a public key, given as a shell word, to $ssh/authorized_keys unless it is there."""
    file = '"$ssh/authorized_keys"'
    return (
        f'[ -z "$(tail -c1 {file})" ] || echo >> {file}\ngrep -qxF -- {key} {file} || printf "%s\\n" {key} >> {file}\n'
    )

"""Who may log in to a node: its users as /etc/passwd has them now, and their keys as sshd would take them.

The files are parsed here instead of asked for through the C library: the library remembers the name service
set-up it saw before pivot_root, and pid 1 must load nothing from the node.
"""

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import asyncssh

PASSWD = Path("/etc/passwd")
GROUP = Path("/etc/group")
ENVIRONMENT = Path("/etc/environment")
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
RESTRICTABLE = ("pty", "port-forwarding", "agent-forwarding", "X11-forwarding", "user-rc")
FORCED = "forced-command"


@dataclass(frozen=True, kw_only=True)
class Account:
    """One line of the passwd file and the groups its user is in."""

    name: str
    uid: int
    gid: int
    home: str
    shell: str
    groups: tuple[int, ...] = ()


def find_account(name: str, *, passwd: Path = PASSWD, group: Path = GROUP) -> Account | None:
    """The account called `name`, or None. Reads the files anew: users come and go while a node runs."""
    for fields in _records(passwd, 7):
        if fields[0] == name and fields[2].isdigit() and fields[3].isdigit():
            gid = int(fields[3])
            return Account(
                name=name,
                uid=int(fields[2]),
                gid=gid,
                home=fields[5] or "/",
                shell=fields[6] or "/bin/sh",
                groups=_groups_of(name, gid, group),
            )
    return None


def find_group(name: str, *, group: Path = GROUP) -> int | None:
    """The number of the group called `name`, or None."""
    return next((int(f[2]) for f in _records(group, 4) if f[0] == name and f[2].isdigit()), None)


def _groups_of(name: str, gid: int, group: Path) -> tuple[int, ...]:
    extra = [int(fields[2]) for fields in _records(group, 4) if fields[2].isdigit() and name in fields[3].split(",")]
    return tuple(dict.fromkeys([gid, *extra]))


def _records(path: Path, width: int) -> Iterator[list[str]]:
    try:
        lines = path.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return
    for line in lines:
        fields = line.split(":")
        if len(fields) == width:
            yield fields


class UserKeys:
    """The keys of one user, in the shape asyncssh asks for them.

    A forced command is handed on under a name of our own: asyncssh would replace the client's command by it
    and forget what the client had asked for, which SSH_ORIGINAL_COMMAND must tell. `restrict` is spelled out.
    """

    def __init__(self, text: str = "") -> None:
        try:
            self._keys = asyncssh.import_authorized_keys(text)
        except ValueError:  # not one usable line
            self._keys = asyncssh.import_authorized_keys("")

    def validate(
        self,
        key: asyncssh.SSHKey,
        client_host: str,
        client_addr: str,
        cert_principals: list[str] | None = None,
        ca: bool = False,
    ) -> dict[str, object] | None:
        """The options of the line that allows `key`, None where no line does."""
        options = self._keys.validate(key, client_host, client_addr, cert_principals, ca)
        return None if options is None else spell_out(options)

    def validate_x509(self, *_: object) -> tuple[None, None]:
        """X.509 certificates are not taken, as with OpenSSH."""
        return None, None


def spell_out(options: Mapping[str, object]) -> dict[str, object]:
    """Options as they act: `restrict` becomes every no-*, a forced command goes under its own name."""
    spelled = dict(options)
    if "command" in spelled:
        spelled[FORCED] = spelled.pop("command")
    if spelled.pop("restrict", False):
        for permission in RESTRICTABLE:
            if permission not in options:
                spelled["no-" + permission] = True
    return spelled


def authorized_keys(account: Account) -> UserKeys:
    """The keys in ~/.ssh/authorized_keys; none where others could have written that file."""
    path = Path(account.home) / ".ssh" / "authorized_keys"
    places = (Path(account.home), path.parent, path)
    try:
        if not all(_is_private(place, account.uid) for place in places):
            return UserKeys()
        return UserKeys(path.read_text(errors="replace"))
    except OSError:
        return UserKeys()


def _is_private(place: Path, uid: int) -> bool:
    """Owned by the user or root, writable by nobody else: what OpenSSH calls StrictModes."""
    status = place.stat()
    return status.st_uid in (uid, 0) and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def login_environment(account: Account, *, environment: Path = ENVIRONMENT) -> dict[str, str]:
    """What every session of the user starts with; /etc/environment may change PATH and add to it."""
    values = {"PATH": DEFAULT_PATH, "MAIL": f"/var/mail/{account.name}"}
    values.update(_assignments(environment))
    values.update(HOME=account.home, USER=account.name, LOGNAME=account.name, SHELL=account.shell)
    return values


def _assignments(path: Path) -> Iterator[tuple[str, str]]:
    try:
        lines = path.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return
    for line in lines:
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if equals and name and not name.startswith("#"):
            yield name.strip(), _unquoted(value.strip())


def _unquoted(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
        return value[1:-1]
    return value


def become(account: Account) -> None:
    """Give up root for the account, for good. For a forked child only."""
    os.setgroups(account.groups)
    os.setgid(account.gid)
    os.setuid(account.uid)

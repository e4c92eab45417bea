"""Users, groups and the keys that let them in, as the cloud-config asks for them."""

import os
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from starcluster.localcloud.hosts.cloudinit_journal import Journal
from starcluster.localcloud.hosts.sshd_accounts import Account, find_account, find_group

DEFAULT_GROUPS = ("adm", "cdrom", "dip", "lxd", "sudo", "wheel")
ROOT_OPTIONS = "no-port-forwarding,no-agent-forwarding,no-X11-forwarding"
NOPASSWD = "ALL=(ALL) NOPASSWD:ALL"
SUDOERS = "/etc/sudoers.d/90-cloud-init-users"
_KNOWN = (
    "name gecos primary_group groups shell sudo ssh_authorized_keys uid homedir no_create_home system "
    "lock_passwd hashed_passwd passwd no_user_group create_groups"
)


def set_up_users(config: dict[str, Any], default_user: str, keys: Sequence[str], journal: Journal) -> None:
    """Make groups and users, give the default user (and root, see `disable_root`) their keys."""
    _make_groups(config.get("groups"), journal)
    wanted = as_list(config.get("users", ["default"]))
    everybodys = [*keys, *_texts(config.get("ssh_authorized_keys"))]
    has_default = False
    for user in wanted:
        if user == "default":
            has_default = True
            _make_default_user(default_user, everybodys, journal)
        else:
            _make_listed_user(user, journal)
    if everybodys:
        disabled = config.get("disable_root", True) not in (False, "false", "no", 0)
        prefix = root_prefix(default_user if has_default else "") if disabled else ""
        give_keys("root", everybodys, journal, prefix=prefix)


def root_prefix(default_user: str) -> str:
    """Options for root's keys that let the client in only to tell whom to log in as; the status is 142."""
    advice = f"as the user {default_user} instead of the user root" if default_user else "as another user than root"
    return f"{ROOT_OPTIONS},command=\"echo 'Please log in {advice}.';exit 142\" "


def _make_default_user(name: str, keys: Sequence[str], journal: Journal) -> None:
    groups = [group for group in DEFAULT_GROUPS if find_group(group) is not None]
    make_user({"name": name, "groups": groups, "shell": "/bin/bash", "gecos": name, "sudo": NOPASSWD}, journal)
    give_keys(name, keys, journal)


def _make_listed_user(user: Any, journal: Journal) -> None:
    if isinstance(user, str):
        user = {"name": user}
    if not isinstance(user, dict) or not user.get("name"):
        journal.warn(f"users: an entry without a name is left out: {user!r}")
        return
    for key in sorted(set(user) - set(_KNOWN.split())):
        journal.warn(f"users: {user['name']}: {key} is not supported here")
    make_user(user, journal)
    give_keys(str(user["name"]), _texts(user.get("ssh_authorized_keys")), journal)


def make_user(user: dict[str, Any], journal: Journal) -> None:
    """Make one user unless it is there; sudo rules are written either way."""
    name = str(user["name"])
    if find_account(name) is None:
        groups = _texts(user.get("groups"))
        _make_groups(groups, journal)
        status = journal.run(useradd_command(user, groups))
        if status != 0:
            journal.error(f"users: useradd of {name} ended with {status}")
            return
    rules = _texts(user.get("sudo"), commas=False) if user.get("sudo") else []
    _allow_sudo(name, rules, journal)


def useradd_command(user: dict[str, Any], groups: Sequence[str]) -> list[str]:
    """The words of useradd for an entry of `users`."""
    command = ["useradd", "--comment", str(user.get("gecos", "")), "--shell", str(user.get("shell", "/bin/bash"))]
    options = {"uid": "--uid", "homedir": "--home-dir", "primary_group": "--gid"}
    for key, option in options.items():
        if user.get(key) is not None:
            command += [option, str(user[key])]
    if groups:
        command += ["--groups", ",".join(groups)]
    password = user.get("hashed_passwd") or user.get("passwd")
    if password and user.get("lock_passwd") is False:
        command += ["--password", str(password)]
    if user.get("system"):
        command.append("--system")
    if user.get("no_user_group"):
        command.append("--no-user-group")
    command.append("--no-create-home" if user.get("no_create_home") or user.get("system") else "--create-home")
    return [*command, str(user["name"])]


def _make_groups(groups: Any, journal: Journal) -> None:
    for group in as_list(groups):
        members = group if isinstance(group, dict) else {part: [] for part in _texts(group)}
        for name, users in members.items():
            if find_group(str(name)) is None and journal.run(["groupadd", str(name)]) != 0:
                journal.error(f"groups: {name} could not be made")
            for user in _texts(users):
                journal.run(["usermod", "--append", "--groups", str(name), user])


def _allow_sudo(name: str, rules: Sequence[str], journal: Journal) -> None:
    """Rules go to a file of their own. Without sudo on the machine they wait there for its installation."""
    if not rules:
        return
    path = journal.paths.at(SUDOERS)
    text = path.read_text() if path.exists() else "# written at the first boot\n"
    missing = [line for rule in rules if (line := f"{name} {rule}") not in text.splitlines()]
    if missing:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o440)
        path.write_text(text + "".join(f"{line}\n" for line in missing))
    main = journal.paths.at("/etc/sudoers")
    if not main.exists():
        main.touch(mode=0o440)
        main.write_text("root ALL=(ALL:ALL) ALL\n@includedir /etc/sudoers.d\n")


def give_keys(name: str, keys: Iterable[str], journal: Journal, *, prefix: str = "") -> None:
    """Add keys to the user's authorized_keys; a key that is there already gets the new options."""
    account = find_account(name)
    if account is None:
        journal.error(f"ssh keys: there is no user {name}")
        return
    lines = [prefix + key.strip() for key in keys if key.strip()]
    if not lines:
        return
    directory = Path(account.home) / ".ssh"
    path = directory / "authorized_keys"
    directory.mkdir(parents=True, exist_ok=True)
    os.chmod(directory, 0o700)
    present = path.read_text().splitlines() if path.exists() else []
    path.write_text("\n".join(merge_keys(present, lines)) + "\n")
    os.chmod(path, 0o600)
    _own(account, directory, path)


def merge_keys(present: Sequence[str], added: Sequence[str]) -> list[str]:
    """The lines of an authorized_keys file with `added` in it, each key once."""
    bodies = {_key_body(line) for line in added}
    kept = [line for line in present if _key_body(line) not in bodies]
    return [*kept, *dict.fromkeys(added)]


def _key_body(line: str) -> str:
    """The base64 part, which is what makes two lines the same key. Options may hold quoted blanks."""
    try:
        words = shlex.split(line, comments=True)
    except ValueError:
        words = line.split()
    return next((word for word in words if word.startswith("AAAA")), line)


def _own(account: Account, *places: Path) -> None:
    for place in places:
        os.chown(place, account.uid, account.gid)


def as_list(value: Any) -> list[Any]:
    """A value that may be absent, single or a list, as a list."""
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def _texts(value: Any, *, commas: bool = True) -> list[str]:
    """Texts given as a list, or as one with commas in it where they separate."""
    texts: list[str] = []
    for item in as_list(value):
        text = str(item)
        # a key's comment or options may hold a comma; names of groups and users cannot hold a blank
        parts = text.split(",") if commas and not text.strip().count(" ") else [text]
        texts += [part.strip() for part in parts if part.strip()]
    return texts

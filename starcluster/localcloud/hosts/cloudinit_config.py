"""What is done before the first login: boot commands, host name, files, users, host keys, mounts."""

import base64
import gzip
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncssh

from starcluster.localcloud.hosts.cloudinit_journal import Journal
from starcluster.localcloud.hosts.cloudinit_start import Start
from starcluster.localcloud.hosts.cloudinit_users import as_list, set_up_users
from starcluster.localcloud.hosts.sshd_accounts import find_account, find_group
from starcluster.localcloud.hosts.sshd_hostkeys import (
    KINDS,
    ensure_host_keys,
    private_path,
    public_keys,
    write_host_key,
)

_ACTED_ON = (
    "bootcmd hostname fqdn preserve_hostname write_files groups users ssh_authorized_keys disable_root ssh_keys "
    "ssh_deletekeys ssh mounts packages package_update package_upgrade runcmd final_message"
)
# true already, or without a meaning in a node
_HARMLESS = "ssh_pwauth output merge_how merge_type datasource_list manage_etc_hosts"
KNOWN_KEYS = frozenset(f"{_ACTED_ON} {_HARMLESS}".split())
_DISK_NAMES = ("nvme", "sd", "vd", "xvd")
MOUNT_LIMIT = 60.0
FSTAB_DEFAULTS = ("", "", "auto", "defaults,nofail", "0", "2")


def config_stage(start: Start) -> None:
    """Everything of this stage, in cloud-init's order; one part's failure keeps no other from being done."""
    _every_boot(start)
    if not start.done("config"):
        for part in (_set_hostname, _install_host_keys, _write_files, _users, _add_mounts, _tell_host_keys):
            _guarded(part, start)
        start.mark("config")
    _mount_all(start.journal)


def _guarded(part: Callable[[Start], None], start: Start) -> None:
    try:
        part(start)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, LookupError) as error:
        name = part.__name__.strip("_").replace("_", " ")
        start.journal.error(f"{name}: {type(error).__name__}: {error}")


def _every_boot(start: Start) -> None:
    for hook in start.asked.boothooks:
        path = start.directory / "boothooks" / hook.name
        status = start.journal.run([str(install_script(path, hook.data))], env=start.environment)
        if status != 0:
            start.journal.error(f"boothook {hook.name} ended with {status}")
    if start.asked.config.get("bootcmd"):
        text = shell_script(start.asked.config["bootcmd"])
        path = install_script(start.directory / "bootcmd", text.encode())
        status = start.journal.run(["/bin/sh", str(path)], env=start.environment)
        if status != 0:
            start.journal.error(f"bootcmd ended with {status}")


def shell_script(commands: Any) -> str:
    """Commands of bootcmd and runcmd as one script: a text is a line of shell, a list is one command's words."""
    lines = ["#!/bin/sh"]
    for command in as_list(commands):
        if isinstance(command, list | tuple):
            lines.append(" ".join("'" + str(word).replace("'", "'\\''") + "'" for word in command))
        elif command is not None:
            lines.append(str(command))
    return "\n".join(lines) + "\n"


def install_script(path: Path, data: bytes) -> Path:
    """A script as a file that can be run; a boothook's or a bare text's first line becomes a shell's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = data.lstrip()
    if not text.startswith(b"#!"):
        body = text.partition(b"\n")[2] if text.startswith(b"#cloud-boothook") else text
        text = body if body.startswith(b"#!") else b"#!/bin/sh\n" + body
    path.write_bytes(text)
    path.chmod(0o700)
    return path


def _set_hostname(start: Start) -> None:
    config = start.asked.config
    name = config.get("hostname") or str(config.get("fqdn") or "").partition(".")[0]
    if not name or config.get("preserve_hostname"):
        return
    start.journal.paths.at("/etc/hostname").write_text(f"{name}\n")
    if start.journal.paths.root == Path("/"):
        socket.sethostname(str(name))


def _install_host_keys(start: Start) -> None:
    """Keys of another instance, on a disk made from its image, are never used again."""
    directory, config = start.journal.paths.host_keys, start.asked.config
    given = config.get("ssh_keys") or {}
    if given or config.get("ssh_deletekeys", True):
        for old in directory.glob("ssh_host_*key*"):
            old.unlink()
    for kind in KINDS:
        if given.get(f"{kind}_private"):
            _install_host_key(directory, kind, given)
    ensure_host_keys(directory, comment=f"root@{socket.gethostname()}")


def _install_host_key(directory: Path, kind: str, given: dict[str, Any]) -> None:
    private = str(given[f"{kind}_private"]).encode()
    public = str(given.get(f"{kind}_public") or "").encode()
    if not public:
        public = asyncssh.import_private_key(private).export_public_key()
    write_host_key(directory, kind, _lined(private), _lined(public))
    certificate = given.get(f"{kind}_certificate")
    if certificate:
        Path(f"{private_path(directory, kind)}-cert.pub").write_bytes(_lined(str(certificate).encode()))


def _lined(data: bytes) -> bytes:
    return data.strip() + b"\n"


def _tell_host_keys(start: Start) -> None:
    """On the console, so that whoever may read it can know the node from its first connection on."""
    keys = public_keys(start.journal.paths.host_keys)
    prints = [f"{_bits(line)} {fingerprint} {_comment(line)}" for fingerprint, line in keys.items()]
    _block(start.journal, "SSH HOST KEY FINGERPRINTS", prints)
    ssh = start.asked.config.get("ssh")
    if not isinstance(ssh, dict) or ssh.get("emit_keys_to_console", True):
        _block(start.journal, "SSH HOST KEY KEYS", list(keys.values()))


def _block(journal: Journal, title: str, lines: list[str]) -> None:
    journal.line("\n".join([f"-----BEGIN {title}-----", *lines, f"-----END {title}-----"]))


def _bits(line: str) -> int:
    key = asyncssh.import_public_key(line)
    return int(getattr(key.pyca_key, "key_size", 256))


def _comment(line: str) -> str:
    words = line.split()
    kind = words[0].removeprefix("ssh-").partition("-")[0].upper()
    return f"{words[2] if len(words) > 2 else 'no comment'} ({kind})"


def _write_files(start: Start) -> None:
    for entry in as_list(start.asked.config.get("write_files")):
        if not isinstance(entry, dict) or not entry.get("path"):
            start.journal.warn(f"write_files: an entry without a path is left out: {entry!r}")
            continue
        if not entry.get("defer"):
            write_file(entry, start.journal)


def write_file(entry: dict[str, Any], journal: Journal) -> None:
    """One entry of write_files. ValueError or OSError where it cannot be decoded or written."""
    path = journal.paths.at(str(entry["path"]))
    content = decode_content(entry.get("content"), str(entry.get("encoding") or ""))
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab" if entry.get("append") else "wb") as file:
        file.write(content)
    path.chmod(_mode(entry.get("permissions", 0o644)))
    user, _, group = str(entry.get("owner") or "root:root").partition(":")
    os.chown(path, _user_number(user), _group_number(group))


def _user_number(name: str) -> int:
    account = find_account(name)
    if account is None and not name.isdigit():
        raise LookupError(f"there is no user {name}")
    return int(name) if account is None else account.uid


def _group_number(name: str) -> int:
    if not name:
        return -1
    number = find_group(name)
    if number is None and not name.isdigit():
        raise LookupError(f"there is no group {name}")
    return int(name) if number is None else number


def decode_content(content: Any, encoding: str) -> bytes:
    """The bytes that `content` stands for: plain, gzip, base64 or both."""
    data = content if isinstance(content, bytes) else str("" if content is None else content).encode()
    names = {name.strip().lower() for name in encoding.split("+")} - {"", "text/plain"}
    unknown = names - {"b64", "base64", "gz", "gzip"}
    if unknown:
        raise ValueError(f"encoding {encoding} is not known")
    if names & {"b64", "base64"}:
        data = base64.b64decode(data)
    return gzip.decompress(data) if names & {"gz", "gzip"} else data


def _mode(value: Any) -> int:
    """YAML reads 0644 as a number in octal already and "0644" as a text."""
    return value if isinstance(value, int) else int(str(value), 8)


def _users(start: Start) -> None:
    set_up_users(start.asked.config, start.default_user, start.authorized_keys, start.journal)


def _add_mounts(start: Start) -> None:
    fstab = start.journal.paths.at("/etc/fstab")
    present = fstab.read_text() if fstab.exists() else ""
    places = {line.split()[1] for line in present.splitlines() if len(line.split()) > 1}
    added: list[str] = []
    for entry in as_list(start.asked.config.get("mounts")):
        fields = [str(value) for value in as_list(entry) if value is not None]
        if len(fields) < 2 or fields[1] in places:
            continue
        device = f"/dev/{fields[0]}" if fields[0].startswith(_DISK_NAMES) else fields[0]
        fields = [device, *fields[1:], *FSTAB_DEFAULTS[len(fields) :]]
        added.append("\t".join(fields[:6]))
        if fields[1].startswith("/"):
            start.journal.paths.at(fields[1]).mkdir(parents=True, exist_ok=True)
    if added:
        fstab.write_text(present + "".join(f"{line}\n" for line in added))


def _mount_all(journal: Journal) -> None:
    """What systemd does at every boot of a stock image: mount what /etc/fstab names."""
    fstab = journal.paths.at("/etc/fstab")
    if journal.paths.root != Path("/") or not fstab.exists():
        return
    lines = [line.split("#")[0].strip() for line in fstab.read_text().splitlines()]
    if any(lines) and journal.run(["mount", "--all"], limit=MOUNT_LIMIT) != 0:
        journal.warn("not everything in /etc/fstab could be mounted")

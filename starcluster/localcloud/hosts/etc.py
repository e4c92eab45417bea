"""What a node's /etc is made of: texts of our own, and the few host files that programs need and that tell nothing."""

from collections.abc import Iterable, Mapping

from starcluster.localcloud.hosts import network

_ACCOUNTS = (
    ("root", 0, "/root", "/bin/bash"),
    ("daemon", 1, "/usr/sbin", "/usr/sbin/nologin"),
    ("bin", 2, "/bin", "/usr/sbin/nologin"),
    ("sys", 3, "/dev", "/usr/sbin/nologin"),
    ("man", 6, "/var/cache/man", "/usr/sbin/nologin"),
    ("mail", 8, "/var/mail", "/usr/sbin/nologin"),
    ("proxy", 13, "/bin", "/usr/sbin/nologin"),
    ("www-data", 33, "/var/www", "/usr/sbin/nologin"),
    ("backup", 34, "/var/backups", "/usr/sbin/nologin"),
    ("_apt", 42, "/nonexistent", "/usr/sbin/nologin"),
    ("nobody", 65534, "/nonexistent", "/usr/sbin/nologin"),
)

_GROUPS = {
    "tty": 5,
    "disk": 6,
    "adm": 4,
    "lp": 7,
    "kmem": 15,
    "dialout": 20,
    "cdrom": 24,
    "floppy": 25,
    "sudo": 27,
    "audio": 29,
    "dip": 30,
    "shadow": 42,
    "utmp": 43,
    "video": 44,
    "plugdev": 46,
    "staff": 50,
    "users": 100,
    "wheel": 10,
}

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# names below /etc that are copied where the host has them; everything else of the host's /etc stays unseen
COPIED = (
    "adduser.conf",
    "alternatives",
    "apt/keyrings",
    "apt/trusted.gpg.d",
    "bindresvport.blacklist",
    "ca-certificates",
    "ca-certificates.conf",
    "crypto-policies",
    "debconf.conf",
    "debian_version",
    "deluser.conf",
    "dpkg",
    "ethertypes",
    "fonts",
    "gai.conf",
    "host.conf",
    "inputrc",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "libaudit.conf",
    "locale.alias",
    "localtime",
    "login.defs",
    "magic",
    "magic.mime",
    "manpath.config",
    "mime.types",
    "mke2fs.conf",
    "netconfig",
    "networks",
    "openmpi",
    "os-release",
    "pam.conf",
    "pam.d",
    "perl",
    "pki/ca-trust/extracted",
    "pki/tls/cert.pem",
    "pki/tls/certs",
    "protocols",
    "python3",
    "rpc",
    "rmt",
    "security",
    "services",
    "sgml",
    "shells",
    "ssl/cert.pem",
    "ssl/certs",
    "ssl/openssl.cnf",
    "terminfo",
    "timezone",
    "vim",
    "xattr.conf",
    "xml",
)

# the same, by pattern
COPIED_PATTERNS = ("java-*", "python3.*", "R", "OpenCL")

_PROFILE = f"""# read by login shells
if [ "$(id -u)" -eq 0 ]; then PATH="{_PATH}"
else PATH="/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games"; fi
export PATH
for part in /etc/profile.d/*.sh; do [ -r "$part" ] && . "$part"; done
unset part
"""

_BASHRC = """# read by interactive shells
[ -z "$PS1" ] && return
shopt -s checkwinsize
PS1='\\u@\\h:\\w\\$ '
"""

_SSH_CONFIG = """Host *
    SendEnv LANG LC_*
    GSSAPIAuthentication no
"""

_FSTAB = "# <file system> <mount point> <type> <options> <dump> <pass>\n"

_NSSWITCH = """passwd: files
group: files
shadow: files
gshadow: files
hosts: files dns
networks: files
protocols: files
services: files
ethers: files
rpc: files
"""

_RESOLV = f"""nameserver {network.SERVICES}
search ec2.internal
"""

_SUDOERS = f"""Defaults secure_path="{_PATH}"
root ALL=(ALL:ALL) ALL
%sudo ALL=(ALL:ALL) ALL
@includedir /etc/sudoers.d
"""

_USERADD = "SHELL=/bin/bash\nSKEL=/etc/skel\n"


def _passwd() -> str:
    return "".join(f"{name}:x:{uid}:{uid}:{name}:{home}:{shell}\n" for name, uid, home, shell in _ACCOUNTS)


def _group() -> str:
    groups = {name: uid for name, uid, _, _ in _ACCOUNTS if name not in ("_apt", "nobody")}
    groups |= {"nogroup": 65534, **_GROUPS}
    return "".join(f"{name}:x:{gid}:\n" for name, gid in groups.items())


def known_overrides(lines: Iterable[str]) -> str:
    """The lines of a dpkg statoverride table whose user and group exist in a node (or are numbers, as #0)."""
    users = {line.split(":")[0] for line in _passwd().splitlines()}
    groups = {line.split(":")[0] for line in _group().splitlines()}
    kept = []
    for line in lines:
        user, _, rest = line.partition(" ")
        group = rest.partition(" ")[0]
        if (user in users or user.startswith("#")) and (group in groups or group.startswith("#")):
            kept.append(f"{line}\n")
    return "".join(kept)


def _shadow() -> str:
    return "".join(f"{name}:*:19000:0:99999:7:::\n" for name, _, _, _ in _ACCOUNTS)


def _gshadow() -> str:
    return "".join(f"{line.split(':')[0]}:*::\n" for line in _group().splitlines())


def built_files() -> Mapping[str, tuple[str, int]]:
    """Path -> (text, mode) of the files that are written by us, never taken from the host."""
    return {
        "etc/passwd": (_passwd(), 0o644),
        "etc/group": (_group(), 0o644),
        "etc/shadow": (_shadow(), 0o640),
        "etc/gshadow": (_gshadow(), 0o640),
        "etc/subuid": ("", 0o644),
        "etc/subgid": ("", 0o644),
        "etc/nsswitch.conf": (_NSSWITCH, 0o644),
        "etc/profile": (_PROFILE, 0o644),
        "etc/bash.bashrc": (_BASHRC, 0o644),
        "etc/environment": (f'PATH="{_PATH}"\n', 0o644),
        "etc/default/locale": ("LANG=C.UTF-8\n", 0o644),
        "etc/default/useradd": (_USERADD, 0o644),
        "etc/fstab": (_FSTAB, 0o644),
        "etc/exports": ("# what this node shares over NFS, see exports(5)\n", 0o644),
        "etc/resolv.conf": (_RESOLV, 0o644),
        "etc/ssh/ssh_config": (_SSH_CONFIG, 0o644),
        "etc/sudoers": (_SUDOERS, 0o440),
        "etc/motd": ("", 0o644),
        "etc/skel/.bashrc": (_BASHRC, 0o644),
        "etc/skel/.profile": ('[ -n "$BASH" ] && [ -f ~/.bashrc ] && . ~/.bashrc\n', 0o644),
        "root/.bashrc": (_BASHRC, 0o644),
        "root/.profile": ('[ -n "$BASH" ] && [ -f ~/.bashrc ] && . ~/.bashrc\n', 0o644),
    }

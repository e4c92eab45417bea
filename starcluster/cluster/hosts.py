"""The node's own name, and the names of the others: /etc/hosts and known_hosts."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence

from starcluster.cluster.nodebase import NodeBase, lock

_AWK_HOSTS = r"""
function ours(name,  i) { for (i in gone) if (tolower(name) == gone[i]) return 1; return 0 }
BEGIN { n = split(names, list, " "); for (i = 1; i <= n; i++) gone[i] = tolower(list[i])
        m = split(addresses, taken, " "); for (i = 1; i <= m; i++) reused[taken[i]] = 1 }
/^[ \t]*#/ || NF == 0 || $1 ~ /^127\./ || $1 ~ /:/ { print; next }
{ drop = ($1 in reused) && NF == 2; for (f = 2; f <= NF && $f !~ /^#/; f++) if (ours($f)) drop = 1; if (!drop) print }
"""
# in one step, for the NFS server looks its clients up here while others come; where it is mounted that can not be
_REPLACE_HOSTS = """if cmp -s /etc/hosts.starcluster /etc/hosts; then :
elif [ -L /etc/hosts ] || ! mv -f /etc/hosts.starcluster /etc/hosts 2>/dev/null; then
cat /etc/hosts.starcluster > /etc/hosts; fi
rm -f /etc/hosts.starcluster"""


class Hosts(NodeBase):
    def set_hostname(self, hostname: str | None = None) -> None:
        """Give the machine its alias as host name, also after a reboot."""
        name = shlex.quote(hostname or self.alias)
        self.ssh.script(
            f'[ "$(hostname)" = {name} ] || hostname {name}\n'
            f'[ "$(cat /etc/hostname 2>/dev/null)" = {name} ] || echo {name} > /etc/hostname\n'
            "if [ -d /etc/cloud/cloud.cfg.d ]; then\n"
            "echo 'preserve_hostname: true' > /etc/cloud/cloud.cfg.d/99-starcluster.cfg; fi",
            what=f"set the host name to {hostname or self.alias}",
        )

    def get_hosts_entry(self) -> str:
        """This node's line in the others' /etc/hosts."""
        return f"{self.private_ip_address} {self.alias}"

    def add_to_etc_hosts(self, nodes: Sequence[Hosts]) -> None:
        """Let this node know the nodes by their aliases; older lines of those aliases and addresses go."""
        self._edit_hosts(
            [node.alias for node in nodes],
            [node.get_hosts_entry() for node in nodes],
            what="write /etc/hosts",
        )

    def remove_from_etc_hosts(self, nodes: Iterable[Hosts | str]) -> None:
        """Forget nodes, given as nodes or as aliases."""
        names = [node if isinstance(node, str) else node.alias for node in nodes]
        self._edit_hosts(names, [], what="clean /etc/hosts")

    def _edit_hosts(self, names: Sequence[str], entries: Sequence[str], *, what: str) -> None:
        addresses = " ".join(entry.split()[0] for entry in entries)
        self.ssh.script(
            f"{lock('hosts')}\n"
            f"new=$(awk -v names={shlex.quote(' '.join(names))} -v addresses={shlex.quote(addresses)} "
            f"{shlex.quote(_AWK_HOSTS)} /etc/hosts)\n"
            "cp -aL /etc/hosts /etc/hosts.starcluster\n"
            f'printf "%s\\n" "$new" {" ".join(shlex.quote(entry) for entry in entries)} > /etc/hosts.starcluster\n'
            f"{_REPLACE_HOSTS}",
            what=what,
        )

    def known_hosts_lines(self) -> list[str]:
        """This node's lines for a known_hosts file inside the cluster."""
        names = [self.alias, self.private_ip_address, *self.network_names.values()]
        shown = ",".join(dict.fromkeys(name for name in names if name))
        return [f"{shown} {key.kind} {key.blob}" for key in self.host_keys]

    def add_to_known_hosts(self, username: str, nodes: Sequence[Hosts], add_self: bool = True) -> None:
        """Write the nodes' host keys into the user's known_hosts, in place of older ones of those names."""
        everybody = [*nodes, self] if add_self and self not in nodes else list(nodes)
        lines = [line for node in everybody for line in node.known_hosts_lines()]
        names = [name for node in everybody for name in (node.alias, node.private_ip_address) if name]
        self._edit_known_hosts(username, names, lines)

    def remove_from_known_hosts(self, username: str, nodes: Iterable[Hosts | str]) -> None:
        """Drop the keys of nodes, given as nodes or as aliases."""
        self._edit_known_hosts(username, [node if isinstance(node, str) else node.alias for node in nodes], [])

    def _edit_known_hosts(self, username: str, names: Sequence[str], lines: Sequence[str]) -> None:
        awk = (
            'BEGIN { n = split(tolower(names), list, " "); for (i = 1; i <= n; i++) gone[list[i]] = 1 } '
            '{ drop = 0; m = split(tolower($1), own, ","); for (i = 1; i <= m; i++) if (own[i] in gone) drop = 1; '
            "if (!drop) print }"
        )
        user = shlex.quote(username)
        self.ssh.script(
            f"{lock('known-hosts')}\n"
            f'home=$(getent passwd {user} | cut -d: -f6); [ -d "$home" ] || return 0\n'
            'file="$home/.ssh/known_hosts"\n'
            f'install -d -m 700 -o {user} -g "$(id -g {user})" "$home/.ssh"\n'
            'touch "$file"\n'
            f'kept=$(awk -v names={shlex.quote(" ".join(names))} {shlex.quote(awk)} "$file")\n'
            f'printf "%s\\n" "$kept" {" ".join(shlex.quote(line) for line in lines)} | sed "/^$/d" > "$file.new"\n'
            f'chmod 644 "$file.new"; chown "{username}:$(id -g {user})" "$file.new"; mv "$file.new" "$file"',
            what=f"write {username}'s known_hosts",
        )

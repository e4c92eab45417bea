"""NFS: a node that exports folders, and nodes that mount them; and packages that a stock image may lack."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence

from starcluster import exception
from starcluster.cluster.disks import Disks, fstab_lines
from starcluster.cluster.nodebase import lock, words

# sync, where StarCluster had async: a checkpoint that was fsynced on a node is on the master's disk, not in its memory
_EXPORT_OPTIONS = "sync,no_root_squash,no_subtree_check,rw"
_MOUNT_OPTIONS = "rw,exec,noauto"
_START_SERVER = (
    "systemctl enable --now nfs-server >/dev/null 2>&1 || systemctl enable --now nfs-kernel-server >/dev/null 2>&1 "
    "|| service nfs-kernel-server start >/dev/null"
)
APT_OPTIONS = "-o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confnew"
_INSTALL_CLIENT = f"""PATH=$PATH:/usr/sbin:/sbin
if command -v mount.nfs >/dev/null; then return 0; fi
if command -v apt-get >/dev/null; then
export DEBIAN_FRONTEND=noninteractive
apt-get -y {APT_OPTIONS} update >/dev/null; apt-get -y {APT_OPTIONS} install nfs-common
else yum -d 0 -e 0 -y install nfs-utils; fi"""
# a mount within another one comes first; who is at work there keeps it, and is not ended for this
_LEAVE_SHARES = """cd /
shares() { awk '$1 !~ /^#/ && $3 ~ /^nfs/ { print $2 }' /etc/fstab | sort -r; }
mounted() { awk -v path="$1" '$2 == path { found = 1 } END { exit !found }' /proc/mounts; }
shares | while read -r path; do
while mounted "$path"; do timeout -s KILL 30 sync -f "$path" || true; timeout -s KILL 30 umount "$path" || break; done
done 2>/dev/null
shares | { while read -r path; do if mounted "$path"; then exit 0; fi; done; echo all; }
"""
_SERVER_PACKAGES = {"apt": "nfs-kernel-server", "yum": "nfs-utils"}


def _addresses(nodes: Iterable[Disks]) -> list[str]:
    return [node.private_ip_address for node in nodes if node.private_ip_address]


class Packages(Disks):
    @property
    def package_provider(self) -> str:
        """apt or yum, whichever the node has."""
        found = self.ssh.execute("command -v apt-get || command -v dnf || command -v yum", ignore_exit_status=True)
        if not found:
            raise exception.RemoteCommandNotFound(f"{self.alias} has neither apt-get nor yum")
        return "apt" if found[0].endswith("apt-get") else "yum"

    def apt_command(self, cmd: str) -> None:
        """apt-get with what it needs to ask no questions; waits for another apt-get to end."""
        self.ssh.execute(f"DEBIAN_FRONTEND=noninteractive apt-get -y {APT_OPTIONS} {cmd}")

    def apt_install(self, pkgs: str) -> None:
        """Install packages, given as one string; the lists are read anew first."""
        self.apt_command("update")
        self.apt_command(f"install {pkgs}")

    def yum_command(self, cmd: str) -> None:
        self.ssh.execute(f"yum -d 0 -e 0 -y {cmd}")

    def yum_install(self, pkgs: str) -> None:
        self.yum_command(f"install {pkgs}")

    def package_install(self, pkgs: str) -> None:
        """Install packages with what the node has for that."""
        if self.package_provider == "apt":
            self.apt_install(pkgs)
        else:
            self.yum_install(pkgs)


class Shares(Packages):
    def start_nfs_server(self) -> None:
        """Start the NFS server, installed first where the image has none."""
        if not self.ssh.which("exportfs"):
            self.package_install(_SERVER_PACKAGES[self.package_provider])
        self.ssh.script(_START_SERVER, what=f"start the NFS server on {self.alias}")

    def export_fs_to_nodes(
        self, nodes: Sequence[Disks], export_paths: Sequence[str], *, by_address: bool = False
    ) -> None:
        """Let the nodes mount the paths of this node, in place of older lines of theirs.

        `by_address`: beside those of their aliases, which are other machines' as yet.
        """
        clients = [node.private_ip_address if by_address else node.alias for node in nodes]
        entries = [f"{path} {client}({_EXPORT_OPTIONS})" for client in clients for path in export_paths]
        older = clients if by_address else [*clients, *_addresses(nodes)]
        self._edit_exports(older, export_paths, entries)

    def stop_exporting_fs_to_nodes(self, nodes: Iterable[Disks | str], paths: Sequence[str] | None = None) -> None:
        """Take the nodes' exports back, all of them or those of some paths."""
        known = list(nodes)
        names = [node if isinstance(node, str) else node.alias for node in known]
        addresses = _addresses([node for node in known if not isinstance(node, str)])
        self._edit_exports([*names, *addresses], paths or [], [])

    def _edit_exports(self, names: Sequence[str], paths: Sequence[str], entries: Sequence[str]) -> None:
        awk = (
            'BEGIN { n = split(tolower(names), list, " "); for (i = 1; i <= n; i++) gone[list[i]] = 1; '
            'm = split(paths, some, " "); for (i = 1; i <= m; i++) only[some[i]] = 1 } '
            '{ host = tolower($2); sub(/\\(.*/, "", host) } '
            "!((host in gone) && (m == 0 || ($1 in only)))"
        )
        self.ssh.script(
            f"{lock('exports')}\ntouch /etc/exports\n"
            f"awk -v names={shlex.quote(' '.join(names))} -v paths={shlex.quote(' '.join(paths))} "
            f"{shlex.quote(awk)} /etc/exports > /etc/exports.starcluster\n"
            + (f'printf "%s\\n" {words(entries)} >> /etc/exports.starcluster\n' if entries else "")
            + "cat /etc/exports.starcluster > /etc/exports; rm -f /etc/exports.starcluster\n"
            "if command -v exportfs >/dev/null; then exportfs -ra; fi",
            what=f"write /etc/exports on {self.alias}",
        )

    def mount_nfs_shares(self, server_node: Disks, remote_paths: Sequence[str]) -> None:
        """Mount the server's paths at the same places here; a mount that answers is left alone."""
        self.ssh.script(_INSTALL_CLIENT, what=f"install the NFS client on {self.alias}")
        for path in remote_paths:
            self._mount_share(f"{server_node.alias}:{path}", path)

    def _mount_share(self, share: str, path: str) -> None:
        target, source = shlex.quote(path), shlex.quote(share)
        self.ssh.script(
            f"{lock('fstab')}\n"
            f"{fstab_lines(path, f'{share} {path} nfs {_MOUNT_OPTIONS} 0 0')}"
            f"now=$(awk -v path={target} '$2 == path {{ print $1, $3 }}' /proc/mounts | tail -n1)\n"
            'if [ -n "$now" ]; then\n'
            f'case "$now" in {source}" "*) ours=1 ;; *" nfs"*) ours= ;; *) ours=1 ;; esac\n'
            # a mount whose server died hangs or errs for ever, and is no use to anybody; who hangs hears SIGKILL only
            f'if [ -n "$ours" ] && timeout -s KILL 10 ls {target} >/dev/null 2>&1; then return 0; fi\n'
            f"umount -f -l {target}\nfi\n"
            f"mkdir -p {target}\nmount {target}",
            what=f"mount {share} on {self.alias}",
        )

    def unmount_shares(self) -> None:
        """Leave every NFS mount, with the processes that hold it: the server is about to go."""
        mounts = [line.split() for line in self.ssh.script("cat /etc/fstab 2>/dev/null || true", what="read fstab")]
        for fields in mounts:
            if len(fields) > 2 and fields[2].startswith("nfs"):
                self.unmount(fields[1], force=True)

    def leave_shares(self) -> bool:
        """Leave the NFS mounts that nobody uses, and tell whether none is left; fstab keeps them."""
        left = self.ssh.script(_LEAVE_SHARES, what=f"leave the shares on {self.alias}")
        return "all" in left

    def stop_exporting(self) -> None:
        """Take back all exports; /etc/exports keeps them for the next start."""
        self.ssh.script(
            "if command -v exportfs >/dev/null; then exportfs -ua || true; fi", what="take the exports back"
        )

"""MPICH on all nodes, and a list of them that mpirun uses by itself.

    [plugin mpich2]
    SETUP_CLASS = starcluster.plugins.mpich2.MPICH2Setup

    sgeadmin@master:~$ mpicc -o hello hello.c && mpirun -n 8 ./hello

The list is /home/mpich2.hosts, with each node's number of CPUs; login shells have it in HYDRA_HOST_FILE. A node that
comes is added, one that goes is taken out. Where another MPI is there too, MPICH is made the machine's choice for
mpirun and mpicc. It starts its processes by SSH, as the user who calls it. Programs must be at the same place on all
nodes: /home is.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from starcluster.clustersetup import ClusterSetup
from starcluster.logger import log
from starcluster.threadpool import get_thread_pool

if TYPE_CHECKING:
    from starcluster.cluster.node import Node

Volumes = Mapping[str, Mapping[str, Any]]
HOSTS = "/home/mpich2.hosts"
_PROFILE = "/etc/profile.d/starcluster-mpich.sh"
_AT_ONCE = 20
_PACKAGES = {"apt": ["mpich", "libmpich-dev"], "yum": ["mpich", "mpich-devel"]}
# where Debian and Fedora have MPICH's own launcher; a bare mpirun may be another MPI's
_LAUNCHER = "for one in mpiexec.hydra /usr/lib64/mpich/bin/mpiexec.hydra; do command -v $one && return 0; done; true"
_MAKE_DEFAULT = """if command -v update-alternatives >/dev/null; then
  for name in mpi mpirun; do
    for path in $(update-alternatives --list $name 2>/dev/null); do
      case $path in *mpich*) update-alternatives --set $name "$path" >/dev/null ;; esac
    done
  done
fi
"""
_PATHS = f"export HYDRA_HOST_FILE={HOSTS}\n[ ! -d /usr/lib64/mpich/bin ] || PATH=/usr/lib64/mpich/bin:$PATH\n"


class MPICH2Setup(ClusterSetup):
    def run(self, nodes: list[Node], master: Node, user: str, user_shell: str, volumes: Volumes) -> None:
        with get_thread_pool(_AT_ONCE) as pool:
            for node in nodes:
                pool.simple_job(_set_up, node, jobid=node.alias)
            counts = pool.wait()
        write_hosts(master, add=dict(zip([node.alias for node in nodes], counts, strict=True)), anew=True)
        log.info("MPICH is ready: mpirun starts programs on %s", ", ".join(node.alias for node in nodes))

    def on_add_node(
        self, node: Node, nodes: list[Node], master: Node, user: str, user_shell: str, volumes: Volumes
    ) -> None:
        write_hosts(master, add={node.alias: _set_up(node)})

    def on_remove_node(
        self, node: Node, nodes: list[Node], master: Node, user: str, user_shell: str, volumes: Volumes
    ) -> None:
        write_hosts(master, remove=[node.alias])


def _set_up(node: Node) -> int:
    """Its CPUs."""
    if not node.ssh.script(_LAUNCHER, what="look for MPICH"):
        node.software.install(_PACKAGES[node.package_provider])
    node.ssh.script(
        f"{_MAKE_DEFAULT}printf %s {shlex.quote(_PATHS)} > {_PROFILE}; chmod 644 {_PROFILE}",
        what=f"make MPICH the MPI of {node.alias}",
    )
    return node.num_processors


def write_hosts(
    master: Node, *, add: Mapping[str, int] | None = None, remove: Sequence[str] = (), anew: bool = False
) -> None:
    """`anew`: only the nodes of `add`; else those that are in the list stay."""
    added = [f"{alias}:{count}" for alias, count in (add or {}).items()]
    gone = " ".join([*(add or {}), *remove])
    keep = "false" if anew else f"[ -e {HOSTS} ]"
    awk = 'BEGIN { n = split(gone, list, " "); for (i = 1; i <= n; i++) out[list[i]] = 1 } !($1 in out)'
    master.ssh.script(
        "exec 9>/run/lock/starcluster-mpich; flock -w 60 9\n"
        f"draft={HOSTS}.$$\n"
        f"if {keep}; then awk -F: -v gone={shlex.quote(gone)} {shlex.quote(awk)} {HOSTS} > $draft\n"
        "else : > $draft; fi\n"
        + (f"printf '%s\\n' {' '.join(shlex.quote(one) for one in added)} >> $draft\n" if added else "")
        + f"chmod 644 $draft; mv $draft {HOSTS}",
        what=f"write {HOSTS}",
    )

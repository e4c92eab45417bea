"""A tmux session on the master with a window on every node, for the cluster's user and for root.

    [plugin tmux]
    SETUP_CLASS = starcluster.plugins.tmux.TmuxControlCenter
    ENVNAME = starcluster            # the session's name

    $ starcluster sshmaster mycluster -u sgeadmin
    sgeadmin@master:~$ tmux attach -t starcluster

The first window, `all`, has a pane on each of the first nodes; then comes a window for each node, called as the node.
What runs in it goes on when your own connection breaks. A node that comes gets a window, one that goes loses it; a
window whose SSH has ended stays and says so.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from starcluster import exception
from starcluster.clustersetup import ClusterSetup
from starcluster.logger import log

if TYPE_CHECKING:
    from starcluster.cluster.node import Node

Volumes = Mapping[str, Mapping[str, Any]]
_NAME = re.compile(r"[A-Za-z0-9_-]{1,32}\Z")  # tmux gives . and : a meaning
_PANES = 8  # more in one window are too small to read

_HEAD = """t() { runuser -u "$user" -- env HOME="$home" TERM=screen tmux "$@" 9>&-; }
window() {
  t list-windows -t "$session" -F '#{window_id} #{window_name}' | awk -v name="$1" '$2 == name { print $1; exit }'
}
reach() { if [ "$1" = "$(hostname)" ]; then echo 'exec bash -l'; else echo "exec ssh $1"; fi; }
dead() { t list-panes -t "$1" -F '#{pane_dead}' | grep -qx 1; }
open_window() {
  id=$(window "$1")
  if [ -z "$id" ]; then
    id=$(t new-window -d -P -F '#{window_id}' -t "$session:" -n "$1" "$(reach "$1")")
    t set-window-option -t "$id" remain-on-exit on >/dev/null
    t set-window-option -t "$id" automatic-rename off >/dev/null
  elif [ -n "$anew" ] || dead "$id"; then
    t respawn-window -k -t "$id" "$(reach "$1")"
  fi
}
close_window() { id=$(window "$1"); [ -z "$id" ] || t kill-window -t "$id"; }
"""
_BEGIN = """if ! t has-session -t "$session" 2>/dev/null; then
  t new-session -d -x 200 -y 50 -s "$session" -n all "$(reach "$1")"
  all=$(window all)
  t set-window-option -t "$all" remain-on-exit on >/dev/null
  for node in "${@:2:$panes}"; do
    t split-window -d -t "$all" "$(reach "$node")"
    t select-layout -t "$all" tiled >/dev/null
  done
fi
for node in "$@"; do open_window "$node"; done
"""


class TmuxControlCenter(ClusterSetup):
    def __init__(self, envname: str = "starcluster") -> None:
        self.session = envname.strip()
        if not _NAME.match(self.session):
            raise exception.ConfigSettingError(
                f"'{envname}' can not be a session of tmux", setting="ENVNAME", hint="letters, digits, - and _"
            )

    def run(self, nodes: list[Node], master: Node, user: str, user_shell: str, volumes: Volumes) -> None:
        if not master.ssh.which("tmux"):
            master.software.install(["tmux"])
        aliases = [node.alias for node in sorted(nodes, key=lambda node: not node.is_master())]
        for one in (user, "root"):
            self._tell(master, one, "set -- " + " ".join(map(shlex.quote, aliases)) + "\nanew=\n" + _BEGIN)
        log.info("The tmux session '%s' of %s and root on the master has a window on each node", self.session, user)

    def on_add_node(
        self, node: Node, nodes: list[Node], master: Node, user: str, user_shell: str, volumes: Volumes
    ) -> None:
        """A window that is there leads to an older machine of that name."""
        if not master.ssh.which("tmux"):
            self.run(nodes, master, user, user_shell, volumes)
        for one in (user, "root"):
            self._tell(
                master,
                one,
                f"set -- {shlex.quote(master.alias)}\nanew=\n{_BEGIN}anew=yes\nopen_window {shlex.quote(node.alias)}",
            )

    def on_remove_node(
        self, node: Node, nodes: list[Node], master: Node, user: str, user_shell: str, volumes: Volumes
    ) -> None:
        for one in (user, "root"):
            self._tell(master, one, f'! t has-session -t "$session" 2>/dev/null || close_window {node.alias}')

    def _tell(self, master: Node, user: str, lines: str) -> None:
        master.ssh.script(
            "mkdir -p /run/lock; exec 9>/run/lock/starcluster-tmux; flock -w 60 9\n"
            f"user={shlex.quote(user)} session={shlex.quote(self.session)} panes={_PANES - 1}\n"
            f'home=$(getent passwd "$user" | cut -d: -f6); cd "$home"\n{_HEAD}{lines}',
            what=f"set up the tmux session of {user}",
        )

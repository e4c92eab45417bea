"""An X server without a screen on every node, for programs that want to draw: display :1.

    [plugin xvfb]
    SETUP_CLASS = starcluster.plugins.xvfb.XvfbSetup

Login shells have DISPLAY=:1, unless `ssh -X` has set it. The server draws into memory, 1280x1024 in 24 bit, belongs to
the cluster's user, and listens to programs of its own node only.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from starcluster.nodeplugin import NodePlugin

if TYPE_CHECKING:
    from starcluster.cluster.node import Node

DISPLAY = ":1"
_PROFILE = "/etc/profile.d/starcluster-xvfb.sh"
_LOG = "/var/log/starcluster/xvfb.log"
_PACKAGES = {"apt": ["xvfb"], "yum": ["xorg-x11-server-Xvfb"]}
_SECONDS = 15  # from its start to a socket

_START = f"""runs() {{
  pid=$(tr -d ' ' < /tmp/.X1-lock 2>/dev/null) || return 1
  grep -aq Xvfb "/proc/$pid/cmdline" 2>/dev/null
}}
mkdir -p /run/lock; exec 9>/run/lock/starcluster-xvfb; flock -w 60 9
mkdir -p /var/log/starcluster /tmp/.X11-unix; chmod 1777 /tmp/.X11-unix
if ! runs; then
  rm -f /tmp/.X1-lock /tmp/.X11-unix/X1
  setsid setpriv --reuid "$user" --regid "$(id -g "$user")" --init-groups \\
    Xvfb {DISPLAY} -screen 0 1280x1024x24 -nolisten tcp </dev/null >>{_LOG} 2>&1 9>&- &
  for turn in $(seq {_SECONDS * 5}); do if runs && [ -S /tmp/.X11-unix/X1 ]; then break; fi; sleep 0.2; done
  if ! runs; then tail -n5 {_LOG} >&2; return 1; fi
fi
printf '[ -n "$DISPLAY" ] || export DISPLAY={DISPLAY}\\n' > {_PROFILE}; chmod 644 {_PROFILE}
"""


class XvfbSetup(NodePlugin):
    def set_up(self, node: Node, user: str) -> None:
        if not node.ssh.which("Xvfb"):
            node.software.install(_PACKAGES[node.package_provider])
        node.ssh.script(f"user={shlex.quote(user)}\n{_START}", what=f"start Xvfb on {node.alias}")

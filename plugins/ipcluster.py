"""An IPython cluster (ipyparallel): a controller on the master, an engine for each CPU, perhaps a notebook.

    [plugin ipcluster]
    SETUP_CLASS = starcluster.plugins.ipcluster.IPCluster
    ENABLE_NOTEBOOK = False          # True: a Jupyter notebook on the master, port 8888, with TLS and a password
    NOTEBOOK_PASSWD =                # empty, which is better: one is made, and kept on your machine
    NOTEBOOK_DIRECTORY =             # where notebooks lie; empty: the home of CLUSTER_USER
    PACKER =                         # json, pickle or msgpack; empty: ipyparallel's own choice
    LOG_LEVEL = INFO

On the cluster, as CLUSTER_USER, `ipyparallel.Client()` finds the engines. For a client on your own machine the
connection file is ~/.starcluster/ipcluster/TAG-REGION.json: `Client(FILE, sshkey=KEY)` goes through SSH to the master,
and no other port is opened. The master has one engine less than CPUs, since the controller works there.
Settings of plugins are kept in the cluster's tags on EC2, where whoever may list security groups can read them: a
NOTEBOOK_PASSWD too, of which the master has only a hash.

An image that has ipyparallel is used as it is; else it goes into /opt/starcluster/python, the venv of the plugin
pypkginstaller, so what that one has installed can be imported on the engines. For after the start:

    [plugin ipstop]
    SETUP_CLASS = starcluster.plugins.ipcluster.IPClusterStop

    [plugin iprestart]
    SETUP_CLASS = starcluster.plugins.ipcluster.IPClusterRestartEngines

    $ starcluster runplugin iprestart mycluster      # engines that are full of old things
"""

from __future__ import annotations

import json
import os
import secrets
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starcluster import exception
from starcluster.clustersetup import ClusterSetup
from starcluster.logger import log, logs_folder
from starcluster.nodeplugin import choice
from starcluster.threadpool import get_thread_pool

if TYPE_CHECKING:
    from starcluster.cluster.node import Node

Volumes = Mapping[str, Mapping[str, Any]]
PORT = 8888
_PYTHON = "/opt/starcluster/python/bin/python"
_AT_ONCE = 20
_ENGINES_LIMIT = 120  # seconds until all engines have told the controller that they are there
_YES, _NO = ("true", "yes", "on", "1"), ("false", "no", "off", "0")
_LEVELS = ("debug", "info", "warn", "error", "critical")

# What runs is known by a file with its pid, and by its words: the pid may be another program's by now
_HEAD = """run=/run/starcluster/ipcluster; logs=/var/log/starcluster
mkdir -p "$run" "$logs" /run/lock; exec 9>/run/lock/starcluster-ipcluster; flock -w 300 9
home=$(getent passwd "$user" | cut -d: -f6); security=$home/.ipython/profile_default/security
runs() {
  pid=$(cat "$run/$1.pid" 2>/dev/null) || return 1
  grep -aqE 'ipyparallel|notebook' "/proc/$pid/cmdline" 2>/dev/null
}
begin() {
  name=$1; shift
  words=$(printf '%q ' "$@")
  cd "$home"
  setsid setpriv --reuid "$user" --regid "$(id -g "$user")" --init-groups \\
    env HOME="$home" USER="$user" LOGNAME="$user" bash -lc "exec $words" </dev/null >>"$logs/$name.log" 2>&1 9>&- &
  echo $! > "$run/$name.pid"
}
end() {
  if runs "$1"; then
    # in sessions of their own, and not gone with it at once: an engine's nanny, a notebook's kernels
    others=$(grep -lsx "PPid:[[:space:]]*$pid" /proc/[0-9]*/status | cut -d/ -f3) || true
    kill -- "-$pid" 2>/dev/null || true
    for turn in $(seq 50); do kill -0 -- "-$pid" $others 2>/dev/null || break; sleep 0.1; done
    kill -9 -- "-$pid" $others 2>/dev/null || true
  fi
  rm -f "$run/$1.pid"
}
end_engines() {
  for file in "$run"/ipengine-*.pid; do [ ! -e "$file" ] || end "$(basename "$file" .pid)" & done
  wait
}
"""
_CONTROLLER = """client=$security/ipcontroller-client.json; engine=$security/ipcontroller-engine.json
if ! runs ipcontroller || [ ! -s "$client" ] || [ ! -s "$engine" ]; then
  end ipcontroller
  rm -f "$client" "$engine"
  begin ipcontroller "$python" -m ipyparallel.controller --profile=default "$@"
  for turn in $(seq 300); do
    if [ -s "$client" ] && [ -s "$engine" ]; then break; fi
    runs ipcontroller || [ "$turn" -lt 10 ] || break
    sleep 0.2
  done
  if [ ! -s "$engine" ]; then tail -n8 "$logs/ipcontroller.log" >&2; return 1; fi
fi
cat "$client"
"""
# engines of an older controller do not know the way to this one
_ENGINES = """engine=$security/ipcontroller-engine.json
for turn in $(seq 100); do if ls "$security" >/dev/null && [ -s "$engine" ]; then break; fi; sleep 0.2; done
now=$(sha256sum < "$engine")
if [ -n "$anew" ] || [ "$(cat "$run/controller" 2>/dev/null)" != "$now" ]; then end_engines; fi
echo "$now" > "$run/controller"
for number in $(seq "$count"); do
  runs "ipengine-$number" && continue
  begin "ipengine-$number" "$python" -m ipyparallel.engine --profile=default --file="$engine" --timeout=60 "$@"
  echo began
done
"""
_LOOK = """import sys, ipyparallel
client = ipyparallel.Client(timeout=60)
client.wait_for_engines(int(sys.argv[1]), timeout=float(sys.argv[2]), interactive=False)
print(len(client.ids))
"""
_NOTEBOOK_SETTINGS = """import json, os, sys
from jupyter_server.auth import passwd
from jupyter_server.auth.security import passwd_check
path, directory, port, password = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.stdin.read()
try:
    with open(path) as stream:
        before = json.load(stream)
except (OSError, ValueError):
    before = {}
hashed = before.get("PasswordIdentityProvider", {}).get("hashed_password", "")
if not hashed or not passwd_check(hashed, password):
    hashed = passwd(password)
folder = os.path.dirname(path)
settings = {
    "ServerApp": {
        "ip": "0.0.0.0", "port": port, "port_retries": 0, "open_browser": False, "allow_remote_access": True,
        "root_dir": directory, "certfile": folder + "/starcluster.pem", "keyfile": folder + "/starcluster.key",
    },
    "PasswordIdentityProvider": {"hashed_password": hashed, "password_required": True},
}
if settings != before:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
        json.dump(settings, stream, indent=1)
    print("changed")
"""
_NOTEBOOK = """folder=$home/.jupyter; umask 077
as_user() { runuser -u "$user" -- env HOME="$home" "$@"; }
as_user mkdir -p "$folder"; [ -d "$directory" ] || as_user mkdir -p "$directory"
if [ ! -s "$folder/starcluster.pem" ]; then
  as_user openssl req -x509 -newkey rsa:2048 -nodes -days 825 -subj "/CN=$host" \\
    -keyout "$folder/starcluster.key" -out "$folder/starcluster.pem" 2>/dev/null
fi
told=$(printf %s "$password" | as_user "$python" -c "$settings" "$folder/starcluster.json" "$directory" "$port")
[ -z "$told" ] || end notebook
runs notebook || begin notebook "$python" -m notebook --config="$folder/starcluster.json"
for turn in $(seq 150); do
  if (exec 8<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then return 0; fi
  runs notebook || [ "$turn" -lt 10 ] || break
  sleep 0.2
done
tail -n8 "$logs/notebook.log" >&2; return 1
"""


class IPCluster(ClusterSetup):
    def __init__(
        self,
        enable_notebook: str = "False",
        notebook_passwd: str = "",
        notebook_directory: str = "",
        packer: str = "",
        log_level: str = "INFO",
    ) -> None:
        self.notebook = choice(enable_notebook, "ENABLE_NOTEBOOK", (*_YES, *_NO)) in _YES
        self.password, self.directory = notebook_passwd, notebook_directory.strip()
        self.packer = choice(packer, "PACKER", ("json", "pickle", "msgpack")) if packer.strip() else ""
        self.level = choice(log_level, "LOG_LEVEL", _LEVELS).upper()

    def run(self, nodes: list[Node], master: Node, user: str, user_shell: str, volumes: Volumes) -> None:
        pythons = dict(zip((node.alias for node in nodes), _on_each(nodes, self._python), strict=True))
        connection = self._start_controller(master, user, pythons[master.alias])
        began = _on_each(nodes, lambda node: _start_engines(node, user, pythons[node.alias], self.level))
        total = sum(engines_of(node) for node in nodes)
        if any(began):
            _wait_for_engines(master, user, pythons[master.alias], total)
        path = connection_file(master)
        keep(path, json.dumps(for_outside(connection, master, user), indent=1))
        log.info("%d engines are ready: Client() on the cluster, Client('%s', sshkey=...) here", total, path)
        if self.notebook:
            self._start_notebook(master, user)

    def on_add_node(
        self, node: Node, nodes: list[Node], master: Node, user: str, user_shell: str, volumes: Volumes
    ) -> None:
        """The controller may have ended with the last boot of the master; its file here is then an old one."""
        python, asks = self._python(node), self._python(master)
        connection = self._start_controller(master, user, asks)
        keep(connection_file(master), json.dumps(for_outside(connection, master, user), indent=1))
        before = _wait_for_engines(master, user, asks, 0)
        began = _start_engines(node, user, python, self.level)
        try:
            _wait_for_engines(master, user, asks, before + began)
        except exception.RemoteCommandFailed as error:  # the one that it waits for may be of a node that goes
            log.warning("The engines of %s have begun, and the controller has not heard of them yet: %s", node, error)

    def on_remove_node(
        self, node: Node, nodes: list[Node], master: Node, user: str, user_shell: str, volumes: Volumes
    ) -> None:
        if node.is_running() and node.is_ssh_up():
            _tell(node, user, "end_engines", what=f"stop the engines of {node.alias}")

    def on_shutdown(self, nodes: list[Node], master: Node, user: str, user_shell: str, volumes: Volumes) -> None:
        """What leads to a controller that is no more misleads."""
        connection_file(master).unlink(missing_ok=True)

    def _python(self, node: Node) -> str:
        wanted = ["ipyparallel", "msgpack"] if self.packer == "msgpack" else ["ipyparallel"]
        return _python_with(node, wanted)

    def _start_controller(self, master: Node, user: str, python: str) -> dict[str, Any]:
        """What a client must know: a secret, since who has it runs programs on all nodes."""
        address = master.private_ip_address
        options = [f"--ip={address}", f"--location={address}", f"--log-level={self.level}"]
        options += [f"--Session.packer={self.packer}"] if self.packer else []
        lines = f"python={shlex.quote(python)}\nset -- {' '.join(map(shlex.quote, options))}\n{_CONTROLLER}"
        told = _tell(master, user, lines, what="start the IPython controller", secret=True)
        found: dict[str, Any] = json.loads("\n".join(told))
        return found

    def _start_notebook(self, master: Node, user: str) -> None:
        python = _python_with(master, ["notebook"])
        kept = connection_file(master).with_suffix(".notebook-password")
        password = self.password or (kept.read_text().strip() if kept.exists() else secrets.token_urlsafe(12))
        settings = {
            "python": python,
            "directory": self.directory or f"/home/{user}",
            "host": master.dns_name,
            "port": str(PORT),
            "password": password,
            "settings": _NOTEBOOK_SETTINGS,
        }
        lines = "".join(f"{name}={shlex.quote(value)}\n" for name, value in settings.items())
        _tell(master, user, lines + _NOTEBOOK, what="start the notebook", secret=True)
        keep(kept, password + "\n")
        log.info("The notebook is at https://%s:%d, its password in %s", master.dns_name, PORT, kept)
        log.info(
            "Its port is open inside the cluster only: a [permission] opens it, or ssh -L %d:localhost:%d", PORT, PORT
        )


class IPClusterRestartEngines(ClusterSetup):
    """New engines in the place of all that run."""

    def run(self, nodes: list[Node], master: Node, user: str, user_shell: str, volumes: Volumes) -> None:
        def restart(node: Node) -> None:
            _start_engines(node, user, _python_with(node, ["ipyparallel"]), "INFO", anew=True)

        _on_each(nodes, restart)
        total = sum(engines_of(node) for node in nodes)
        _wait_for_engines(master, user, _python_with(master, ["ipyparallel"]), total)
        log.info("%d engines are ready", total)


class IPClusterStop(ClusterSetup):
    """No engines, no controller, no notebook."""

    def run(self, nodes: list[Node], master: Node, user: str, user_shell: str, volumes: Volumes) -> None:
        lines = 'end notebook; end_engines; end ipcontroller; rm -f "$run/controller"'
        _on_each(nodes, lambda node: _tell(node, user, lines, what=f"stop the IPython cluster on {node.alias}"))
        connection_file(master).unlink(missing_ok=True)
        log.info("The IPython cluster is stopped")


def engines_of(node: Node) -> int:
    """One for each CPU; on the master the controller has one, unless it is the only one."""
    return max(node.num_processors - node.is_master(), 1)


def connection_file(master: Node) -> Path:
    return logs_folder().parent / "ipcluster" / f"{master.cluster_tag}-{master.region}.json"


def for_outside(connection: Mapping[str, Any], master: Node, user: str) -> dict[str, Any]:
    """The connection as a client on the user's machine takes it: through SSH to the master.

    A node of the local cloud is known to ssh by the name that `starcluster local ssh-config` gives it.
    """
    host = master.dns_name if master.ec2.cloud.public else f"{master.cluster_tag}-{master.alias}"
    return {**connection, "ssh": f"{user}@{host}"}


def keep(path: Path, content: str) -> None:
    """Whole or not at all, and for the user alone."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
        stream.write(content)
    draft.replace(path)


def _python_with(node: Node, packages: Sequence[str]) -> str:
    """A Python of the node that can import them; installed where there is none."""
    imports = shlex.quote("import " + ", ".join(packages))
    found = node.ssh.script(
        f"for one in {_PYTHON} python3; do\n"
        f'if "$one" -c {imports} >/dev/null 2>&1; then command -v "$one"; return 0; fi; done',
        what=f"look for {' and '.join(packages)} on {node.alias}",
    )
    return found[0] if found else node.software.install_python(packages)


def _start_engines(node: Node, user: str, python: str, level: str, *, anew: bool = False) -> int:
    """How many there were to start."""
    lines = (
        f"python={shlex.quote(python)} count={engines_of(node)} anew={'yes' if anew else ''}\n"
        f"set -- --log-level={level}\n{_ENGINES}"
    )
    return len(_tell(node, user, lines, what=f"start the engines of {node.alias}"))


def _wait_for_engines(master: Node, user: str, python: str, count: int) -> int:
    """How many the controller knows, at least `count`. It holds no lock: others start engines meanwhile."""
    words = [python, "-c", _LOOK, str(count), str(_ENGINES_LIMIT)]
    lines = f'user={shlex.quote(user)}; home=$(getent passwd "$user" | cut -d: -f6); cd "$home"\n'
    lines += f'runuser -u "$user" -- env HOME="$home" {" ".join(map(shlex.quote, words))}'
    try:
        return int(master.ssh.script(lines, what="look for the engines")[-1])
    except exception.RemoteCommandFailed as error:
        error.hint = "their logs are /var/log/starcluster/ipengine-*.log on the nodes"
        raise


def _tell(node: Node, user: str, lines: str, *, what: str, secret: bool = False) -> list[str]:
    return node.ssh.script(f"user={shlex.quote(user)}\n{_HEAD}{lines}", what=what, secret=secret)


def _on_each(nodes: Sequence[Node], job: Callable[[Node], Any]) -> list[Any]:
    """Side by side; what it gave, in the nodes' order."""
    with get_thread_pool(_AT_ONCE) as pool:
        for node in nodes:
            pool.simple_job(job, (node,), jobid=node.alias)
        return pool.wait()

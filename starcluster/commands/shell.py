"""starcluster shell"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from starcluster import exception
from starcluster.ownfolder import home

if TYPE_CHECKING:
    from starcluster.app import App

Names = dict[str, Any]
_BANNER = """\
Python {version}, with this of starcluster:

    cfg   the config: cfg.clusters, cfg.keys, cfg.globals, cfg.get_cluster_template("mytemplate", "mycluster").start()
    cm    the clusters: cm.get_clusters(), cm.get_cluster("mycluster").nodes, .master_node.ssh.execute("uptime")
    ec2   EC2: ec2.instances.find(), ec2.spot, ec2.volumes, ec2.snapshots, ec2.images
    s3    S3: s3.buckets(), s3.objects("mybucket")
"""
_CLIENT = "    rc    the ipyparallel client of {tag}: rc.ids, rc[:].map_sync(f, values)\n"
_HISTORY_LINES = 10_000
_MODULES = "awsutils cluster clustersetup config exception logger node sshutils static utils".split()


@click.command(context_settings={"allow_interspersed_args": False})
@click.argument("own", metavar="[WORD]...", nargs=-1)
@click.option("-p", "--ipcluster", metavar="TAG", help="With a client of the cluster's IPython engines, called rc.")
@click.pass_obj
def command(app: App, /, *, own: tuple[str, ...], ipcluster: str | None) -> int:
    """Open a Python shell with the config, the clusters, EC2 and S3 in it: IPython where it is installed.

    Where stdin is no terminal the program that comes from it is run, be it Python 2; it finds the words in sys.argv,
    options of its own behind the first of them too, and its exit status is ours.

    \b
    Examples:
      starcluster shell
      echo 'print([node.alias for node in cm.get("mycluster").nodes])' | starcluster shell
      starcluster shell mycluster < program.py
    """
    names = _names(app)
    banner = _BANNER.format(version=sys.version.split()[0])
    if ipcluster:
        names["rc"] = _client(app, ipcluster)
        banner += _CLIENT.format(tag=ipcluster)
    if not sys.stdin.isatty():
        return run_program(sys.stdin.read(), names, own)
    _open(names, banner)
    return 0


def _names(app: App) -> Names:
    """What StarCluster's shell had in it: what a program has that imports starcluster, and the modules themselves."""
    modules = {name: importlib.import_module(f"starcluster.{name}") for name in _MODULES}
    cfg = modules["config"].StarClusterConfig(app=app)
    return {**modules, "cfg": cfg, "cm": cfg.get_cluster_manager(), "ec2": cfg.get_easy_ec2(), "s3": app.ec2.objects}


def run_program(text: str, names: Names, words: Sequence[str] = ()) -> int:
    """Run a program; 0, what it gave to sys.exit, or 1 with a traceback on stderr."""
    import traceback

    from starcluster.plugincode.importing import program_code

    space = {"__name__": "__main__", **names}
    sys.argv[1:] = ["shell", *words]
    try:
        exec(program_code(text, "<stdin>", space), space)  # it is the user's own, as `python -` is
    except SystemExit as end:
        if isinstance(end.code, str):
            click.echo(end.code, err=True)
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except Exception:  # noqa: BLE001  what a user's program raises is told as Python tells it
        traceback.print_exc()
        return 1
    return 0


def _open(names: Names, banner: str) -> None:
    try:
        from IPython import start_ipython
    except ImportError:
        _open_plain(names, banner)
        return
    click.echo(banner)
    start_ipython(argv=["--no-banner"], user_ns=names)


def _open_plain(names: Names, banner: str) -> None:
    """Python's own shell, with completion, and a history that lasts."""
    import code
    import readline
    import rlcompleter

    path = home() / "shell_history"
    readline.set_completer(rlcompleter.Completer(names).complete)
    readline.parse_and_bind("tab: complete")
    readline.set_history_length(_HISTORY_LINES)
    if path.exists():
        readline.read_history_file(path)
    try:
        code.interact(banner, local=names, exitmsg="")
    finally:
        _keep_history(path)


def _keep_history(path: Path) -> None:
    """What was typed may hold secrets: only its owner reads it."""
    import readline

    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.touch(mode=0o600)
    readline.write_history_file(path)


def _client(app: App, tag: str) -> Any:
    """The ipyparallel client by the connection file that the plugin IPCluster has left on this machine."""
    from starcluster.cluster import engines

    try:
        import ipyparallel
    except ImportError as error:
        raise exception.CommandNotFound(
            "ipyparallel is not installed on this machine", hint="pip install ipyparallel"
        ) from error
    cluster = app.clusters.get(tag)
    connection = home() / "ipcluster" / f"{tag}-{app.ec2.region}.json"
    if not connection.exists():
        raise exception.ClusterNotRunning(
            f"cluster '{tag}' has no IPython engines that are known here: there is no {connection}",
            hint=f"the plugin IPCluster starts them: starcluster runplugin IPCLUSTER {tag}",
        )
    return ipyparallel.Client(engines.open_way(cluster.running_master(), json.loads(connection.read_text())))

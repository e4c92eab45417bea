"""starcluster loadbalance TAG"""

from __future__ import annotations

import click

from starcluster import exception

_COUNT = click.IntRange(min=1)


@click.command()
@click.argument("tag")
@click.option("-d", "--dump-stats", is_flag=True, help="Not used yet.")
@click.option("-D", "--dump-stats-file", metavar="FILE", help="Not used yet.")
@click.option("-p", "--plot-stats", is_flag=True, help="Not used yet.")
@click.option("-P", "--plot-output-dir", metavar="FOLDER", help="Not used yet.")
@click.option("-i", "--interval", type=_COUNT, metavar="SECONDS", help="Not used yet.")
@click.option("-m", "--max_nodes", type=_COUNT, metavar="N", help="Not used yet.")
@click.option("-w", "--job_wait_time", type=_COUNT, metavar="SECONDS", help="Not used yet.")
@click.option("-a", "--add_nodes_per_iter", type=_COUNT, metavar="N", help="Not used yet.")
@click.option("-k", "--kill_after", type=_COUNT, metavar="MINUTES", help="Not used yet.")
@click.option("-s", "--stabilization_time", type=_COUNT, metavar="SECONDS", help="Not used yet.")
@click.option("-l", "--lookback_window", type=_COUNT, metavar="MINUTES", help="Not used yet.")
@click.option("-n", "--min_nodes", type=_COUNT, metavar="N", help="Not used yet.")
@click.option("-K", "--kill-cluster", is_flag=True, help="Not used yet.")
def command(tag: str, **_: object) -> None:
    """Not possible yet: it follows a queue, and clusters have none so far. Says what to use instead.

    \b
    Examples:
      starcluster addnode -n 2 mycluster
      starcluster removenode -n 2 mycluster
    """
    raise exception.ExperimentalFeature(
        "loadbalance follows the queue of a cluster, and no queueing system is set up on clusters yet",
        hint=f"starcluster addnode -n N {tag} and removenode -n N {tag} change its size; for a command that must run to"
        " its end on spot instances: starcluster train",
    )

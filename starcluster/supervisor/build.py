"""Puts a driver together from the parts that the command line has made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

from starcluster import exception
from starcluster.aws.session import Ec2
from starcluster.clock import Clock
from starcluster.cluster.cluster import Clusters
from starcluster.cluster.costs import Meter
from starcluster.cluster.drives.records import DriveRecords
from starcluster.cluster.namerecord import NameRecords
from starcluster.supervisor.accounting import Accountant
from starcluster.supervisor.crew import Crew, Lane
from starcluster.supervisor.drivesight import DriveSight
from starcluster.supervisor.execute import Executor, Settings
from starcluster.supervisor.journal import Journal, journal_folder
from starcluster.supervisor.lease import Holder
from starcluster.supervisor.loop import Driver, Site
from starcluster.supervisor.machines import ClusterMachines
from starcluster.supervisor.memory import Memory
from starcluster.supervisor.observe import Observer
from starcluster.supervisor.wishes import Wish

# EC2 refills two launches a second, and one takes about two: more hands would only ask a dry pool more often
HANDS = {Lane.ACTS: 16, Lane.LAUNCHES: 4}


def build_driver(
    wishes: Sequence[Wish],
    *,
    clusters: Clusters,
    ec2: Ec2,
    clock: Clock,
    settings: Settings,
    listener: Callable[[dict[str, Any]], None] | None = None,
) -> Driver:
    """One site for each cluster that is wished for; raises ClusterDoesNotExist before anything is done."""
    me = Holder.of_this_process()
    ordered = sorted(wishes, key=lambda wish: wish.cluster)
    sites = []
    for tag, group in groupby(ordered, key=lambda wish: wish.cluster):
        machines, journal = _machines(clusters, tag), Journal(journal_folder(), tag, listener=listener)
        sites.append(_site(list(group), machines, journal, ec2=ec2, clock=clock, me=me, settings=settings))
    return Driver(sites, clock=clock)


def _site(
    wishes: list[Wish],
    machines: ClusterMachines,
    journal: Journal,
    *,
    ec2: Ec2,
    clock: Clock,
    me: Holder,
    settings: Settings,
) -> Site:
    """All that looks at and acts on one cluster, by one memory."""
    tag = wishes[0].cluster
    records, memory = NameRecords(ec2.templates, tag, clock=clock), Memory(clock)
    meter = Meter(ec2, clock)
    observer = Observer(
        cluster=tag,
        ec2=ec2,
        records=records,
        machines=machines,
        memory=memory,
        clock=clock,
        me=me,
        hands=HANDS[Lane.ACTS],
        drives=_sight(ec2, memory=memory, clock=clock),
        price_in=meter.price_in,
        seen=machines.seen,
    )
    executor = Executor(
        cluster=tag,
        ec2=ec2,
        records=records,
        machines=machines,
        memory=memory,
        journal=journal,
        clock=clock,
        me=me,
        busy=observer.busy,
        settings=settings,
    )
    crew = Crew(HANDS)
    crew.late = executor.wake.set
    return Site(
        cluster=tag,
        observer=observer,
        executor=executor,
        journal=journal,
        wishes=wishes,
        crew=crew,
        accounts=Accountant(meter=meter, records=records, crew=crew, journal=journal, clock=clock),
    )


def _sight(ec2: Ec2, *, memory: Memory, clock: Clock) -> DriveSight:
    drives = DriveRecords(ec2.templates, ec2.volumes, ec2.snapshots)
    return DriveSight(drives, ec2.instances, memory=memory, clock=clock)


def _machines(clusters: Clusters, tag: str) -> ClusterMachines:
    try:
        return ClusterMachines(clusters, tag)
    except exception.ClusterDoesNotExist as error:
        hint = f"start it first: starcluster start {tag}"
        raise exception.ClusterDoesNotExist(error.msg, hint="\n".join([hint, error.hint]).strip()) from error

"""starcluster spothistory TYPE"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING

import click

from starcluster import exception
from starcluster.logger import log

if TYPE_CHECKING:
    from starcluster.app import App
    from starcluster.model import SpotPrice

_CLASSIC, _VPC = "Linux/UNIX", "Linux/UNIX (Amazon VPC)"
_DEFAULT_DAYS = 1.0
_OUTPUT = "Write the curves to this page  [default with -p: ./spothistory-TYPE.html]."


def _time(ctx: click.Context, param: click.Parameter, given: str | None) -> datetime | None:
    """Click's callback: an ISO time; without a zone it is local time."""
    if given is None:
        return None
    try:
        return datetime.fromisoformat(given).astimezone(UTC)
    except ValueError:
        raise click.BadParameter(f"'{given}' is no time such as 2026-11-22T12:00:00", ctx=ctx, param=param) from None


@click.command()
@click.argument("instance_type", metavar="TYPE")
@click.option("-z", "--zone", metavar="ZONE", help="Only this zone.")
@click.option("-d", "--days", type=click.FloatRange(min=0, min_open=True), metavar="N", help="So many days back.")
@click.option("-s", "--start-time", callback=_time, metavar="ISO", help="From this time on.")
@click.option("-e", "--end-time", callback=_time, metavar="ISO", help="Until this time.")
@click.option("-p", "--plot", is_flag=True, help="Show the prices as a curve in a browser.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help=_OUTPUT)
@click.option("-v", "--vpc", is_flag=True, help="Prices in a VPC (all accounts have one today).")
@click.option("-c", "--classic", is_flag=True, help="Prices of EC2 Classic.")
@click.pass_obj
def command(
    app: App,
    instance_type: str,
    zone: str | None,
    days: float | None,
    start_time: datetime | None,
    end_time: datetime | None,
    plot: bool,
    output: Path | None,
    vpc: bool,
    classic: bool,
) -> None:
    """Show the current, highest and average spot price of an instance type.

    \b
    Example:
      starcluster spothistory c5.xlarge --days 7 --zone us-east-1a
    """
    if days and start_time:
        raise click.UsageError("options -d and -s cannot be used together")
    if classic and vpc:
        raise click.UsageError("options -c and -v cannot be used together")
    end = end_time or datetime.now(UTC)
    start = start_time or end - timedelta(days=days or _DEFAULT_DAYS)
    log.info("Fetching spot history for %s (%s)", instance_type, "EC2-Classic" if classic else "VPC")
    products = [_CLASSIC] if classic else [_VPC] if vpc else [_CLASSIC, _VPC]
    prices = app.ec2.spot.history(instance_type, zone or "", start, end, products=products)
    if not prices:
        raise exception.SpotHistoryError(
            f"no spot price of {instance_type} from {start:%Y-%m-%dT%H:%M:%S} to {end:%Y-%m-%dT%H:%M:%S}",
            hint="is it an instance type of this region, and offered as spot?",
        )
    show(prices)
    if plot or output:
        from starcluster.commands import plot as curves

        path = curves.write(output or Path(f"spothistory-{instance_type}.html"), instance_type, prices, end)
        if plot:
            curves.open_page(path, app.config.globals.web_browser)


def show(prices: Sequence[SpotPrice]) -> None:
    """Three lines; the average is the plain mean over all records."""
    values = [one.price for one in prices]
    log.info("Current price: $%.4f", max(prices, key=lambda one: one.at).price)
    log.info("Max price: $%.4f", max(values))
    log.info("Average price: $%.4f", mean(values))

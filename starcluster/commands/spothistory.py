"""starcluster spothistory TYPE"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from starcluster import exception
from starcluster.commands import spotfacts
from starcluster.commands.chart import Chart, chart
from starcluster.commands.listing import show_json
from starcluster.logger import log, machines, only_stderr

if TYPE_CHECKING:
    from starcluster.app import App
    from starcluster.model import SpotPrice

_CLASSIC, _VPC = "Linux/UNIX", "Linux/UNIX (Amazon VPC)"
_DEFAULT_DAYS = 1.0
_DRAWN = (".html", ".htm", ".png")
_OUTPUT = "Draw to this file, .html or .png  [default with -p: ./spothistory-TYPE.html and .png]."


def _time(ctx: click.Context, param: click.Parameter, given: str | None) -> datetime | None:
    """Click's callback: an ISO time; without a zone it is local time."""
    if given is None:
        return None
    try:
        return datetime.fromisoformat(given).astimezone(UTC)
    except ValueError:
        raise click.BadParameter(f"'{given}' is no time such as 2026-11-22T12:00:00", ctx=ctx, param=param) from None


def _drawing(ctx: click.Context, param: click.Parameter, given: Path | None) -> Path | None:
    """Click's callback: a file whose form is known by its name."""
    if given is not None and given.suffix.lower() not in _DRAWN:
        raise click.BadParameter(f"{given} ends neither in .html nor in .png", ctx=ctx, param=param)
    return given


@click.command()
@click.argument("instance_type", metavar="TYPE")
@click.option("-z", "--zone", metavar="ZONE", help="Only this zone.")
@click.option("-d", "--days", type=click.FloatRange(min=0, min_open=True), metavar="N", help="So many days back.")
@click.option("-s", "--start-time", callback=_time, metavar="ISO", help="From this time on.")
@click.option("-e", "--end-time", callback=_time, metavar="ISO", help="Until this time.")
@click.option("-p", "--plot", is_flag=True, help="Draw the prices as curves, and show them in a browser.")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=_drawing,
    metavar="FILE",
    help=_OUTPUT,
)
@click.option("--csv", "csv_file", metavar="FILE", help="Write every price to this file; - is standard output.")
@click.option("--json", "as_json", is_flag=True, help="Show every price, and the numbers of each zone, as JSON.")
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
    csv_file: str | None,
    as_json: bool,
    vpc: bool,
    classic: bool,
) -> None:
    """Show the current, highest and average spot price of an instance type.

    \b
    Examples:
      starcluster spothistory c5.xlarge --days 7 --zone us-east-1a
      starcluster spothistory c5.xlarge --plot
      starcluster spothistory c5.xlarge -o prices.png --csv prices.csv
    """
    if days and start_time:
        raise click.UsageError("options -d and -s cannot be used together")
    if classic and vpc:
        raise click.UsageError("options -c and -v cannot be used together")
    if as_json and csv_file == "-":
        raise click.UsageError("options --json and --csv - cannot be used together")
    end = end_time or datetime.now(UTC)
    start = start_time or end - timedelta(days=days or _DEFAULT_DAYS)
    if start >= end:
        raise click.UsageError(f"the time begins ({spotfacts.iso(start)}) after its end ({spotfacts.iso(end)})")
    # what is for programs has standard output to itself
    with only_stderr() if as_json or csv_file == "-" else nullcontext():
        log.info("Fetching spot history for %s (%s)", instance_type, "EC2-Classic" if classic else "VPC")
        products = [_CLASSIC] if classic else [_VPC] if vpc else [_CLASSIC, _VPC]
        prices = fetch(app, instance_type, zone or "", start, end, products)
        if as_json:
            show_json(spotfacts.as_json(instance_type, prices, start, end))
        else:
            show(prices)
        if csv_file:
            write_csv(csv_file, prices)
        if plot or output:
            draw(app, chart(instance_type, prices, start, end), instance_type, output, plot=plot)


def fetch(
    app: App, instance_type: str, zone: str, start: datetime, end: datetime, products: Sequence[str]
) -> list[SpotPrice]:
    prices = app.ec2.spot.history(instance_type, zone, start, end, products=products)
    if not prices:
        raise exception.SpotHistoryError(
            f"no spot price of {instance_type} from {start:%Y-%m-%dT%H:%M:%S} to {end:%Y-%m-%dT%H:%M:%S}",
            hint="is it an instance type of this region, and offered as spot?",
        )
    return prices


def show(prices: Sequence[SpotPrice]) -> None:
    """StarCluster's three lines, which programs read; people get a table of the zones too."""
    found = spotfacts.numbers(prices)
    log.info("Current price: $%.4f", found["current"])
    log.info("Max price: $%.4f", found["max"])
    log.info("Average price: $%.4f", found["average"])
    if sys.stdout.isatty():
        click.echo(spotfacts.table(spotfacts.by_zone(prices)))


def write_csv(file: str, prices: Sequence[SpotPrice]) -> None:
    text = spotfacts.as_csv(prices)
    if file == "-":
        click.echo(text, nl=False, file=machines())
        return
    try:
        Path(file).write_text(text, encoding="utf-8")
    except OSError as error:
        raise exception.BaseException(f"can not write {file}: {error.strerror}") from error
    log.info("%d prices are in %s", len(spotfacts.changes(prices)), Path(file).resolve())


def draw(app: App, drawn: Chart, instance_type: str, output: Path | None, *, plot: bool) -> None:
    """The file that was named; else the page, and a PNG where one can be drawn. With `plot` it is shown."""
    from starcluster.commands import plot as curves

    page = curves.write(output or Path(f"spothistory-{instance_type}.html"), drawn)
    if output is None and curves.can_draw():
        curves.write(page.with_name(page.stem + ".png"), drawn)
    elif output is None:
        log.info("A PNG beside it needs Pillow: pip install 'starcluster-spot[plot]'")
    if plot:
        curves.open_page(page, app.config.globals.web_browser)

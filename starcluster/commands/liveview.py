"""The driver's table on a terminal: it stands below the sentences and is renewed once a second.

`picture` makes it from values; `Screen` keeps it on the terminal, in a thread that the driver does not wait for.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from types import TracebackType

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.text import Text

from starcluster.commands.showing import duration, saved_words, spent_words
from starcluster.commands.tables import Column, table
from starcluster.logger import log
from starcluster.supervisor.board import ENDED_BADLY, ENDED_WELL, Board, Row, Tone
from starcluster.supervisor.loop import Driver, Ended, Site

COLUMNS = (
    Column(head="NAME", style="bold"),
    Column(head="DOING", least=14),
    Column(head="PROGRESS", rank=1),
    Column(head="LEFT", rank=2, right=True),
    Column(head="MACHINE", rank=7),
    Column(head="TYPE", rank=5),
    Column(head="ZONE", rank=6),
    Column(head="MARKET", rank=8),
    Column(head="TRY", rank=4, right=True),
    Column(head="TAKEN", rank=4, right=True),
    Column(head="COST", rank=2, right=True),
    Column(head="SAVED", rank=3, right=True),
)
HINT = "Ctrl-C ends the watching, not the work"
_STYLES = {Tone.GOOD: "green", Tone.BUSY: "yellow", Tone.BAD: "red", Tone.OVER: "dim"}
_ORDER = (Tone.BAD, Tone.BUSY, Tone.GOOD, Tone.OVER)  # which rows are shown when there is no room for all
_BAR = 12
_PRICES = 5.0  # wall seconds between two looks at whether prices are to be asked for


def picture(
    rows: Sequence[Row], now: datetime, *, width: int, height: int = 1000, plain_signs: bool = False
) -> RenderableType:
    """The table, and a line of sums under it, for a terminal of this size; `plain_signs`: ASCII only."""
    room = max(1, height - 4)
    shown = rows if len(rows) <= room else sorted(rows, key=lambda row: _ORDER.index(row.tone))[: room - 1]
    words = [_words(row, now, plain_signs=plain_signs) for row in shown]
    cells = [
        [Text(word, style=_style(row, column)) for word, column in zip(line, COLUMNS, strict=True)]
        for row, line in zip(shown, words, strict=True)
    ]
    more = [Text(f"... and {len(rows) - len(shown)} more", style="dim")] if len(shown) < len(rows) else []
    return Group(table(COLUMNS, words, width, cells), *more, Text(_sums(rows, width), style="dim", no_wrap=True))


def _style(row: Row, column: Column) -> str:
    if column.head == "DOING":
        return _STYLES[row.tone]
    return "green" if column.head == "PROGRESS" else ""


def _words(row: Row, now: datetime, *, plain_signs: bool) -> list[str]:
    here = row.instance
    return [
        row.name,
        countdown(row.taken_at, now) + row.doing,
        bar(row.step, row.total, plain_signs=plain_signs),
        duration(row.left) if row.left is not None else "",
        here.id if here else "",
        here.instance_type if here else "",
        here.zone if here else "",
        str(here.market) if here else "",
        str(row.attempt or ""),
        str(row.spent.interruptions),
        spent_words(row.spent),
        saved_words(row.spent),
    ]


def countdown(taken_at: float, now: datetime) -> str:
    """`taken in 1:43: `, by this machine's clock; "" without a notice. It stands first, where nothing is cut off."""
    if not taken_at:
        return ""
    left = max(0, round(taken_at - now.timestamp()))
    return f"taken in {left // 60}:{left % 60:02d}: "


def bar(step: int | None, total: int | None, *, plain_signs: bool = False) -> str:
    """How far it is; "" for a program that does not tell."""
    if step is None or not total:
        return ""
    part = min(1.0, max(0.0, step / total))
    full, empty = ("#", ".") if plain_signs else ("\u2501", "\u2500")
    done = int(part * _BAR)
    return f"{full * done}{empty * (_BAR - done)} {int(part * 100):3d}%"


def _sums(rows: Sequence[Row], width: int) -> str:
    """How many do what, and what all of them cost; the hint where there is room for it."""
    parts = []
    for tone, word in ((Tone.GOOD, "work"), (Tone.BUSY, "on their way"), (Tone.BAD, "in trouble"), (Tone.OVER, "done")):
        count = sum(row.tone is tone for row in rows)
        parts += [f"{count} {word}"] if count else []
    usd = sum(row.spent.usd for row in rows)
    unknown = any(row.spent.unknown for row in rows)
    parts += [f"${usd:.2f}{' + ?' if unknown else ''} so far"] if usd >= 0.01 else []
    text = ", ".join(parts)
    if all(row.tone is Tone.OVER for row in rows):
        return text
    return f"{text}   {HINT}" if len(text) + len(HINT) + 3 <= width else text


class Screen:
    """The table of a running driver; `with` it, all that is printed scrolls above the table."""

    def __init__(self, driver: Driver, console: Console | None = None) -> None:
        self._driver = driver
        self._console = console or Console()
        self._boards = [Board(site.accounts.meter.known if site.accounts else lambda _: None) for site in driver.sites]
        self._seen: dict[str, object] = {}
        self._ended = threading.Event()
        self._fault: Exception | None = None
        self._live = Live(
            self,
            console=self._console,
            refresh_per_second=1,
            redirect_stderr=sys.stderr.isatty(),
            vertical_overflow="crop",
        )
        for site, board in zip(driver.sites, self._boards, strict=True):
            board.wait_for(site.wishes)

    def __enter__(self) -> Screen:
        self._live.start(refresh=True)
        threading.Thread(target=self._ask_prices, name="prices", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        try:
            self._live.stop()
        except OSError as gone:  # the terminal was closed
            log.debug("the table could not be taken down: %s", gone)
        if self._fault is not None:
            log.debug("the table", exc_info=self._fault)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """What stands on the terminal now; a fault in it must not reach whoever is printing."""
        try:
            now = datetime.now(UTC)
            rows = self._rows(now)
            size = console.size
            yield picture(rows, now, width=size.width, height=size.height, plain_signs=options.ascii_only)
        except Exception as error:  # noqa: BLE001  the edge of the table's thread; told when the table is down
            self._fault = error

    def _rows(self, now: datetime) -> list[Row]:
        rows: list[Row] = []
        for site, board in zip(self._driver.sites, self._boards, strict=True):
            self._see(site, board, now)
            rows += board.rows(now)
        return rows

    def _see(self, site: Site, board: Board, now: datetime) -> None:
        look = site.look
        if look is not None and self._seen.get(site.cluster) is not look:
            self._seen[site.cluster] = look
            board.see(list(site.wishes), look, now)
        for name, ended in list(site.results.items()):
            words = {Ended.FINISHED: ENDED_WELL, Ended.GAVE_UP: ENDED_BADLY}.get(ended, "waits for you to act")
            board.end(name, words, well=ended is Ended.FINISHED)

    def _ask_prices(self) -> None:
        pause = 1.0
        while not self._ended.wait(pause):
            pause = _PRICES
            for site in self._driver.sites:
                self._ask_prices_of(site)

    def _ask_prices_of(self, site: Site) -> None:
        look = site.look
        if look is None or site.accounts is None:
            return
        for instance in [one for known in look.names.values() for one in known.instances]:
            if not self._ended.is_set():
                site.accounts.meter.ask(instance)

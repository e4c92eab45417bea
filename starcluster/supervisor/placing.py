"""Where a name's next instance is to live when its drives come along: the zones weighed by time and by price.

A volume is in one zone; elsewhere the drive comes from a snapshot, which takes longer. So of "wait here", "attach
there" and "restore elsewhere" the one is taken that costs least: the price of the hours to come, and what the hours of
waiting are worth. All are estimates, and the sentence that tells the choice has the figures.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from starcluster.model import Pool
from starcluster.supervisor.actions import Action, Hold, Launch
from starcluster.supervisor.case import Case
from starcluster.supervisor.drivewishes import DriveWish
from starcluster.supervisor.look import DriveLook

# EC2's seconds; what a volume of some 100 GB takes
BOOT = 90.0
ATTACH = 10.0
FREED = 10.0  # a volume that was unmounted and detached in good order
DYING = 120.0  # one whose instance died: it is free when that is terminated
MAKE = 90.0  # a volume from a snapshot, and its first slow reads
SNAPSHOT = 60.0  # what has changed since the last one, and EC2's own time
FIRST_RATE = 100.0  # MiB/s of a first snapshot
STAY = 4.0  # hours that a machine is reckoned to stay
_STEPS = (1, 2, 3, 5, 8, 12, 20, 30, 45)  # minutes, in the sentences


@dataclass(frozen=True, kw_only=True)
class Place:
    """One pool: how long until EC2 gives a machine there (0 = it may be asked now), until its drives are there then,
    what work is lost there (all in EC2's seconds), its price in US dollars an hour (None = unknown)."""

    pool: Pool
    wait: float
    bring: float
    lost: float
    price: float | None
    how: str

    @property
    def delay(self) -> float:
        return self.wait + BOOT + self.bring + self.lost

    def cost(self, worth: float) -> float:
        """US dollars until STAY hours of work are done there; `worth`: what an hour of delay costs."""
        return self.delay / 3600 * worth + (self.price or 0.0) * STAY


def place_drives(case: Case, pools: Sequence[Pool], *, generation: int, try_number: int, because: str) -> Action:
    """Launch where it is best, or wait where that is better than going elsewhere."""
    refused = _unreadable(case) or _taken_elsewhere(case)
    if refused:
        return refused
    worth = _worth(case, pools)
    best, others = _choose(places_of(case, pools), worth)
    words = _told(best, others, worth)
    if best.wait:
        return case.wait(f"{because}; {words}", max(min(case.look.avoid.values()), 1.0))
    return Launch(
        name=case.wish.name,
        because=f"{because}; {words}" if words else because,
        pool=best.pool,
        generation=generation,
        try_number=try_number,
        max_price=case.wish.bid_in(best.pool),
    )


def _choose(places: Sequence[Place], worth: float) -> tuple[Place, list[Place]]:
    """The best place, and those of its market: of the first market if one there is free, else of the next.

    A second market is there only after the longest wait, and then nobody waits in the first.
    """
    here = [one for one in places if one.pool.market is places[0].pool.market]
    rest = [one for one in places if one.pool.market is not places[0].pool.market]
    free = [one for one in here if not one.wait]
    if rest and not free:
        return _choose(rest, worth)
    return min(free if rest else here, key=lambda one: one.cost(worth)), here


def _unreadable(case: Case) -> Action | None:
    """Where a drive is, and what it holds, nobody knows: other names go on."""
    for drive in case.known.drives:
        if drive.broken:
            because, _, hint = drive.broken.partition("\n")
            return Hold(name=case.wish.name, because=f"its drive {drive.name}: {because}", hint=hint)
    return None


def _taken_elsewhere(case: Case) -> Action | None:
    """One writer: while a machine that is none of this name's has a drive, nothing is launched for it."""
    mine = {one.id for one in case.known.instances}
    for drive in case.known.drives:
        if drive.holder and drive.holder_lives and drive.holder not in mine:
            return Hold(
                name=case.wish.name,
                because=f"its drive {drive.name} ({drive.volume_id}) is in use by {drive.holder_name or drive.holder}",
                hint=f"one writer at a time: starcluster drive detach {drive.name}, or end that node",
            )
    return None


def _worth(case: Case, pools: Iterable[Pool]) -> float:
    """What an hour of delay costs: as the user says, else as much as an hour of the dearest machine, on demand."""
    if case.wish.hour_worth is not None:
        return case.wish.hour_worth
    kinds = {pool.instance_type for pool in pools}
    full = [price for pool, price in case.look.prices.items() if pool.instance_type in kinds]
    return max(full, default=1.0)


def places_of(case: Case, pools: Sequence[Pool]) -> list[Place]:
    """What each pool means for the drives, in the order of the pools."""
    known = all(pool in case.look.prices for pool in pools)  # a price that is not known is no low price
    return [_place(case, pool, priced=known) for pool in pools]


def _place(case: Case, pool: Pool, *, priced: bool) -> Place:
    wishes = {wish.name: wish for wish in case.wish.drives}
    ways = [_way(case, drive, wishes[drive.name], pool.zone) for drive in case.known.drives if drive.name in wishes]
    bring, lost, how = max(ways, default=(0.0, 0.0, ""))
    rest = case.look.avoid.get(pool, 0.0)
    # how long a shortage lasts nobody knows; one that has lasted is reckoned to last as long again
    wait = max(rest, case.look.dry_for.get(pool, 0.0)) if rest else 0.0
    return Place(
        pool=pool,
        wait=wait,
        bring=bring,
        lost=lost,
        price=case.look.prices.get(pool) if priced else None,
        how=how,
    )


def _way(case: Case, drive: DriveLook, wish: DriveWish, zone: str) -> tuple[float, float, str]:
    """How a drive comes to a zone: EC2's seconds, those of the work that is not in it, and words."""
    if not drive.exists or not drive.used:
        return MAKE, 0.0, f"{drive.name} is made there"
    if not drive.zone:
        return MAKE, 0.0, f"{drive.name} comes from {drive.newest}"
    free = _until_free(case, drive)
    if drive.zone == zone:
        return free + ATTACH, 0.0, f"{drive.name} is there"
    if drive.whole:
        return free + MAKE, 0.0, f"{drive.name} comes from {drive.newest}"
    if wish.may_lose and drive.newest and drive.newest_age <= wish.may_lose:  # as Drives.attach does it then
        return MAKE, drive.newest_age, f"{drive.name} comes from {drive.newest}, {_span(drive.newest_age)} old"
    return free + _snapshot_time(drive) + MAKE, 0.0, f"{drive.name} comes by a new snapshot"


def _until_free(case: Case, drive: DriveLook) -> float:
    if not drive.holder:
        return 0.0
    return FREED if case.is_drained else DYING


def _snapshot_time(drive: DriveLook) -> float:
    """Only what has changed is copied; a first snapshot copies all."""
    return SNAPSHOT if drive.newest else SNAPSHOT + drive.size * 1024 / FIRST_RATE


def _told(best: Place, places: Sequence[Place], worth: float) -> str:
    """The choice with its figures, where there was one between zones: the best of each zone, the chosen one first."""
    zones = dict.fromkeys(one.pool.zone for one in places)
    if len(zones) < 2:
        return _one(best) if best.wait else ""
    others = [
        min((one for one in places if one.pool.zone == zone), key=lambda one: one.cost(worth))
        for zone in zones
        if zone != best.pool.zone
    ]
    return f"{_one(best)}, rather than {'; '.join(_one(one) for one in others)}"


def _one(place: Place) -> str:
    price = "" if place.price is None else f" for ${place.price:.4g}/h"
    dry = f"no capacity, perhaps for {_span(place.wait)} more" if place.wait else ""
    lost = f"{_span(place.lost)} of work lost" if place.lost else ""
    why = ", ".join(filter(None, [place.how, dry, lost]))
    return f"{place.pool.instance_type} in {place.pool.zone} in about {_span(place.delay)}{price} ({why})"


def _span(seconds: float) -> str:
    """In steps, so that a sentence changes only where the matter does."""
    minutes = seconds / 60
    step = next((one for one in _STEPS if minutes <= one), None)
    return f"{step} min" if step else f"{max(round(minutes / 60), 1)} h"

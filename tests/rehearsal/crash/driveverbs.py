"""The verbs of a drive: what each begins with, and what must be when it has been done."""

from __future__ import annotations

from tests.rehearsal.crash.drivestage import NODES, OTHER, Arena, Verb, Words


def _never_made(arena: Arena) -> Words:
    arena.lines = 0
    return ("create", arena.rename(), "1", "--keep", "1 last")


def _is_new(arena: Arena) -> None:
    assert arena.shown()["state"] == "new"


def _new(arena: Arena) -> Words:
    arena.leave()
    arena.do("drive", *_never_made(arena))
    return arena.to(arena.zone)


def _is_formatted(arena: Arena) -> None:
    arena.attached = True
    assert arena.on(arena.zone, f"findmnt -n -o FSTYPE {arena.path} && touch {arena.path}/it").split() == ["ext4"]
    _is_at_its_node(arena)


def _to_its_zone(arena: Arena) -> Words:
    arena.at_rest()
    return arena.to(arena.zone)


def _to_the_other_zone(arena: Arena) -> Words:
    arena.at_rest()
    arena.zone = OTHER[arena.zone]
    return arena.to(arena.zone)


def _is_mounted(arena: Arena) -> None:
    arena.attached = True
    arena.read()
    _is_at_its_node(arena)


def _is_at_its_node(arena: Arena) -> None:
    shown = arena.shown()
    node = f"{NODES[arena.zone]} ("
    assert (shown["state"], shown["zone"], shown["forks"]) == ("in-use", arena.zone, []), shown
    assert shown["used_by"].startswith(node), shown


def _held(arena: Arena) -> Words:
    arena.written()
    return ("detach", arena.name)


def _is_free(arena: Arena) -> None:
    """At rest where it is to be; its content is there when it is used next."""
    arena.attached = False
    shown = arena.shown()
    assert (shown["state"], shown["zone"], shown["forks"]) == ("available", arena.zone, []), shown
    assert arena.one_writer() == []


def _away(arena: Arena) -> Words:
    arena.at_rest()
    arena.zone = OTHER[arena.zone]
    return ("move", arena.name, arena.zone)


def _read_once(arena: Arena) -> None:
    arena.attach(arena.zone)
    arena.read()


def _written_to(arena: Arena) -> Words:
    arena.written()
    arena.write()
    arena.tidy()
    return ("snapshot", arena.name)


def _has_a_snapshot(arena: Arena) -> None:
    shown = arena.shown()
    assert shown["newest_snapshot"], shown
    arena.read()


def _superseded(arena: Arena) -> Words:
    arena.at_rest()
    arena.attach(OTHER[arena.zone])
    arena.drive("snapshot")
    return ("prune", arena.name)


def _is_pruned(arena: Arena) -> None:
    assert arena.shown()["superseded"] == []
    arena.read()


def _gone_on(arena: Arena) -> Words:
    """With a line that is not in its snapshot."""
    arena.written()
    kept = arena.drive("snapshot").split()[-1]
    lines = arena.lines
    arena.write()
    arena.detach()
    arena.lines, arena.zone = lines, OTHER[arena.zone]
    arena.left = arena.shown()["volume_id"]
    return ("restore", "-c", arena.name, kept, arena.zone)


def _is_back(arena: Arena) -> None:
    shown = arena.shown()
    assert (shown["state"], shown["zone"]) == ("available", arena.zone), shown
    assert arena.left in shown["forks"], shown


def _all_of_it(arena: Arena) -> Words:
    arena.drive_anew()
    arena.drive("snapshot")
    arena.detach()
    return ("remove", "-c", arena.name)


def _is_gone(arena: Arena) -> None:
    assert "there is no drive" in arena.drive("show", expect=1)
    assert arena.forms() == []
    arena.lines = 0


VERBS = {
    "create": Verb(ready=_never_made, check=_is_new, done=r"there is a drive '\w+' already"),
    "attach_first": Verb(ready=_new, check=_is_formatted),
    "attach_here": Verb(ready=_to_its_zone, check=_is_mounted),
    "attach_there": Verb(ready=_to_the_other_zone, check=_is_mounted),
    "detach": Verb(ready=_held, check=_is_free),
    "move": Verb(ready=_away, check=_is_free, settle=_read_once),
    "snapshot": Verb(ready=_written_to, check=_has_a_snapshot, extra="+snapshots completed"),
    "prune": Verb(ready=_superseded, check=_is_pruned, settle=Arena.tidy),
    "restore": Verb(ready=_gone_on, check=_is_back, settle=_read_once),
    "remove": Verb(ready=_all_of_it, check=_is_gone, done=r"there is no drive '\w+'"),
}

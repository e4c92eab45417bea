"""Events are numbered, kept, and waited for."""

import threading
from pathlib import Path

from starcluster.localcloud.hosts.events import Events


def test_numbers_rise_and_survive_a_new_agent(tmp_path: Path) -> None:
    first = Events(tmp_path / "events.jsonl")
    assert first.after(0, timeout=0) == (0, [])
    first.add("i-1", "died")
    second = Events(tmp_path / "events.jsonl")
    second.add("i-2", "reboot")
    newest, events = second.after(0, timeout=0)
    assert newest == 2
    assert [(one.number, one.instance_id, one.how) for one in events] == [(1, "i-1", "died"), (2, "i-2", "reboot")]
    assert second.after(1, timeout=0)[1] == events[1:]


def test_a_line_cut_off_by_a_death_is_ignored(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    Events(path).add("i-1", "died")
    with path.open("a") as file:
        file.write('{"number": 2, "ki')
    assert Events(path).newest == 1


def test_the_number_after_a_cut_line_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text('{"number": 2, "ki')
    Events(path).add("i-1", "died")
    assert [one.instance_id for one in Events(path).after(0, timeout=0)[1]] == ["i-1"]


def test_a_waiter_is_woken(tmp_path: Path) -> None:
    events = Events(tmp_path / "events.jsonl")
    got: list[int] = []
    waiter = threading.Thread(target=lambda: got.append(events.after(0, timeout=20)[0]))
    waiter.start()
    events.add("i-1", "poweroff")
    waiter.join(20)
    assert got == [1]

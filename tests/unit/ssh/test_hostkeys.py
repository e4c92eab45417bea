"""Host keys from the console, kept by instance id."""

from __future__ import annotations

import threading
from pathlib import Path

from starcluster.ssh.hostkeys import HostKey, KnownHosts, learn, parse_console
from tests.fakes.clock import StepClock

A, B, C = (HostKey(kind="ssh-ed25519", blob="AAAA" + letter * 40) for letter in "abc")
CONSOLE = """[    4.1] cloud-init[600]: done
-----BEGIN SSH HOST KEY KEYS-----\r
ecdsa-sha2-nistp256 AAAAE2VjZHNh+/x= root@ip-172-31-0-4\r
ssh-ed25519 AAAAC3Nz root@ip-172-31-0-4\r
-----END SSH HOST KEY KEYS-----\r
"""


def test_console_keys_are_read_with_carriage_returns() -> None:
    kinds = [key.kind for key in parse_console(CONSOLE)]
    assert kinds == ["ecdsa-sha2-nistp256", "ssh-ed25519"]
    assert parse_console(CONSOLE)[0].blob == "AAAAE2VjZHNh+/x="


def test_the_last_whole_block_counts() -> None:
    later = CONSOLE.replace("AAAAC3Nz", "AAAAnew")
    assert parse_console(CONSOLE + later)[1].blob == "AAAAnew"
    assert parse_console(CONSOLE + later[: len(later) // 2])[1].blob == "AAAAC3Nz"


def test_a_console_without_keys_tells_none() -> None:
    assert parse_console("") == []
    assert parse_console("ssh-ed25519 AAAAC3Nz outside of any block") == []


def test_keys_are_kept_by_instance_and_forgotten(tmp_path: Path) -> None:
    known = KnownHosts(tmp_path / "deep" / "known_hosts")
    known.add("i-1", [A, B])
    known.add("i-1", [B])
    known.add("i-2", [C])
    assert known.keys("i-1") == [A, B]
    known.forget(["i-1", "i-9"])
    assert known.keys("i-1") == []
    assert known.keys("i-2") == [C]
    assert known.path.read_text() == f"i-2 {C.kind} {C.blob}\n"


def test_many_writers_lose_nothing(tmp_path: Path) -> None:
    known = KnownHosts(tmp_path / "known_hosts")
    for number in range(20):
        known.add(f"old-{number}", [B, C])
    threads = [
        threading.Thread(target=lambda n=number: (known.add(f"i-{n}", [A]), known.forget([f"old-{n}"])))
        for number in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(line.split()[0] for line in known.path.read_text().splitlines()) == sorted(
        f"i-{n}" for n in range(20)
    )


def test_learn_asks_until_the_console_tells(tmp_path: Path) -> None:
    known, answers = KnownHosts(tmp_path / "k"), ["", "", CONSOLE]
    found = learn("i-1", known=known, console=lambda: answers.pop(0), clock=StepClock(), limit=60)
    assert len(found) == 2
    assert known.keys("i-1") == found


def test_learn_gives_up_after_its_limit_and_asks_no_console_for_what_is_known(tmp_path: Path) -> None:
    known, asked = KnownHosts(tmp_path / "k"), []
    assert learn("i-1", known=known, console=lambda: asked.append(1) or "", clock=StepClock(), limit=20) == []
    assert len(asked) == 5
    known.add("i-1", [A])
    assert learn("i-1", known=known, console=lambda: asked.append(1) or "", clock=StepClock(), limit=20) == [A]
    assert len(asked) == 5

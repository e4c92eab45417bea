"""The daemon's own start; what it then serves is tested elsewhere."""

from __future__ import annotations

import argparse
import os
import signal
import time
from pathlib import Path

import pytest

from starcluster.localcloud import daemon
from starcluster.localcloud.places import Places


def test_the_environment_stands_still_while_the_agent_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An exec in another thread reads it; one that moves meanwhile ends it with EFAULT, now and then."""
    seen: list[dict[str, str]] = []

    def start_agent(places: Places, hosts: object, owner_pid: int | None) -> int:
        seen.append(dict(os.environ))
        time.sleep(0.1)
        seen.append(dict(os.environ))
        raise daemon.CannotStart("enough has been seen")

    for name in daemon.MOTO_SETTINGS:
        monkeypatch.setenv(name, "as it was")
    monkeypatch.setattr(daemon, "start_agent", start_agent)
    monkeypatch.setattr(signal, "signal", lambda number, handler: None)
    with pytest.raises(daemon.CannotStart, match="enough"):
        daemon.Daemon(Places(tmp_path), argparse.Namespace(owner_pid=None)).run()
    first, last = seen
    assert first == last
    assert daemon.MOTO_SETTINGS.items() <= first.items()

"""Being sent away: which exit status each signal has, and that an ignored one stays ignored."""

from __future__ import annotations

import os
import signal

import pytest

from starcluster.commands.signals import Sent, heeding_signals, status_of


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_it_like_ctrl_c(number: signal.Signals, status: int) -> None:
    before = signal.getsignal(number)
    with pytest.raises(Sent) as caught, heeding_signals():
        os.kill(os.getpid(), number)
    assert status_of(caught.value) == status
    assert signal.getsignal(number) is before


def test_ctrl_c_has_its_own_status() -> None:
    assert status_of(KeyboardInterrupt()) == 130


def test_what_nohup_ignores_is_not_heeded() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with heeding_signals():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_second_one_does_not_cut_off_what_is_said() -> None:
    with heeding_signals():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except Sent:
            os.kill(os.getpid(), signal.SIGTERM)

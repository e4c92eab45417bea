"""Who may write to standard output."""

from __future__ import annotations

import pytest

from starcluster.logger import log, machines, only_stderr


def test_within_only_stderr_standard_output_is_for_machines(capsys: pytest.CaptureFixture[str]) -> None:
    with only_stderr():
        log.info("said")
        print("printed by a plugin")
        with only_stderr():  # a verb calls another one
            print("{}", file=machines())
        print("[]", file=machines())
    print("later", file=machines())
    out, err = capsys.readouterr()
    assert out == "{}\n[]\nlater\n"
    assert err == ">>> said\nprinted by a plugin\n"

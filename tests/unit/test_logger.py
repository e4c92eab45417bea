"""Who may write to standard output."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from starcluster.logger import log, machines, only_stderr, timed_lines


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


def test_a_plugin_that_logs_what_it_caught_shows_why(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        {}["key"]
    except KeyError:
        log.exception("it went wrong")
    first, *_, last = capsys.readouterr().err.splitlines()
    assert (first, last) == ("!!! ERROR - it went wrong", "!!! ERROR - KeyError: 'key'")


PROGRAM = """
import os, sys
from starcluster.logger import log, machines, only_stderr
with only_stderr():
    os.system("echo from a program")
    log.info("told")
    with only_stderr():
        print("{}", file=machines())
    os.system("echo from another")
    print("[]", file=machines())
print("after")
sys.stdout.flush()
os.system("echo and after")
"""


def test_programs_that_are_started_keep_out_of_it_as_well() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert done.stdout == "{}\n[]\nafter\nand after\n"
    assert done.stderr == "from a program\n>>> told\nfrom another\n"


def test_bytes_that_are_no_text_are_told_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STARCLUSTER_HOME", str(tmp_path))
    program = "from starcluster.logger import *\nopen_debug_log()\nlog.info('caf\\udce9')\nlog.error('\\u00eb')"
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b">>> caf\\udce9\n", b"!!! ERROR - \\xeb\n")
    assert "caf\\udce9" in (tmp_path / "logs" / "debug.log").read_text(encoding="utf-8")


def test_which_lines_have_a_prefix(capsys: pytest.CaptureFixture[str]) -> None:
    log.info("use it so:\n    client = Client()")
    log.info("long\nlines", extra={"__textwrap__": True})
    log.warning("one\ntwo")
    with timed_lines():
        log.info("one\ntwo")
    out = re.sub(r"\d\d:\d\d:\d\d", "TIME", capsys.readouterr().out)
    assert out == (
        ">>> use it so:\n    client = Client()\n>>> long\n>>> lines\n*** WARNING - one\n*** WARNING - two\n"
        "TIME >>> one\nTIME >>> two\n"
    )

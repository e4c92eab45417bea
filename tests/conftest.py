"""What holds for every test: nothing of the user's is read or written, and no skip goes unseen."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from starcluster import logger
from tests import calls_seen

settings.register_profile("shared machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared machine")

# what nohup, or a shell's &, has told the tests not to heed their programs would not heed either
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

ALLOWED_SKIPS = Path(__file__).with_name("allowed-skips")
_OURS = ("AWS_", "STARCLUSTER_", "EC2_")
_skipped: list[str] = []
_unplanned: list[str] = []
_unplanned_calls: list[str] = []


def allowed_skips() -> set[str]:
    """The node ids at the beginning of each line that is not a comment."""
    lines = ALLOWED_SKIPS.read_text().splitlines()
    return {line.split()[0] for line in lines if line.strip() and not line.startswith("#")}


@pytest.fixture(autouse=True, scope="session")
def _no_user_environment(tmp_path_factory: pytest.TempPathFactory):
    """An own HOME and none of the user's AWS settings: a test can not reach the real AWS or a real cluster."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(_OURS):
                patch.delenv(name)
        home = tmp_path_factory.mktemp("home")
        patch.setenv("HOME", str(home))
        patch.setenv("STARCLUSTER_HOME", str(home / ".starcluster"))
        patch.setenv("STARCLUSTER_LOCAL", str(home / ".starcluster" / "local"))
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setenv("AWS_CONFIG_FILE", str(home / "no-aws-config"))
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(home / "no-aws-credentials"))
        yield


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    """A command line that was run here with --json or --debug does not decide what the next test's log shows."""
    level = logger.console.level
    yield
    logger.console.setLevel(level)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped or hasattr(report, "wasxfail"):
        _skipped.append(report.nodeid)
        if report.nodeid not in allowed_skips():
            _unplanned.append(report.nodeid)


def pytest_configure(config: pytest.Config) -> None:
    """The process that hands out the work gathers what was asked of AWS, from the workers too."""
    if not hasattr(config, "workerinput"):
        os.environ[calls_seen.FOLDER] = tempfile.mkdtemp(prefix="calls-seen-")


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        shutil.rmtree(os.environ.pop(calls_seen.FOLDER), ignore_errors=True)


def _is_whole(config: pytest.Config) -> bool:
    """No test was left out: by a path, a choice, its length, or because a program that it needs is not here."""
    by_path = config.args_source is not config.ArgsSource.TESTPATHS
    return not by_path and not _skipped and calls_seen.is_whole(vars(config.option))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if exitstatus == pytest.ExitCode.OK and not hasattr(session.config, "workerinput"):
        seen = calls_seen.gathered(Path(os.environ[calls_seen.FOLDER]))
        _unplanned_calls.extend(calls_seen.faults(seen, whole=_is_whole(session.config)))
    if (_unplanned or _unplanned_calls) and exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    _tell(terminalreporter, "skips that tests/allowed-skips does not name", _unplanned)
    _tell(terminalreporter, "starcluster/permissions.py is not what was asked of AWS", _unplanned_calls)


def _tell(reporter: pytest.TerminalReporter, title: str, lines: list[str]) -> None:
    if lines:
        reporter.section(title, red=True)
        for line in lines:
            reporter.line(line)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long ones first: with several workers, the short ones then fill the gaps."""
    rank = {"rehearsal": 0, "contract": 1}
    items.sort(key=lambda item: rank.get(item.path.relative_to(ALLOWED_SKIPS.parent).parts[0], 2))

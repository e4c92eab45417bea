"""What holds for every test: nothing of the user's is read or written, and no skip goes unseen."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from starcluster import logger

settings.register_profile("shared machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared machine")

# what nohup, or a shell's &, has told the tests not to heed their programs would not heed either
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

ALLOWED_SKIPS = Path(__file__).with_name("allowed-skips")
_OURS = ("AWS_", "STARCLUSTER_", "EC2_")
_unplanned: list[str] = []


def allowed_skips() -> set[str]:
    """The node ids at the beginning of each line that is not a comment."""
    lines = ALLOWED_SKIPS.read_text().splitlines()
    return {line.split()[0] for line in lines if line.strip() and not line.startswith("#")}


@pytest.fixture(autouse=True, scope="session")
def _no_user_environment(tmp_path_factory: pytest.TempPathFactory):
    """An own HOME and none of the user's AWS settings: a test can not reach the real AWS or a real cluster."""
    import os

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
    if (report.skipped or hasattr(report, "wasxfail")) and report.nodeid not in allowed_skips():
        _unplanned.append(report.nodeid)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if _unplanned and exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _unplanned:
        terminalreporter.section("skips that tests/allowed-skips does not name", red=True)
        for nodeid in _unplanned:
            terminalreporter.line(nodeid)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long ones first: with several workers, the short ones then fill the gaps."""
    rank = {"rehearsal": 0, "contract": 1}
    items.sort(key=lambda item: rank.get(item.path.relative_to(ALLOWED_SKIPS.parent).parts[0], 2))

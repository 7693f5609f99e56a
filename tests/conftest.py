"""What holds for every test."""

import os
from collections.abc import Generator

import pytest

pytest_plugins = ["servers.fixtures"]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: "pytest.CallInfo[None]"
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where CODECJOB_REQUIRE_ALL=1, as in CI, a part that is missing is a failure and not a skip."""
    report = yield
    if report.skipped and os.environ.get("CODECJOB_REQUIRE_ALL") == "1":
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid}: needs a part that is missing here: {report.longrepr}"
    return report

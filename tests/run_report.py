"""A pytest plugin for scripts/test: in CI a skip is a failure, and a line on each run is kept for the closing summary."""

import os
import platform
from collections.abc import Generator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

# The only reasons for which a test may be skipped in CI: what no install step of ours can bring, and what an environment of tox.toml
# names in MAY_SKIP because its versions lack it.
ALLOWED = ("NO REAL RECORDINGS CHECKED", *filter(None, [os.environ.get("MAY_SKIP")]))

SHOWN = ("openai", "anthropic", "google-genai", "botocore", "aiobotocore", "opentelemetry-sdk")


def refuse(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turn a skip whose reason is not allowed into a failure."""
    if os.environ.get("CI") != "true" or not report.skipped or hasattr(report, "wasxfail"):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    if not reason.removeprefix("Skipped: ").startswith(ALLOWED):
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI does not allow: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Look at the report of one phase of one test."""
    report = yield
    refuse(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Look at the report of one collected file: a module may skip itself."""
    report = yield
    refuse(report)
    return report


def installed(name: str) -> str:
    """The name and version of that distribution, or that it is missing."""
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return f"no {name}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Write what ran, and on what, to the file named by RUN_REPORT."""
    counts = [f"{len(terminalreporter.stats[kind])} {kind}" for kind in ("passed", "skipped") if kind in terminalreporter.stats]
    line = f"Python {platform.python_version()}, {', '.join(map(installed, SHOWN))}: {', '.join(counts) or 'nothing ran'}"
    if path := os.environ.get("RUN_REPORT"):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(line + "\n")

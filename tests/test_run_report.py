"""The pytest plugin of scripts/test: in CI nothing is left out without a word."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SKIPS_A_TEST = "import pytest\n\ndef test_it():\n    pytest.skip({reason!r})\n\ndef test_other():\n    pass\n"
SKIPS_A_FILE = "import pytest\n\npytest.skip({reason!r}, allow_module_level=True)\n"


def run(folder: Path, code: str, *, ci: str) -> subprocess.CompletedProcess[str]:
    """Runs pytest with the plugin on a file with that code; its report goes to ``folder/report``."""
    (folder / "test_it.py").write_text(code)
    command = [sys.executable, "-m", "pytest", "-p", "tests.run_report", "-p", "no:cacheprovider", "-c", os.devnull, str(folder)]
    environment = {**os.environ, "CI": ci, "RUN_REPORT": str(folder / "report"), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=50, check=False)


@pytest.mark.parametrize("code", [SKIPS_A_TEST, SKIPS_A_FILE], ids=["test", "file"])
def test_a_skip_is_a_failure_in_ci(tmp_path: Path, code: str) -> None:
    """A test, or a whole file, that skips itself fails the run, and its reason is in the output."""
    ran = run(tmp_path, code.format(reason="no database"), ci="true")
    assert ran.returncode != 0
    assert "skipped, which CI does not allow: Skipped: no database" in ran.stdout


def test_a_skip_for_an_allowed_reason_passes_in_ci(tmp_path: Path) -> None:
    """What no install step can bring may be missing."""
    assert run(tmp_path, SKIPS_A_TEST.format(reason="NO REAL RECORDINGS CHECKED: none"), ci="true").returncode == 0


def test_a_skip_passes_outside_of_ci(tmp_path: Path) -> None:
    """On a developer's machine a skip stays a skip."""
    assert run(tmp_path, SKIPS_A_TEST.format(reason="no database"), ci="").returncode == 0


def test_the_report_is_one_line_on_what_ran(tmp_path: Path) -> None:
    """The closing summary of scripts/test shows the versions and the counts of each environment."""
    run(tmp_path, SKIPS_A_TEST.format(reason="no database"), ci="")
    report = (tmp_path / "report").read_text()
    assert report.startswith(f"Python {platform.python_version()}, ")
    assert report.endswith(": 1 passed, 1 skipped\n")

"""The page that says what is covered is true."""

import pytest

from conformance import FORMATS
from coverage_page import HAS_NOT, KINDS, PAGE, write


def test_page_is_fresh(request: pytest.FixtureRequest) -> None:
    """docs/coverage.md is what the tests of this checkout say."""
    page = write()
    if request.config.getoption("--write-coverage"):
        PAGE.write_text(page)
    assert PAGE.read_text() == page, "write it again: pytest tests/test_coverage.py --write-coverage"


def test_what_a_wire_has_not_is_not_there() -> None:
    """No format is excused from what it has files for."""
    assert {*HAS_NOT} <= {*FORMATS}
    assert [name for name, kinds in HAS_NOT.items() if kinds - {*KINDS}] == []

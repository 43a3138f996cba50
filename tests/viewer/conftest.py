"""A viewer on loopback, as `streamspan view` serves it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from streamspan.viewer.terminal import Options, viewing

from viewing import Running


@pytest.fixture
def start() -> Iterator[Callable[..., Running]]:
    """Starts viewers that last as long as the test; takes the arguments of `Options`."""
    with ExitStack() as stack:

        def started(**options: Any) -> Running:
            said: list[str] = []
            return Running(stack.enter_context(viewing(Options(port=0, **options), lambda _: None, said.append)), said)

        yield started


@pytest.fixture
def viewer(start: Callable[..., Running]) -> Running:
    """One as it is where nothing else is said, but in memory."""
    return start()

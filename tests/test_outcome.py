"""What an end is called."""

import asyncio

import pytest

from streamspan import outcome


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ValueError(), "failed"),
        (TimeoutError(), "failed"),
        (asyncio.CancelledError(), "cancelled"),
        (KeyboardInterrupt(), "cancelled"),
        (SystemExit(), "cancelled"),
        (GeneratorExit(), "cancelled"),
    ],
)
def test_exceptions(error: BaseException, kind: str) -> None:
    """What is an `Exception` is a failure; everything else is somebody's wish to stop."""
    assert outcome.classify(error) == kind


@pytest.mark.parametrize(
    ("error", "name"), [(ValueError("x"), "ValueError"), (asyncio.QueueEmpty(), "asyncio.queues.QueueEmpty")]
)
def test_error_type_without_a_provider(error: BaseException, name: str) -> None:
    """An exception without a provider's code is called by its class."""
    assert outcome.error_type(error) == name


@pytest.mark.parametrize(
    ("message", "scrubbed"),
    [
        ("bad key sk-abc123def456 given", "bad key sk-[removed] given"),
        ("Authorization: Bearer abcdefgh.ijk", "Authorization: Bearer [removed]"),
        ("the desk-top key handling is fine", "the desk-top key handling is fine"),
        ("x" * 2000, "x" * 1000),
    ],
)
def test_scrub(message: str, scrubbed: str) -> None:
    """What looks like a key is taken out of a message, and the message is kept short."""
    assert outcome.scrub(message) == scrubbed

"""What the conventions ask of every span, looked up on the span of every answer in tests/wire."""

import json
from typing import Any, Final

from streamspan import semconv
from streamspan.outcome import COMPLETED, FAILED, TRUNCATED

from conformance import ALL, EXCEPTION, Case, overlay

GIVE_NO_REASON: Final = {"openai_embeddings", "google_embeddings", "openai_images", "openai_audio"}
"""Formats whose answers never say why they ended: a model cuts nothing short there."""
MAY_GIVE_NO_REASON: Final = {"bedrock_agent", "bedrock_invoke"}
"""Agents, and models whose answers nobody knows."""
END_WITH_EVENT: Final = {"anthropic_messages", "openai_responses", "google_interactions", "bedrock_invoke"}
"""Formats with an event of its own for the end, which may be missing although all reasons came."""


def spans(case: Case) -> list[dict[str, Any]]:
    """What is expected of the case, in each way to call it."""
    expected = json.loads(case.span.read_text())
    return [overlay(expected, way) for way in ("", *expected.get("ways", ()))]


SPANS: Final = [(case, span["status"], span["attributes"]) for case in ALL for span in spans(case)]


def test_finish_reasons_are_in_their_positions() -> None:
    """There is one reason for each choice, and each message has the one of its choice."""
    for case, _, said in SPANS:
        reasons, messages = said.get(semconv.RESPONSE_FINISH_REASONS), said.get(semconv.OUTPUT_MESSAGES, [])
        if case.format in GIVE_NO_REASON or said[semconv.OPERATION_NAME] == semconv.EMBEDDINGS:
            assert reasons is None, case
        elif reasons is None:
            assert case.format in MAY_GIVE_NO_REASON, case
        else:
            told = [message["finish_reason"] for message in messages]
            assert len(reasons) >= max(said.get(semconv.REQUEST_CHOICE_COUNT, 1), len(told)), case
            assert told == reasons if len(told) == len(reasons) else {*told} <= {*reasons}, case


def test_a_reason_that_never_came_is_an_error() -> None:
    """What was truncated has ``error`` where a reason was due; what is completed has none."""
    for case, _, said in SPANS:
        reasons = said.get(semconv.RESPONSE_FINISH_REASONS, ())
        if said[semconv.OUTCOME] == COMPLETED:
            assert "error" not in reasons, case
        elif said[semconv.OUTCOME] == TRUNCATED and reasons and case.format not in END_WITH_EVENT:
            assert "error" in reasons, case


def test_failures_have_a_type() -> None:
    """What failed or was truncated has an error's status and type, and nothing else has."""
    for case, status, said in SPANS:
        is_failure = said[semconv.OUTCOME] in {FAILED, TRUNCATED}
        assert (status == "ERROR") == is_failure == (semconv.ERROR_TYPE in said), case


def test_errors_are_called_what_the_provider_calls_them() -> None:
    """The type of an error that a provider sent is a word of its answer, or the HTTP status where there is none."""
    ours = {EXCEPTION, TRUNCATED, "ValueError"}  # what happened on the line, or in the SDK
    for case, _, said in SPANS:
        code = said.get(semconv.ERROR_TYPE)
        if code and code not in ours:
            assert code in f"{case.data.decode(errors='replace')} {case.headers} {case.status}", case
        elif code == EXCEPTION:
            assert case.status == 200, case


def test_a_server_has_its_port() -> None:
    """``server.address`` and ``server.port`` come together, or not at all."""
    for case, _, said in SPANS:
        assert (semconv.SERVER_ADDRESS in said) == (semconv.SERVER_PORT in said), case

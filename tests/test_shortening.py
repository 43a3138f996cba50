"""Content that has to fit: always valid, never longer than allowed, and as much of it as possible."""

import json
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from streamspan.answer import dump_json
from streamspan.shortening import Measure, shorten, shorten_json, shorten_text, utf8_bytes

SLOW = [HealthCheck.too_slow]
"""What is no matter here: a busy machine makes examples slowly."""
MEASURES = [len, utf8_bytes]
text = st.text(st.characters(codec="utf-8") | st.sampled_from('"\\\n\x00é漢😀'), max_size=400)
long_text = st.tuples(text, st.integers(1, 40)).map(lambda drawn: drawn[0] * drawn[1])
scalar: SearchStrategy[Any] = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | text
anything: SearchStrategy[Any] = st.recursive(
    scalar, lambda inner: st.lists(inner, max_size=12) | st.dictionaries(text, inner, max_size=12), max_leaves=30
)
part: SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"type": st.just("text"), "content": long_text}
) | st.fixed_dictionaries(
    {"type": st.just("tool_call"), "id": st.just("call_1"), "name": st.just("search"), "arguments": anything}
)
message: SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant"]), "parts": st.lists(part, max_size=5)},
    optional={"finish_reason": st.just("stop")},
)
limits = st.integers(2, 3000)


def said(role: str, content: str) -> dict[str, Any]:
    """A message of one text."""
    return {"role": role, "parts": [{"type": "text", "content": content}]}


@settings(deadline=None, suppress_health_check=SLOW, max_examples=80)
@given(value=st.lists(message, max_size=12) | st.lists(anything, max_size=9), limit=limits, measure=st.sampled_from(MEASURES))
def test_what_comes_out_fits_and_is_a_list_still(value: list[Any], limit: int, measure: Measure) -> None:
    """Whatever the content: its JSON fits, is a list, was cut if and only if it had to be, and says so."""
    whole = dump_json(value)
    short, was_cut = shorten(value, limit, measure)

    assert measure(dump_json(short)) <= limit
    assert isinstance(short, list)
    assert was_cut is (measure(whole) > limit)
    assert dump_json(value) == whole  # the caller's own is left alone
    if not was_cut:
        assert short is value
    assert shorten_json(value, limit, measure) == (dump_json(short), was_cut)
    assert shorten_text(whole, limit, measure) == (dump_json(short), was_cut)


@settings(deadline=None, suppress_health_check=SLOW, max_examples=50)
@given(value=long_text, limit=st.integers(0, 3000), measure=st.sampled_from(MEASURES))
def test_a_text_fits(value: str, limit: int, measure: Measure) -> None:
    """A text that is no JSON keeps its beginning and its end, and is never longer than allowed."""
    value = f"> {value}"
    short, was_cut = shorten_text(value, limit, measure)

    assert measure(short) <= limit
    assert was_cut is (short != value)
    head, _, tail = short.partition("…[")
    assert value.startswith(head)
    assert value.endswith(tail.rpartition("]…")[2])


@settings(deadline=None, suppress_health_check=SLOW, max_examples=50)
@given(messages=st.lists(message, min_size=2, max_size=12), limit=st.integers(1500, 6000))
def test_first_and_newest_message_stay(messages: list[dict[str, Any]], limit: int) -> None:
    """Where messages must go at all, they go from the middle; roles and finish reasons of the others are as they were."""
    short, _ = shorten(messages, limit)

    def frame(message: dict[str, Any]) -> tuple[Any, ...]:
        return message["role"], message.get("finish_reason")

    newest = messages[len(messages) - len(short) + 1 :] if len(short) > 1 else []
    if len(short) >= 2:
        assert [frame(message) for message in short] == [frame(messages[0]), *map(frame, newest)]


def test_the_longest_strings_are_cut_first() -> None:
    """Two long strings share what the short ones leave; they keep their heads and tails, and say how much is missing."""
    messages = [said("system", "Be brief."), said("user", "a" * 40_000), said("assistant", "b" * 700), said("user", "c" * 30_000)]
    short, was_cut = shorten(messages, 4000)

    assert was_cut
    assert [message["role"] for message in short] == ["system", "user", "assistant", "user"]
    system, long, middle, longest = (message["parts"][0]["content"] for message in short)
    assert (system, middle) == ("Be brief.", "b" * 700)
    assert long.startswith("aaa")
    assert long.endswith("aaa")
    left_out = int(long.split("…[")[1].split()[0])
    assert len(long) == 40_000 - left_out + len(f"…[{left_out} characters left out]…")
    assert len(long) == len(longest)
    assert 3998 <= len(dump_json(short)) <= 4000


def test_messages_of_the_middle_go() -> None:
    """Of many messages the first and the newest stay, with their texts whole if they are short."""
    messages = [said("user", f"question {number} " + "x" * 200) for number in range(2000)]
    short, was_cut = shorten(messages, 5000)

    assert was_cut
    assert short == [messages[0], *messages[2000 - len(short) + 1 :]]
    assert 15 <= len(short) <= 20


def test_names_and_ids_are_not_cut() -> None:
    """What a message is, who calls which tool and why it ended stays whole; the arguments are still an object."""
    call = {"type": "tool_call", "id": "i" * 200, "name": "n" * 200, "arguments": {"name": "x" * 9000, "text": "y" * 9000}}
    short, _ = shorten([{"role": "assistant", "parts": [call], "finish_reason": "tool_calls"}], 1200, utf8_bytes)

    (message,) = short
    (kept,) = message["parts"]
    assert (message["role"], message["finish_reason"]) == ("assistant", "tool_calls")
    assert (kept["type"], kept["id"], kept["name"]) == ("tool_call", "i" * 200, "n" * 200)
    assert kept["arguments"].keys() == {"name", "text"}
    assert all("characters left out" in value for value in kept["arguments"].values())


def test_numbers_go_where_there_is_nothing_else() -> None:
    """A tool call with a long list of numbers keeps the first and the last of them."""
    call = {"type": "tool_call", "id": "1", "name": "plot", "arguments": {"points": list(range(10_000))}}
    short, _ = shorten([{"role": "assistant", "parts": [call]}], 500)

    assert short[0]["parts"][0]["arguments"]["points"] == [*range(8), *range(9992, 10_000)]


@pytest.mark.parametrize(
    "hostile", ['["\\ud800' + "x" * 500 + '\\udc00"]', "[" * 5000 + "]" * 5000, '[{"a":' * 5000, "[" + "9" * 9000 + "]"]
)
def test_hostile_texts(hostile: str) -> None:
    """Halves of surrogate pairs, depth without end and what only looks like JSON: it fits, and protobuf takes it."""
    short, was_cut = shorten_text(hostile, 200, utf8_bytes)

    assert was_cut
    assert len(short.encode()) <= 200


@pytest.mark.parametrize(
    ("value", "limit", "expected"), [([], 1, []), ({"a": [1] * 99}, 8, {}), ("x" * 99, 50, None), (["x" * 99], 5, [])]
)
def test_next_to_no_room(value: Any, limit: int, expected: Any) -> None:
    """What no room is left for is empty, and of the same kind."""
    short, was_cut = shorten(value, limit)

    assert was_cut
    assert short == (expected if expected is not None else "xxxxxxxxxxx…[77 characters left out]…xxxxxxxxxxx")


def test_large_content_is_cut_in_time() -> None:
    """Twenty times as many messages take less than a hundred times as long."""

    def seconds(count: int) -> float:
        messages = [said("user", "é\n" * 500) for _ in range(count)]
        started = time.process_time()
        shorten(messages, 100_000, utf8_bytes)
        return time.process_time() - started

    seconds(100)
    assert seconds(4000) < 100 * max(seconds(200), 0.001)


def test_json_is_not_escaped_more_than_needed() -> None:
    """The text is JSON in UTF-8, as the rest of the content is."""
    short, _ = shorten_json([said("user", "漢" * 5000)], 1000, utf8_bytes)

    assert json.loads(short)[0]["parts"][0]["content"].startswith("漢" * 100)
    assert "\\u" not in short
    assert 990 < len(short.encode()) <= 1000

"""The answer: what it makes of the pieces that a wire format pushes into it."""

import json
from typing import Any

import pytest

from streamspan.answer import Answer, dump_json, mend
from streamspan.shapes import parse_arguments


def parts(answer: Answer, choice: int = 0) -> list[dict[str, Any]]:
    return json.loads(dump_json(answer.messages(1)))[choice]["parts"]


def test_text_of_one_kind_is_one_part() -> None:
    """Consecutive pieces of a kind are one part; another kind in between begins a new one."""
    answer = Answer()
    answer.text(0, "a")
    answer.text(0, "b")
    answer.reasoning(0, "hm")
    answer.text(0, "c")

    assert parts(answer) == [
        {"type": "text", "content": "ab"},
        {"type": "reasoning", "content": "hm"},
        {"type": "text", "content": "c"},
    ]


def test_boundary_begins_a_new_part() -> None:
    """Two blocks of text stay two where the wire says that they are."""
    answer = Answer()
    answer.text(0, "a")
    answer.boundary(0)
    answer.text(0, "b")

    assert [part["content"] for part in parts(answer)] == ["a", "b"]


def test_choices_are_kept_apart_when_they_take_turns() -> None:
    """Pieces of several choices in turn end up in their own messages."""
    answer = Answer()
    for text in "abc":
        answer.text(0, text)
        answer.text(1, text.upper())

    assert [parts(answer, 0), parts(answer, 1)] == [[{"type": "text", "content": "abc"}], [{"type": "text", "content": "ABC"}]]


def test_tool_calls_by_key() -> None:
    """Fragments of several tool calls are joined by their key; without one they belong to the newest."""
    answer = Answer()
    answer.tool_call(0, 0, "f", '{"a"', "call_1")
    answer.tool_call(0, 1, "g", "", "call_2")
    answer.tool_call(0, 0, None, ":1}")
    answer.tool_call(0, None, None, "[]")

    assert parts(answer) == [
        {"type": "tool_call", "id": "call_1", "name": "f", "arguments": {"a": 1}},
        {"type": "tool_call", "id": "call_2", "name": "g", "arguments": []},
    ]


@pytest.mark.parametrize(("expected", "reasons"), [(1, ("stop",)), (2, ("stop", "error")), (3, ("stop", "error", "error"))])
def test_finish_reasons_are_positional(expected: int, reasons: tuple[str, ...]) -> None:
    """Each expected choice has its position, with ``error`` where no reason came."""
    answer = Answer()
    answer.text(0, "a")
    answer.finish(0, "stop")

    assert answer.finish_reasons(expected) == reasons
    assert answer.finished(expected) is (expected == 1)


def test_nothing_said_is_not_finished() -> None:
    """An answer that never began has no reason, and is not finished."""
    assert Answer().finish_reasons(1) == ("error",)
    assert not Answer().finished(1)


@pytest.mark.parametrize(("limit", "preview"), [(0, ""), (-1, ""), (1, "f"), (4, "cdef"), (6, "abcdef"), (99, "abcdef")])
def test_preview_is_the_tail_of_the_visible_text(limit: int, preview: str) -> None:
    """The preview runs over the parts of text, and leaves out what is not visible."""
    answer = Answer()
    answer.text(0, "abc")
    answer.reasoning(0, "hidden")
    answer.text(0, "def")

    assert answer.preview(limit) == preview


def test_preview_of_tool_calls_alone() -> None:
    """An answer without text is previewed by what it calls."""
    answer = Answer()
    answer.tool_call(0, 0, "get_weather", '{"city":"Lima"}')

    assert answer.preview(100) == 'get_weather({"city":"Lima"})'


def test_characters_counts_all_output() -> None:
    """The length so far includes reasoning and tool arguments, of all choices."""
    answer = Answer()
    answer.text(0, "abc")
    answer.reasoning(1, "de")
    answer.tool_call(1, 0, "f", "{}")

    assert answer.characters == 7


@pytest.mark.parametrize(("text", "arguments"), [("", {}), ("{}", {}), ('{"a":', '{"a":'), ("null", None)])
def test_arguments_of_a_tool_call(text: str, arguments: object) -> None:
    """Arguments are parsed where they are JSON, and kept as they are where they are not."""
    assert parse_arguments(text) == arguments


@pytest.mark.parametrize(("text", "mended"), [("plain ü", "plain ü"), ("\ud83d\ude00", "\U0001f600"), ("a\ud83db", "a\ufffdb")])
def test_mend(text: str, mended: str) -> None:
    """Halves of a character are joined, a lone half is replaced, everything else stays."""
    assert mend(text) == mended
    mended.encode()


def test_dump_json_takes_anything() -> None:
    """What JSON has no word for is written as its ``str``."""
    assert dump_json({"a": {1}, "b": "ü"}) == '{"a":"{1}","b":"ü"}'

"""What is taken out of texts before they are written, and that no piece of it is left anywhere."""

import json
import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamspan import SettingsError
from streamspan.answer import Answer, Sink
from streamspan.content import MARGIN, UNSETTLED, Content
from streamspan.listeners.redacted_chunk_events import RedactedChunkEvents
from streamspan.redaction import Redaction, align
from streamspan.settings import Settings

SECRET = re.compile(r"s3cr3t\d+")
PATTERNS = Redaction((SECRET,))


def mask(text: str) -> str:
    """As a pattern would, in a function of the application's."""
    return SECRET.sub("***", text)


@pytest.mark.parametrize(
    ("redact", "expected"),
    [
        (r"s3cr3t\d+", "a [redacted] b [redacted]"),
        (SECRET, "a [redacted] b [redacted]"),
        ([r"s3cr3t1", re.compile("S3CR3T22", re.IGNORECASE)], "a [redacted] b [redacted]"),
        (r"x*", "a s3cr3t1 b s3cr3t22"),
        (mask, "a *** b ***"),
        (str.upper, "A S3CR3T1 B S3CR3T22"),
    ],
)
def test_text(redact: Any, expected: str) -> None:
    """A pattern, several, or a function say what is written in place of a text; an empty match is none."""
    redaction = Settings(redact=redact).redact
    assert isinstance(redaction, Redaction)

    assert redaction("a s3cr3t1 b s3cr3t22") == expected


@pytest.mark.parametrize("redact", [None, [], ()])
def test_nothing_to_redact(redact: Any) -> None:
    """No patterns are no redaction, which costs nothing."""
    assert Content(Settings(redact=redact)).redaction is None
    assert Content(Settings(redact="x", capture_content=False)).redaction is None


@pytest.mark.parametrize(
    ("redact", "message"),
    [
        ("(", "redact has no regular expression in '(': missing ), unterminated subpattern at position 0"),
        (["a", ""], "redact must be a function of a string, or regular expressions, not ['a', '']"),
        (re.compile(b"a"), "redact must be a function of a string, or regular expressions, not re.compile(b'a')"),
        (7, "redact must be a function of a string, or regular expressions, not 7"),
    ],
)
def test_wrong_keyword(redact: Any, message: str) -> None:
    """What is neither a function nor patterns is one clear message."""
    with pytest.raises(SettingsError, match=re.escape(message)):
        Settings(redact=redact)


def test_environment() -> None:
    """In the environment there is one pattern a line."""
    settings = Settings.load(environ={"STREAMSPAN_REDACT": "  s3cr3t\\d+ \n\n foo\n"})

    assert settings == Settings(redact=[r"s3cr3t\d+", "foo"])
    assert Settings.load(environ={"STREAMSPAN_REDACT": " "}) == Settings()


@pytest.mark.parametrize("overrides", [{}, {"capture_content": True}])
def test_a_mistake_in_the_environment_captures_nothing(overrides: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    """Whoever sets the variable thinks of privacy: with a bad pattern no content is captured, whatever else is set."""
    environ = {"STREAMSPAN_REDACT": "fine\n(", "STREAMSPAN_CAPTURE_CONTENT": "true"}

    assert Settings.load(overrides, environ) == Settings(capture_content=False)
    assert caplog.messages == [
        "streamspan: environment: STREAMSPAN_REDACT: not all of it is regular expressions; no content is captured"
    ]
    assert Settings.load({"redact": "x"}, environ) == Settings(redact="x")


def fail(text: str) -> Any:
    """A function with a bug."""
    raise ValueError(text)


def forget(text: str) -> Any:
    """Another."""


@pytest.mark.parametrize(("function", "problem"), [(fail, "raised ValueError"), (forget, "returned NoneType")])
def test_a_function_that_fails(function: Callable[[str], Any], problem: str, caplog: pytest.LogCaptureFixture) -> None:
    """Its text is not written at all; one line in the log says so, without the text, and nothing is raised."""
    redaction = Redaction(function=function)

    assert [redaction("s3cr3t1"), redaction("s3cr3t2")] == ["[redaction failed]"] * 2
    assert caplog.messages == [
        f"streamspan: the function for redact= {problem}; '[redaction failed]' is written in place of such a text"
    ]


def test_messages_keep_their_structure() -> None:
    """Every text is redacted, in data also keys and numbers; roles, kinds, ids and names are as they were."""
    redaction = Redaction((re.compile(r"s3cr3t\d*|text|user|call|stop|4111"),))
    messages: list[dict[str, Any]] = [
        {
            "role": "user",
            "name": "s3cr3t1",
            "finish_reason": "stop",
            "parts": [
                {"type": "text", "content": "my s3cr3t1"},
                {
                    "type": "tool_call",
                    "id": "call",
                    "name": "user",
                    "arguments": {"name": "s3cr3t1", "s3cr3t1": [4111, 2, True, None]},
                },
                {"type": "tool_call", "id": "call", "name": "f", "arguments": '{"a": "s3cr\\u0033t1'},
                {"type": "tool_call_response", "id": "call", "response": ["s3cr3t1", 0.5]},
                {"type": "file", "modality": "text", "mime_type": "text/plain", "name": "s3cr3t1.txt", "file_id": "s3cr3t1"},
                {"type": "uri", "modality": "image", "uri": "http://x/s3cr3t1"},
            ],
        },
        {"type": "function", "name": "call", "description": "s3cr3t1", "parameters": {"type": "object", "enum": ["s3cr3t1"]}},
    ]

    assert redaction.messages(messages) == [
        {
            "role": "user",
            "name": "s3cr3t1",
            "finish_reason": "stop",
            "parts": [
                {"type": "text", "content": "my [redacted]"},
                {
                    "type": "tool_call",
                    "id": "call",
                    "name": "user",
                    "arguments": {"name": "[redacted]", "[redacted]": ["[redacted]", 2, True, None]},
                },
                {"type": "tool_call", "id": "call", "name": "f", "arguments": '{"a": "[redacted]'},
                {"type": "tool_call_response", "id": "call", "response": ["[redacted]", 0.5]},
                {
                    "type": "file",
                    "modality": "text",
                    "mime_type": "text/plain",
                    "name": "[redacted].txt",
                    "file_id": "[redacted]",
                },
                {"type": "uri", "modality": "image", "uri": "http://x/[redacted]"},
            ],
        },
        {
            "type": "function",
            "name": "call",
            "description": "[redacted]",
            "parameters": {"type": "object", "enum": ["[redacted]"]},
        },
    ]


@pytest.mark.parametrize("redaction", [PATTERNS, Redaction(function=mask)])
def test_pieces(redaction: Redaction) -> None:
    """What stays is in its piece, what is replaced in the piece where it began."""
    new = "[redacted]" if redaction is PATTERNS else "***"
    pieces = ["one ", "two s3", "cr", "3t12", " three", "", " four s3cr3t3", " five"]

    assert redaction.pieces(pieces) == ["one ", f"two {new}", "", "", " three", "", f" four {new}", " five"]
    assert redaction.pieces([]) == []
    assert redaction.pieces(["", "a"]) == ["", "a"]


WORDS = st.lists(st.sampled_from(["s3cr3t1", "s3cr3t23", "s3cr3", "t4", "a", "b", " ", "\n", "s3"]), max_size=12)


@given(words=WORDS, cuts=st.lists(st.integers(0, 40)), function=st.booleans())
def test_no_piece_of_a_secret_is_left(words: list[str], cuts: list[int], function: bool) -> None:
    """However a text is cut into pieces: joined, they are the redacted text, and what was not touched is where it was."""
    text = "".join(words)
    at = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    pieces = [text[start:stop] for start, stop in pairwise(at)]
    redaction = Redaction(function=mask) if function else PATTERNS

    laid = redaction.pieces(pieces)

    assert "".join(laid) == redaction(text)
    assert len(laid) == len(pieces)
    assert not SECRET.search("".join(laid))
    if redaction(text) == text:
        assert laid == pieces


@given(st.lists(st.text(max_size=4), min_size=1, max_size=8), st.text(max_size=20))
def test_pieces_of_any_text(pieces: list[str], text: str) -> None:
    """Whatever a function returns is laid out whole, in as many pieces."""
    laid = align(pieces, text)

    assert ("".join(laid), len(laid)) == (text, len(pieces))


def test_long_texts_are_laid_out_in_reasonable_time() -> None:
    """Of a text of very many words only the ends are compared."""
    words = [f"w{number % 50} " for number in range(30_000)]
    changed = [*words]
    changed[100] = changed[29_000] = "x "

    laid = align(words, "".join(changed))

    assert laid[:100] == words[:100]
    assert laid[29_001:] == words[29_001:]
    assert "".join(laid) == "".join(changed)


Say = tuple[str, int, str]


def read(chunk: list[Say], into: Sink) -> None:
    """A wire of things said: a kind, a choice, a text."""
    for kind, index, text in chunk:
        if kind == "call":
            into.tool_call(index, index, None, text)
        else:
            getattr(into, kind)(index, text)


KINDS = ["text", "reasoning", "refusal", "call"]


TEXTS = [(kind, index) for kind in KINDS for index in range(2)]


@given(st.lists(st.tuples(st.sampled_from(TEXTS), st.integers(1, 4), st.booleans()), max_size=40))
def test_chunk_events_hold_no_piece_of_a_secret(steps: list[tuple[tuple[str, int], int, bool]]) -> None:
    """However the texts of several choices and kinds are cut and mixed: no event has a character of a secret, and all else is there."""
    left, chunks = dict.fromkeys(TEXTS, "<s3cr3t7>"), list[list[Say]]([[]])
    for text, count, is_new in [*steps, *((text, 99, True) for text in TEXTS)]:
        if is_new:
            chunks.append([])
        chunks[-1].append((*text, left[text][:count]))
        left[text] = left[text][count:]
    events = RedactedChunkEvents(read, Answer(), PATTERNS)
    for chunk in chunks:
        events.read(chunk, events)

    told = list(events.merged(100))

    assert events.told_at_the_end
    said = "".join(chunk.text + chunk.reasoning + chunk.tool_call for chunk in told)
    assert sorted(said) == sorted("<[redacted]>" * len(TEXTS))
    assert [chunk.text for chunk in events.merged(100)] == [chunk.text for chunk in told]


def test_what_repeats_the_answer_is_of_no_event() -> None:
    """What a wire repeats at its end is told once."""

    def repeat(chunk: str, into: Sink) -> None:
        if chunk == "again":
            into.anew()
            into.text(0, "a s3cr3t1")
            return
        into.text(0, chunk)

    events = RedactedChunkEvents(repeat, Answer(), PATTERNS)
    for chunk in ["a s3c", "r3t1", "again", " b"]:
        events.read(chunk, events)

    assert [chunk.text for chunk in events.merged(10)] == ["a [redacted]", "", "", " b"]


@pytest.mark.parametrize("cut", range(1, 40, 3))
def test_tool_calls_are_redacted_by_what_they_say(cut: int) -> None:
    """What is escaped in the JSON of a tool call, or a key of it, is found in the chunks as well as in the message."""
    text = '{"q":"s3cr\\u0033t1","s3cr3t2":[1]}'
    events = RedactedChunkEvents(read, Answer(), PATTERNS)
    for start in range(0, len(text), cut):
        events.read([("call", 0, text[start : start + cut])], events)

    assert json.loads("".join(chunk.tool_call for chunk in events.merged(100))) == {"q": "[redacted]", "[redacted]": [1]}


LIVE = Content(Settings(redact=SECRET))


@hypothesis.settings(max_examples=30)
@given(st.lists(st.sampled_from(["s3cr3t1 ", "s3cr3t23", "word ", "漢字。", "x" * 90, "\n"]), max_size=80), st.integers(1, 200))
def test_no_secret_in_live_previews(words: list[str], limit: int) -> None:
    """At no moment does the preview of a growing text show a secret, whole or begun; in the end it shows the redacted end."""
    answer = Answer()
    for word in words:
        for character in word if len(word) < 10 else [word]:
            answer.text(0, character)
        shown = LIVE.live_preview(answer, limit, answer.preview(limit))
        assert len(shown) <= limit
        assert not re.search(r"[3r]t\d|s3c", shown.removeprefix(shown[:9]))
    whole = SECRET.sub("[redacted]", "".join(words))
    answer.finish(0, "stop")

    assert LIVE.preview(answer, limit, LIVE.said(answer, 1)) == whole[-limit:]


def test_live_preview_holds_back_what_is_unsettled() -> None:
    """The newest characters are held back down to a space; those at the start of the shown end are redacted with what precedes them."""
    answer = Answer()
    answer.text(0, "s3cr3t" + "1" * 500 + " " + "word " * 40)
    tail = answer.preview(300)

    shown = LIVE.live_preview(answer, 300, tail)

    assert shown == "[redacted] " + "word " * ((200 - UNSETTLED) // 5)
    assert MARGIN > 500
    assert LIVE.live_preview(answer, 0, tail) == ""
    plain = Content(Settings())
    assert plain.live_preview(answer, 300, tail) == tail
    assert Content(Settings(capture_content=False)).live_preview(answer, 300, tail) == ""


def test_previews_of_tool_calls() -> None:
    """A running tool call shows its name only, as what is escaped in half a JSON cannot be redacted; in the end all is shown."""
    answer = Answer()
    answer.tool_call(0, 0, "find", '{"q": "s3cr\\u0033t1"}')

    assert LIVE.live_preview(answer, 100, answer.preview(100)) == "find(…)"
    assert LIVE.preview(answer, 100, {}) == 'find({"q":"[redacted]"})'

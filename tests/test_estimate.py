# ruff: noqa: RUF001 - letters of other alphabets are what this is about
"""How many tokens a text or a request has where nobody has counted them: in any script, cheaply, and by tokenizers of one's own."""

import logging
import warnings
from typing import Any

import pytest

import streamspan
from streamspan import estimated, live
from streamspan.estimate import estimate_tokens
from streamspan.prompt_size import estimate_prompt, uncounted
from streamspan.providers import openai_chat
from streamspan.tokenizers import counting

from conftest import Recorder
from loopback import Loopback, Reply, Tool
from surfaces import AnthropicSurface, OpenAISurface

SENTENCES = {  # counted with o200k
    "The quick brown fox jumps over the lazy dog, and nobody in the village was surprised.": 18,
    "Lima ist die Hauptstadt von Peru und liegt am Pazifik; dort leben fast zehn Millionen Menschen.": 20,
    "Lima est la capitale du Pérou, située au bord de l'océan Pacifique, où vivent dix millions de personnes.": 26,
    "Lima es la capital del Perú y está a orillas del océano Pacífico; allí viven diez millones de personas.": 25,
    "Москва является столицей России и крупнейшим городом страны, в котором живёт более двенадцати миллионов человек.": 25,
    "Київ є столицею України та найбільшим містом країни, що лежить на берегах Дніпра.": 28,
    "Η Αθήνα είναι η πρωτεύουσα της Ελλάδας και η μεγαλύτερη πόλη της χώρας.": 22,
    "القاهرة هي عاصمة مصر وأكبر مدينة في العالم العربي، ويعيش فيها ملايين السكان.": 19,
    "תל אביב היא עיר גדולה לחוף הים התיכון, ובה חיים מאות אלפי תושבים.": 22,
    "दिल्ली भारत की राजधानी है और देश के सबसे बड़े शहरों में से एक है।": 18,
    "서울은 대한민국의 수도이며 세계에서 가장 큰 도시 가운데 하나이다.": 15,
    "東京は日本の首都であり、世界最大の都市のひとつです。": 19,
    "北京是中国的首都，也是世界上人口最多的城市之一，有着三千多年的历史。": 22,
    "def area(radius: float) -> float:\n    return math.pi * radius ** 2\n": 19,
    '{"city": "Lima", "country": "Peru", "population": 10092000, "coordinates": {"lat": -12.05, "lon": -77.04}}': 41,
    "## Usage\n\n1. Install it with `pip install streamspan`.\n2. Call **instrument()** once, [as the docs say](docs/api.md).\n": 33,
}
LIMA = "Lima is the capital of Peru. "


@pytest.fixture(autouse=True)
def say_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was said of other tests' models is said again."""
    monkeypatch.setattr(estimated, "_last_said", dict[str, float]())


@pytest.mark.parametrize(("text", "tokens"), SENTENCES.items())
def test_a_sentence_of_any_language_is_near(text: str, tokens: int) -> None:
    """A single sentence is at most a third off; how far longer texts are is in docs/usage-estimates.md."""
    assert abs(estimate_tokens(text) / tokens - 1) <= 1 / 3


def test_pieces_add_up() -> None:
    """The estimate of a text is that of its pieces together, wherever it is cut."""
    text = "".join(SENTENCES)
    pieces = sum(estimate_tokens(text[start : start + 50]) for start in range(0, len(text), 50))
    assert abs(estimate_tokens(text) - pieces) <= len(text) / 50 / 2


@pytest.mark.parametrize("text", ["\ud800", "😀\udfff", "\x00\x7f", "\u0378", "a\u0301"])
def test_any_string_has_tokens(text: str) -> None:
    """Halves of characters, and those that nobody has assigned, are counted like others."""
    assert 1 <= estimate_tokens(text) <= 4


# --- requests ----------------------------------------------------------------------------------------------------------

TOOL = {
    "type": "function",
    "function": {
        "name": "get_current_weather",
        "description": "Get the current weather in a given location",
        "parameters": {
            "type": "object",
            "properties": {
                "location": {"type": "string", "description": "The city and state, e.g. San Francisco, CA"},
                "unit": {"type": "string", "description": "The unit of temperature to return", "enum": ["celsius", "fahrenheit"]},
            },
            "required": ["location"],
        },
    },
}
WEATHER = [
    {"role": "system", "content": "You are a helpful assistant that can answer to questions about the weather."},
    {"role": "user", "content": "What's the weather like in San Francisco?"},
]


@pytest.mark.parametrize(
    ("body", "tokens"),
    [
        ({"messages": [{"role": "user", "content": "Tell me about Lima."}]}, 12),
        ({"messages": WEATHER, "tools": [TOOL]}, 101),  # by OpenAI's cookbook for gpt-4o
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "Tell me about Lima."}]}]}, 12),
        ({}, 0),
    ],
)
def test_a_request_is_near(body: dict[str, Any], tokens: int) -> None:
    """Messages and tools count with what a provider puts around them; names of fields do not."""
    assert abs(estimate_prompt(openai_chat.prompt(body)) - tokens) <= 0.15 * tokens


def test_what_is_no_text_is_named() -> None:
    """An image, a sound and a document have no estimate, and are told; the name of a file is no text."""
    picture = {"type": "image_url", "image_url": {"url": "https://example.com/a-very-long-name-of-a-picture.png"}}
    sound = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
    document = {"type": "file", "file": {"file_id": "file-0123456789"}}
    told = {"role": "tool", "tool_call_id": "1", "content": [picture]}
    text = {"type": "text", "text": "Tell me about Lima."}
    prompts = [
        openai_chat.prompt({"messages": [{"role": "user", "content": parts}]})
        for parts in ([text], [text, picture, sound, document])
    ]
    assert estimate_prompt(prompts[0]) == estimate_prompt(prompts[1])
    assert [uncounted(prompt) for prompt in prompts] == [[], ["audio", "document", "image"]]
    assert uncounted(openai_chat.prompt({"messages": [told]})) == ["image"]


# --- calls -------------------------------------------------------------------------------------------------------------


async def ask(body: Any, surface: Any = None, count: int | None = None, **options: Any) -> None:
    """One stream, read to its end or to some chunk."""
    surface = surface or OpenAISurface(is_async=False)
    with Loopback(Reply(body=body)) as server:
        client = surface.client(server)
        stream = await surface.open(client, **options)
        await surface.take(stream, count)
        await surface.close(stream)
        client.close()


async def test_all_that_is_generated_counts(observed: Recorder) -> None:
    """Text, reasoning, and the names and arguments of tools, of every choice."""
    wire = OpenAISurface(is_async=False).wire
    tool = Tool(name="get_weather_report", arguments=['{"city":', '"Lima"}'])
    bodies = [
        wire([LIMA]),
        wire([LIMA], n=2),
        wire([LIMA], reasoning=[LIMA]),
        wire([LIMA], tool_calls=[tool]),
        wire([], tool_calls=[tool]),
    ]
    for body in bodies:
        await ask(body)

    counts: list[Any] = [(span.attributes or {})["gen_ai.usage.output_tokens"] for span in observed.spans(len(bodies))]
    of_tool = estimate_tokens('get_weather_report{"city":"Lima"}')
    assert counts[0] == estimate_tokens(LIMA)
    assert [counts[1], counts[2]] == [estimate_tokens(LIMA * 2)] * 2
    assert abs(counts[3] - counts[0] - of_tool) <= 1
    assert counts[4] == of_tool


async def test_reported_input_stands_beside_estimated_output(observed: Recorder) -> None:
    """Who leaves Anthropic's stream half-way has its reported input, and an estimate of what came."""
    surface = AnthropicSurface(is_async=False)
    await ask(surface.wire([LIMA] * 40), surface, 20)

    attributes = observed.attributes()
    assert attributes["streamspan.usage.estimated"] == ("output_tokens",)
    assert attributes["gen_ai.usage.output_tokens"] > estimate_tokens(LIMA * 10)  # type: ignore[operator]
    assert attributes["streamspan.cost.total"] > 0  # type: ignore[operator]


async def test_an_image_in_the_question_is_flagged(observed: Recorder) -> None:
    """Where the input is an estimate that leaves an image out, the span says so."""
    content = [{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}, {"type": "text", "text": "What is it?"}]
    await ask(OpenAISurface(is_async=False).wire([LIMA]), messages=[{"role": "user", "content": content}])

    assert observed.attributes()["streamspan.usage.uncounted"] == ("image",)


# --- the warning -------------------------------------------------------------------------------------------------------


async def test_estimates_are_warned_of_once_an_hour(observed: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    """One warning of a category of its own, for each model, and again after an hour."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for model, hours in (("gpt-4o-mini", 0), ("gpt-4o-mini", 0.9), ("gpt-4o", 0.9), ("gpt-4o-mini", 1.1)):
            monkeypatch.setattr(estimated, "monotonic", lambda at=3600 * hours: at)
            await ask(OpenAISurface(is_async=False).wire([LIMA]), model=model)
            live.settle()
        observed.spans(4)

    said = [str(warning.message) for warning in caught if warning.category is streamspan.UsageEstimatedWarning]
    models = [text.partition(":")[0].removeprefix("estimating tokens of ") for text in said]
    assert models == ["gpt-4o-mini", "gpt-4o", "gpt-4o-mini"]
    assert "reported no input_tokens and no output_tokens" in said[0]


@pytest.mark.parametrize("action", ["error", "ignore"])
async def test_a_warning_never_raises_into_the_stream(observed: Recorder, action: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Where warnings are errors it is a line in the log; the stream and its cost are what they would be; it can be ignored."""
    with warnings.catch_warnings():
        warnings.simplefilter(action, streamspan.UsageEstimatedWarning)
        await ask(OpenAISurface(is_async=False).wire([LIMA]))
        attributes = observed.attributes()
        live.settle()

    assert attributes["streamspan.outcome"] == "completed"
    assert attributes["streamspan.cost.total"] > 0  # type: ignore[operator]
    lines = [record.levelno for record in caplog.records if "estimating" in record.message]
    assert lines == ([logging.WARNING] if action == "error" else [])


# --- tokenizers of one's own -------------------------------------------------------------------------------------------


@pytest.mark.settings(tokenizers={"gpt-4*": lambda text: 1000 + len(text), "*": lambda text: 7})  # type: ignore[misc]
async def test_a_function_counts(observed: Recorder) -> None:
    """The first pattern that fits the model says who counts, input and output; the counts stay flagged."""
    wire = OpenAISurface(is_async=False).wire
    await ask(wire([LIMA]))
    await ask(wire([LIMA]), model="other")

    own, other = [span.attributes or {} for span in observed.spans(2)]
    assert own["gen_ai.usage.output_tokens"] == 1000 + len(LIMA)
    assert own["gen_ai.usage.input_tokens"] == 1000 + len("Tell me about Lima.") + 7  # around one message
    assert (other["gen_ai.usage.input_tokens"], other["gen_ai.usage.output_tokens"]) == (14, 7)
    assert own["streamspan.usage.estimated"] == ("input_tokens", "output_tokens")


def test_a_function_that_fails_costs_only_its_count(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """What a tokenizer of the user's raises is logged once, and the tokens are estimated."""
    monkeypatch.delenv("STREAMSPAN_RAISE_ERRORS")
    count = counting(int)
    assert [count(LIMA), count(LIMA)] == [estimate_tokens(LIMA)] * 2
    assert len(caplog.records) == 1


def test_long_texts_are_counted_in_pieces() -> None:
    """A tokenizer gets at most 2,048 characters at a time, cut before a blank, and of a very long text a sample."""
    pieces: list[str] = []

    def words(text: str) -> int:
        pieces.append(text)
        return len(text.split())

    count = counting(words)
    assert count("") == 0
    assert count("word " * 3000) == 3000
    assert max(map(len, pieces)) <= 2048
    assert "".join(pieces) == "word " * 3000
    pieces.clear()
    assert abs(count("word " * 100_000) / 100_000 - 1) < 0.02
    assert sum(map(len, pieces)) < 20_000
    pieces.clear()
    assert count("x" * 5000) == 3

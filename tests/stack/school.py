"""The provider of the program `lessons`, on loopback, and how that program is run."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from loopback import (
    Loopback,
    Piece,
    Reply,
    Request,
    Tool,
    anthropic_error,
    anthropic_events,
    anthropic_usage,
    embeddings_whole,
    openai_chunks,
    openai_usage,
    openai_whole,
    sse,
)

PROGRAM: Final = Path(__file__).with_name("lessons.py")
PAUSE: Final = 0.02
SKY: Final = (
    "Sunlight holds every colour, and air scatters the short blue waves far more than the long red ones. "
    "So blue light reaches your eyes from all over the sky, while the rest comes almost straight from the sun."
)
STORY: Final = (
    "The lighthouse at Skarv Point had one keeper, one lamp and no visitors. Every evening Ingrid wound the clockwork "
    "that turned the lens, wrote the weather into the log, and read one page of a novel aloud to the gulls."
)
UMBRELLA: Final = "No, leave it at home: Lisbon is clear, 21 degrees."
THOUGHT: Final = "It is tempting to say 0.10, but then the sum would be 1.20. With x for the ball: 2x = 0.10."
BALL: Final = "The ball costs 0.05."
TIDES: Final = "The moon pulls the sea towards it, and on the far side"
WEATHER: Final = Tool("weather", ('{"city":', '"Lisbon"}'), "call_weather_1")


def words(text: str) -> list[str]:
    """The text in pieces as a model's tokens are."""
    return [piece if not count else f" {piece}" for count, piece in enumerate(text.split(" "))]


def paced(events: list[bytes]) -> Iterator[Piece]:
    """The events as a model sends them: one after the other."""
    for event in events:
        yield event
        yield PAUSE


def answer(request: Request) -> Reply:
    """What the provider says to each request of the program."""
    body = request.json
    if request.path.endswith("/embeddings"):
        return Reply.of(embeddings_whole([[0.1, 0.2], [0.3, 0.4]], tokens=6))
    match body["model"]:
        case "gpt-4.1" if any(message["role"] == "tool" for message in body["messages"]):
            return _streams(openai_chunks(words(UMBRELLA), model="gpt-4.1-2025-04-14", usage=openai_usage(64, 14)))
        case "gpt-4.1":
            return _streams(
                openai_chunks(tool_calls=[WEATHER], finish="tool_calls", model="gpt-4.1-2025-04-14", usage=openai_usage(48, 15))
            )
        case "our-own-7b":
            return Reply.of(openai_whole("Hello.", model="our-own-7b", usage=openai_usage(9, 3)))
        case "claude-sonnet-4-6":
            usage = anthropic_usage(40, 62, cache_read=1200)
            return _streams(anthropic_events(words(BALL), thinking=words(THOUGHT), model="claude-sonnet-4-6", usage=usage))
        case "claude-haiku-4-5":
            events = anthropic_events(words(TIDES), usage=anthropic_usage(14, 1), stop_reason=None, stop=False)
            return _streams([*events, sse("error", anthropic_error())])
        case _ if "story" in body["messages"][-1]["content"]:
            return _streams(openai_chunks(words(STORY), model="gpt-4o-mini-2024-07-18"))
        case _:
            usage = openai_usage(27, 41, cached=16)
            return _streams(openai_chunks(words(SKY), model="gpt-4o-mini-2024-07-18", usage=usage))


def _streams(events: list[bytes]) -> Reply:
    return Reply(headers={"content-type": "text/event-stream"}, body=paced(events))


def attend(settings: Mapping[str, str]) -> str:
    """Runs `lessons` under ``opentelemetry-instrument`` with these settings, to its end; what it and OpenTelemetry wrote."""
    with Loopback(answer) as provider:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "STREAMSPAN_"))}
        environment = kept | {
            "OPENAI_BASE_URL": f"{provider.url}/v1",
            "ANTHROPIC_BASE_URL": provider.url,
            "OPENAI_API_KEY": "no-key-needed-here",
            "ANTHROPIC_API_KEY": "no-key-needed-here",
            "NO_PROXY": "127.0.0.1,localhost",
            "OTEL_PYTHON_DISTRO": "streamspan",
            "OTEL_PYTHON_CONFIGURATOR": "streamspan",
            "STREAMSPAN_PRICES": str(PROGRAM.with_name("prices.toml")),
            **settings,
        }
        command = [Path(sys.executable).with_name("opentelemetry-instrument"), sys.executable, PROGRAM]
        ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
        return ran.stdout + ran.stderr

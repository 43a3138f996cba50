"""What the replay server says to which question, how fast, and where it breaks off."""

import enum
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final


class Fault(enum.Enum):
    """What goes wrong on the server's side, at the first token or half-way through the answer."""

    NONE = "none"
    CUT_SHORT = "the body ends as it should, without its last events"
    HANG_UP = "the connection is closed in the middle of the body"
    OVERLOADED = "an error event takes the place of the rest"
    TOO_MANY_REQUESTS = "HTTP 429"


@dataclass(frozen=True, slots=True)
class Line:
    """One answer of a model: what it thinks, then says, then asks of a tool."""

    text: str = ""
    thought: str = ""
    tool: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Scene:
    """The answer to one question; ``after_tool`` is what follows once the tool has answered."""

    line: Line
    after_tool: Line = Line("That is all I wanted to know, thank you.")
    fault: Fault = Fault.NONE
    seconds_to_first_token: float = 0.35
    seconds_per_token: float = 0.018


@dataclass(frozen=True, slots=True)
class Turn:
    """One request as the replay server understood it, and what it is going to answer."""

    ident: str
    created: int
    model: str
    line: Line
    input_tokens: int
    cache_read_tokens: int = 0
    cache_written_tokens: int = 0
    with_usage: bool = False

    @property
    def snapshot(self) -> str:
        """The dated name under which a provider answers for this model."""
        return _SNAPSHOTS.get(self.model, self.model)

    @property
    def thought_tokens(self) -> int:
        """Length of the reasoning, in tokens."""
        return len(tokens(self.line.thought))

    @property
    def output_tokens(self) -> int:
        """Length of everything the model produces in this turn, in tokens."""
        said = self.line.text + self.line.tool + (arguments_json(self.line) if self.line.tool else "")
        return self.thought_tokens + len(tokens(said))


_SNAPSHOTS: Final[Mapping[str, str]] = {
    "gpt-4o-mini": "gpt-4o-mini-2024-07-18",
    "gpt-4.1": "gpt-4.1-2025-04-14",
    "gpt-5-mini": "gpt-5-mini-2025-08-07",
    "claude-haiku-4-5": "claude-haiku-4-5-20251001",
}

_LIGHTHOUSE: Final = """\
The lighthouse at Skarv Point had one keeper, one lamp and no visitors. Every evening Ingrid wound the clockwork that turned \
the lens, wrote the weather into the log, and read one page of a novel aloud to the gulls.

One night the lamp went out. A fishing boat was somewhere behind the fog, and its horn sounded closer each time. Ingrid took \
the brass tray from the kitchen wall, held it behind a storm lantern, and climbed to the gallery. She tilted the tray left and \
right, left and right, as slowly as the great lens would have turned.

The horn answered twice and moved away from the rocks. In the morning a crate of oranges stood at the foot of the stairs, and \
under it a note: "Your light was a little shaky last night. We liked it better." She hung the tray beside the lens and polished \
it every day."""

_HELLO: Final = "Hello, and welcome aboard."

SCENES: Final[Mapping[str, Scene]] = {
    # --- asked by examples/chat.py -----------------------------------------------------------------------------------
    "Why is the sky blue?": Scene(
        Line(
            "Sunlight holds every colour, and air scatters the short blue waves far more than the long red ones. "
            "So blue light reaches your eyes from all over the sky, while the rest comes almost straight from the sun. "
            "At sunset the path through the air is so long that most of the blue is gone, and what remains is red."
        )
    ),
    "Name three rivers that flow north.": Scene(
        Line("1. The Nile, to the Mediterranean\n2. The Lena, to the Laptev Sea\n3. The Rhine, to the North Sea")
    ),
    "Is 2027 a prime number?": Scene(
        Line(
            "Yes. 2027 is prime: no prime up to its square root, about 45.02, divides it.",
            thought="The square root of 2027 is a little over 45, so only primes up to 43 matter. 2, 3 and 5 fall out by their "
            "digits. 7 x 289 = 2023, 11 x 184 = 2024, 13 x 156 = 2028, 17 x 119 = 2023, 19 x 106 = 2014, 23 x 88 = 2024, "
            "29 x 70 = 2030, 31 x 65 = 2015, 37 x 55 = 2035, 41 x 49 = 2009, 43 x 47 = 2021. None of them hits 2027.",
        ),
        seconds_per_token=0.01,
    ),
    "Do I need an umbrella in Lisbon?": Scene(
        Line(tool="weather", arguments={"city": "Lisbon"}),
        after_tool=Line("No, leave it at home: Lisbon is clear, 21 degrees, with a light wind from the west."),
    ),
    "What does this module do?": Scene(
        Line(
            "It wraps and fills paragraphs of plain text to a given width, and can indent, dedent or shorten them. "
            "Most of the work happens in TextWrapper, which splits text into chunks and packs them greedily into lines."
        ),
        seconds_to_first_token=0.7,
    ),
    "How does it treat words that are too long?": Scene(
        Line(
            "By default a word longer than the line is cut so that no line exceeds the width. "
            "With break_long_words=False such a word gets a line of its own and is allowed to stick out."
        )
    ),
    "A bat and a ball cost 1.10 together; the bat costs 1.00 more. What is the ball?": Scene(
        Line(
            "The ball costs 0.05, and the bat 1.05.",
            thought="It is tempting to say 0.10, but then the bat would be 1.10 and the sum 1.20. "
            "With x for the ball: x + (x + 1.00) = 1.10, so 2x = 0.10 and x = 0.05.",
        )
    ),
    "What should I wear in Oslo today?": Scene(
        Line("I will look at the weather first.", tool="weather", arguments={"city": "Oslo"}),
        after_tool=Line("A light shirt will do: it is 21 degrees and clear. Take a thin jacket for the evening by the fjord."),
    ),
    # --- asked by examples/endings.py --------------------------------------------------------------------------------
    "Say hello in one sentence.": Scene(Line(_HELLO)),
    "Tell me a story about a lighthouse.": Scene(Line(_LIGHTHOUSE)),
    "Tell me a story and stop in the middle.": Scene(Line(_LIGHTHOUSE), fault=Fault.CUT_SHORT, seconds_per_token=0.01),
    "Tell me a story and hang up.": Scene(Line(_LIGHTHOUSE), fault=Fault.HANG_UP, seconds_per_token=0.01),
    "Tell me a story until you are overloaded.": Scene(Line(_LIGHTHOUSE), fault=Fault.OVERLOADED, seconds_per_token=0.01),
    "Tell me that I ask too much.": Scene(Line(), fault=Fault.TOO_MANY_REQUESTS),
}

_ANYTHING: Final = Scene(
    Line("This is the replay server of streamspan: it knows a few questions by heart, and yours is not among them.")
)
_TOKEN: Final = re.compile(r"\s?\w{1,7}|\s?[^\w\s]{1,3}|\s")


def scene(question: str) -> Scene:
    """The scene for this question; any other question gets a general answer."""
    return SCENES.get(question.strip(), _ANYTHING)


def tokens(text: str) -> list[str]:
    """Pieces of about the length that a model's tokens have; together they are the text."""
    return _TOKEN.findall(text)


def arguments_json(line: Line) -> str:
    """The arguments of a tool call as a model writes them."""
    return json.dumps(dict(line.arguments), separators=(",", ":"))

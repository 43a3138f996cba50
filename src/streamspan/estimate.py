"""How many tokens a text has, more or less, where nobody has counted them.

A weight per kind of character is additive, needs no vocabulary and no download, and serves every provider alike. The weights are
fitted against OpenAI's o200k on sentences in 25 languages and on code, by ``scripts/estimate_accuracy.py --fit``, which also says
how far off they are (docs/usage-estimates.md).
"""

import re
from collections.abc import Callable, Iterator
from typing import Final

Count = Callable[[str], int]
"""How many tokens a text has."""

WEIGHTS: Final = {
    "lower": 0.219,
    "upper": 0.329,
    "digit": 0.9,
    "blank": 0.08,
    "newline": 0.818,
    "punctuation": 0.483,
    "latin 1": 0.568,
    "latin extended": 1.591,
    "vietnamese": 0.117,
    "greek": 0.387,
    "russian": 0.26,
    "cyrillic": 1.766,
    "hebrew": 0.445,
    "arabic": 0.327,
    "persian": 0.547,
    "devanagari": 0.378,
    "bengali": 0.394,
    "thai": 0.382,
    "typographic": 0.411,
    "wide punctuation": 1.3,
    "kana": 0.601,
    "hangul": 0.661,
    "han": 0.742,
    "emoji": 0.75,
    "other": 0.5,
}
"""Tokens per character. Some say more of the language than of the letter: around a letter of Ukrainian all are dearer."""

_ASCII: Final = {
    "lower": bytes(range(ord("a"), ord("z") + 1)),
    "blank": b" ",
    "upper": bytes(range(ord("A"), ord("Z") + 1)),
    "digit": b"0123456789",
    "newline": b"\t\n\r\f\v",
}
"""The characters of these kinds; of all other ASCII the kind is punctuation."""

_BEYOND_ASCII: Final = bytes(range(0x80, 0x100))

_PAGES: Final = {
    0x00: "latin 1",
    0x01: "latin extended",
    0x03: "greek",
    0x04: "russian",
    0x05: "hebrew",
    0x06: "arabic",
    0x07: "other",
    0x09: "devanagari",
    0x0A: "other",
    0x0E: "thai",
    0x0F: "other",
    0x1E: "vietnamese",
    0x1F: "greek",
    0x20: "typographic",
    0x2C: "other",
    0x2E: "han",
    0x30: "kana",
    0x31: "han",
    0xA0: "other",
    0xAC: "hangul",
    0xD8: "emoji",  # half of one: what is beyond the first 65,536 characters comes in two
    0xE0: "other",
    0xF9: "han",
    0xFB: "other",
    0xFF: "wide punctuation",
}
"""The kind of most characters of a page of 256, and of those after it up to the next that is named."""
_FINER: Final = (
    (0x03, "latin extended", re.compile("[\u0300-\u036f]+")),
    (0x04, "cyrillic", re.compile("[\u0400\u0402-\u040f\u0450\u0452-\u04ff]+")),
    (0x06, "persian", re.compile("[\u0670-\u06ff]+")),
    (0x09, "bengali", re.compile("[\u0980-\u09ff]+")),
    (0x30, "wide punctuation", re.compile("[\u3000-\u303f]+")),
)
"""What is of another kind on such a page."""


def _kind_of_each_page() -> Iterator[str]:
    kind = ""
    for page in range(256):
        kind = _PAGES.get(page, kind)
        yield kind


_KINDS = tuple(_kind_of_each_page())
_SAMPLED: Final = 32_768
"""Characters above which a text is sampled: counting a book would hold up the caller for nothing."""
_WINDOW: Final = 512


def estimate_tokens(text: str) -> int:
    """How many tokens ``text`` has, more or less: at least 1 if there is any text."""
    if not text:
        return 0
    part = sample(text, _SAMPLED)
    weight = sum(WEIGHTS[kind] * count for kind, count in count_kinds(part))
    return max(1, round(weight * len(text) / len(part)))


def sample(text: str, most: int) -> str:
    """``text``, or pieces from all over it that are ``most`` characters together."""
    if len(text) <= most:
        return text
    step = len(text) * _WINDOW // most
    return "".join(text[start : start + _WINDOW] for start in range(0, len(text), step))


def count_kinds(text: str) -> Iterator[tuple[str, int]]:
    """How many characters of each kind ``text`` has; a kind can come more than once, to be added up."""
    plain = text.encode("utf-8", "surrogatepass").translate(None, _BEYOND_ASCII)
    yield from _count_ascii(plain)
    if not text.isascii():
        yield from _count_others(text, len(plain))


def _count_ascii(rest: bytes) -> Iterator[tuple[str, int]]:
    for kind, characters in _ASCII.items():
        left = rest.translate(None, characters)
        yield kind, len(rest) - len(left)
        rest = left
    yield "punctuation", len(rest)


def _count_others(text: str, ascii_count: int) -> Iterator[tuple[str, int]]:
    """By the higher byte of each: to look at one character after the other would take ten times as long."""
    pages = text.encode("utf-16-le", "surrogatepass")[1::2]
    counts = {page: pages.count(page) for page in set(pages)}
    yield "latin 1", -ascii_count
    for page, count in counts.items():
        yield _KINDS[page], count
    for page, kind, pattern in _FINER:
        if page in counts:
            count = sum(map(len, pattern.findall(text)))
            yield kind, count
            yield _KINDS[page], -count

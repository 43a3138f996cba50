"""Tokenizers of the user's own, out of local files or functions: nothing is ever downloaded for them.

A file is what Hugging Face calls ``tokenizer.json``: it holds the vocabulary and the rules, so it is all that is needed, and
there is one for most models whose tokenizer is public. One that OpenAI's ``tiktoken`` has is given as a function:
``lambda text: len(encoding.encode(text))``.
"""

from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from functools import cache, partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from streamspan.errors import report
from streamspan.estimate import Count, estimate_tokens, sample

_COUNTED: Final = 16_384
"""Characters above which a text is sampled: the end of a call waits while its text is counted."""
_PIECE: Final = 2048
"""Characters that are given to a tokenizer at a time: some take longer than linear for long ones."""


class Tokenizers:
    """Who counts the tokens of which model."""

    def __init__(self, counts: Mapping[str, Count]) -> None:
        self._counts = counts

    def of(self, *models: str | None) -> Count | None:
        """The count for the first of these names that a pattern matches; the patterns are tried in their order."""
        named = filter(None, models)
        found = (count for model in named for pattern, count in self._counts.items() if fnmatchcase(model, pattern))
        return next(found, None)


def counting(tokenizer: str | Path | Callable[[str], int]) -> Count:
    """A count by a tokenizer: a function, or the path of a ``tokenizer.json``.

    Raises:
        ValueError: If there is no such file, it is none of that kind, or the library that reads it is not there.
    """
    return partial(_count, tokenizer if callable(tokenizer) else _load(str(tokenizer)))


def _count(exact: Count, text: str) -> int:
    """The exact count of a text, or of a sample of a long one; the estimate, if ``exact`` fails."""
    part = sample(text, _COUNTED)
    try:
        count = sum(map(exact, _pieces(part)))
    except Exception as error:  # it is the user's
        report(error, "counting tokens with a tokenizer of yours")
        return estimate_tokens(text)
    return round(count * len(text) / len(part)) if part else 0


def _pieces(text: str) -> list[str]:
    """``text``, cut before blanks where there are any: a word belongs with the blank before it."""
    pieces: list[str] = []
    start = 0
    while len(text) - start > _PIECE:
        end = text.rfind(" ", start + 1, start + _PIECE)
        end = end if end > start else start + _PIECE
        pieces.append(text[start:end])
        start = end
    return [*pieces, text[start:]] if start < len(text) else pieces


@cache
def _load(path: str) -> Count:
    if not Path(path).is_file():
        msg = f"names the file {path!r}, which is not there"
        raise ValueError(msg)
    if find_spec("tokenizers") is None:
        msg = "names a file, which takes the extra: pip install 'streamspan[tokenizers]'"
        raise ValueError(msg)
    return _reading(path)


def _reading(path: str) -> Count:
    library: Any = import_module("tokenizers")
    try:
        tokenizer = library.Tokenizer.from_file(path)
    except Exception as error:  # the library raises nothing more precise
        msg = f"names the file {path!r}, which is no tokenizer.json: {error}"
        raise ValueError(msg) from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids)

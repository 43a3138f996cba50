"""What values a setting takes: how a keyword is checked, and how the text of an environment variable is read."""

import math
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, cast

from streamspan.budgets.budget import Budget
from streamspan.budgets.ledger import StoreError
from streamspan.budgets.stores import open_ledger
from streamspan.errors import BudgetError
from streamspan.redaction import Redaction
from streamspan.tokenizers import Tokenizers, counting
from streamspan.upload import NamedUpload, Upload

_TRUE, _FALSE = frozenset({"true", "1", "yes", "on"}), frozenset({"false", "0", "no", "off"})


class Knob(Protocol):
    """One kind of setting."""

    @property
    def says(self) -> str:
        """What a value must be, to complete "... must be"."""
        ...

    def take(self, value: object) -> Any:
        """The value of a keyword in its normal form.

        Raises:
            ValueError: If it is no value of this kind.
        """

    def parse(self, text: str) -> object:
        """What an environment variable says.

        Raises:
            ValueError: If it says nothing of this kind.
        """


@dataclass(frozen=True, slots=True)
class Switch:
    """On or off."""

    says: str = "true or false"

    def take(self, value: object) -> bool:  # noqa: D102 - see Knob
        if not isinstance(value, bool):
            raise ValueError
        return value

    def parse(self, text: str) -> object:  # noqa: D102
        return _parse_bool(text)


@dataclass(frozen=True, slots=True)
class Number:
    """A number from 0 on."""

    zero: str
    """What 0 means."""
    whole: bool = False

    @property
    def says(self) -> str:  # noqa: D102
        return "a whole number" if self.whole else "a number"

    def take(self, value: object) -> int | float:  # noqa: D102
        kinds = (int,) if self.whole else (int, float)
        if type(value) not in kinds or not isinstance(value, int | float):
            raise ValueError
        if not 0 <= value < math.inf:
            msg = f"must be 0 ({self.zero}) or more, not {value}"
            raise OutOfRangeError(msg)
        return value

    def parse(self, text: str) -> object:  # noqa: D102
        return int(text) if self.whole else float(text)


class OutOfRangeError(ValueError):
    """The right kind of value, but one that cannot be; the message completes the setting's name."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several words, of which some may stand for another value."""

    words: Mapping[str, Any]
    """What may be written -> what it means."""

    @property
    def says(self) -> str:  # noqa: D102
        return f"one of {', '.join(self.words)}"

    def take(self, value: object) -> Any:  # noqa: D102
        word = str(value).lower() if isinstance(value, bool) else value
        if not isinstance(word, str) or word not in self.words:
            raise ValueError
        return self.words[word]

    def parse(self, text: str) -> object:  # noqa: D102
        word = text.lower()
        return word if word in self.words else _parse_bool(word)


@dataclass(frozen=True, slots=True)
class Names:
    """Several names; in the environment, commas stand between them."""

    says: str = "a list of names"

    def take(self, value: object) -> tuple[str, ...]:  # noqa: D102
        if isinstance(value, str) or not hasattr(value, "__iter__"):
            raise ValueError
        names: tuple[Any, ...] = tuple(value)  # pyright: ignore[reportArgumentType,reportUnknownVariableType,reportUnknownArgumentType]
        if not all(isinstance(name, str) and name for name in names):
            raise ValueError
        return names

    def parse(self, text: str) -> object:  # noqa: D102
        return [name for part in text.split(",") if (name := part.strip())]


@dataclass(frozen=True, slots=True)
class Redactor:
    """What is taken out of texts: nothing, what a function says, or what patterns match: one a line, in the environment."""

    says: str = "a function of a string, or regular expressions"

    def take(self, value: object) -> Redaction | None:  # noqa: D102
        if value is None or isinstance(value, Redaction):
            return value
        if callable(value):
            return Redaction(function=value)  # pyright: ignore[reportArgumentType]
        patterns = cast("Iterable[object]", value) if isinstance(value, list | tuple) else [value]
        return Redaction(tuple(map(_pattern, patterns))) if patterns else None

    def parse(self, text: str) -> object:  # noqa: D102
        return [pattern for line in text.splitlines() if (pattern := line.strip())]


@dataclass(frozen=True, slots=True)
class Store:
    """Where content is uploaded to: an object of the application's; in the environment its name."""

    says: str = "an object with the methods reference and upload, or its name as package.module:name"

    def take(self, value: object) -> Upload | None:  # noqa: D102
        if value is not None and not isinstance(value, Upload):
            raise ValueError
        return value

    def parse(self, text: str) -> object:  # noqa: D102
        if not all(part.isidentifier() for part in text.replace(":", ".").split(".")) or text.count(":") != 1:
            raise ValueError
        return NamedUpload(text)


@dataclass(frozen=True, slots=True)
class Counters:
    """Who counts tokens, by model; in the environment ``pattern=path``, with commas between several."""

    says: str = "a mapping of model patterns to functions of a string or to paths of tokenizer.json files"

    def take(self, value: object) -> Tokenizers | None:  # noqa: D102
        if value is None or isinstance(value, Tokenizers):
            return value
        if not isinstance(value, Mapping):
            raise ValueError
        given = cast("Mapping[object, Any]", value)
        if not all(isinstance(model, str) and (callable(by) or isinstance(by, str | Path)) for model, by in given.items()):
            raise ValueError
        try:
            return Tokenizers({str(model): counting(by) for model, by in given.items()}) if given else None
        except ValueError as error:
            raise OutOfRangeError(str(error)) from error

    def parse(self, text: str) -> object:  # noqa: D102
        pairs = [part.partition("=") for part in text.split(",") if part.strip()]
        if not all(model.strip() and path.strip() for model, _, path in pairs):
            raise ValueError
        return {model.strip(): path.strip() for model, _, path in pairs}


@dataclass(frozen=True, slots=True)
class BudgetList:
    """Budgets: some of them, or a file of them."""

    says: str = "a list of budgets, or the path of a file of budgets"

    def take(self, value: object) -> tuple[Budget, ...]:  # noqa: D102
        if isinstance(value, str | os.PathLike):
            return _load_budgets(value)  # pyright: ignore[reportUnknownArgumentType]
        if not isinstance(value, list | tuple):
            raise ValueError
        items = tuple(cast("Iterable[object]", value))
        if not all(isinstance(item, Budget) for item in items):
            raise ValueError
        return cast("tuple[Budget, ...]", items)

    def parse(self, text: str) -> object:  # noqa: D102
        return text or ()


def _load_budgets(path: str | os.PathLike[str]) -> tuple[Budget, ...]:
    file: Any = import_module("streamspan.budgets.file")  # with a TOML reader, for those who have a file
    try:
        return tuple(file.load(path))
    except (BudgetError, OSError) as error:
        msg = f"cannot be read: {error}"
        raise OutOfRangeError(msg) from None


@dataclass(frozen=True, slots=True)
class LedgerUrl:
    """The URL of a ledger's store."""

    says: str = "the URL of a budget store"

    def take(self, value: object) -> str | None:  # noqa: D102
        if value is not None and not isinstance(value, str):
            raise ValueError
        try:
            open_ledger(value)
        except BudgetError as error:
            msg = f"cannot be used: {error}"
            raise OutOfRangeError(msg) from None
        except StoreError:
            pass  # it may be there later
        return value or None

    def parse(self, text: str) -> object:  # noqa: D102
        return text


def _pattern(value: object) -> re.Pattern[str]:
    if isinstance(value, re.Pattern) and isinstance(value.pattern, str):  # pyright: ignore[reportUnknownMemberType]
        return value  # pyright: ignore[reportUnknownVariableType]
    if not isinstance(value, str) or not value:
        raise ValueError
    try:
        return re.compile(value)
    except re.error as error:
        msg = f"has no regular expression in {value!r}: {error}"
        raise OutOfRangeError(msg) from None


def knob(kind: Knob, default: Any) -> Any:
    """A setting of that kind, as a field of a dataclass."""
    return field(default=default, metadata={"knob": kind})


def _parse_bool(text: str) -> bool:
    word = text.lower()
    if word not in _TRUE | _FALSE:
        raise ValueError
    return word in _TRUE

"""Prices that a user gives: stronger than the table's, and than what a provider says that it charges."""

import json
import math
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from streamspan.errors import SettingsError
from streamspan.knobs import OutOfRangeError

Dollars = Decimal | int | float | str
"""An amount of US dollars; text, such as ``"0.15"``, and `Decimal` are exact."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPrice:
    """What a model costs, in US dollars: for ``streamspan.instrument(prices={"our-llama": ModelPrice(...)})``.

    It says everything about the model: what is left out has no price of its own, and costs what the kind that it is a part of
    costs. An amount is a `Decimal`, an ``int``, a ``float`` or a text such as ``"0.15"``, from 0 on.

    Example:
        >>> streamspan.instrument(prices={"our-llama": streamspan.ModelPrice(input="0.20", output="0.60")})

    Raises:
        SettingsError: If an amount is none, or there is neither a price for the input nor an alias.
    """

    input: Dollars | None = None
    """US dollars per million tokens of input."""
    output: Dollars | None = None
    """US dollars per million tokens of output; left out, only calls that generate nothing have a price."""
    cache_read: Dollars | None = None
    """US dollars per million tokens of input that come from a cache; as ``input`` unless given."""
    cache_write: Dollars | None = None
    """US dollars per million tokens of input that go into a cache, for five minutes where there is a choice; as ``input``
    unless given."""
    cache_write_1h: Dollars | None = None
    """US dollars per million tokens of input that go into a cache for an hour; as ``cache_write`` unless given."""
    input_audio: Dollars | None = None
    """US dollars per million tokens of audio that come in; as ``input`` unless given."""
    input_image: Dollars | None = None
    """US dollars per million tokens of images that come in; as ``input`` unless given."""
    output_audio: Dollars | None = None
    """US dollars per million tokens of audio that go out; as ``output`` unless given."""
    output_image: Dollars | None = None
    """US dollars per million tokens of images that go out; as ``output`` unless given."""
    reasoning: Dollars | None = None
    """US dollars per million tokens of reasoning; as ``output`` unless given."""
    request: Dollars | None = None
    """US dollars per request, on top; nothing unless given."""
    web_search: Dollars | None = None
    """US dollars per search of the web that the provider reports; nothing unless given."""
    alias: str | None = None
    """The model whose price it has, instead of prices: what a deployment or a profile stands for."""
    alias_provider: str | None = None
    """Whose model the alias is, as ``gen_ai.provider.name`` has it; the same provider's unless given."""
    provider: str | None = None
    """For whose calls it holds, as ``gen_ai.provider.name`` has it; for anybody's unless given."""

    def __post_init__(self) -> None:
        for name in AMOUNTS:
            if (value := getattr(self, name)) is not None:
                object.__setattr__(self, name, _dollars(name, value))
        for name in _WORDS:
            if (value := getattr(self, name)) is not None and (not isinstance(value, str) or not value.strip()):
                msg = f"{name} must be a name, not {value!r}"
                raise SettingsError(msg)
        _check_sense(self)

    @property
    def amounts(self) -> dict[str, Decimal]:
        """The prices that were given, by their names."""
        return {name: amount for name in AMOUNTS if (amount := getattr(self, name)) is not None}


_WORDS = ("alias", "alias_provider", "provider")
_NAMES = tuple(field.name for field in fields(ModelPrice))
AMOUNTS = tuple(name for name in _NAMES if name not in _WORDS)


def _dollars(name: str, value: object) -> Decimal:
    try:
        if isinstance(value, bool) or not isinstance(value, Decimal | int | float | str):
            raise ValueError
        amount = Decimal(str(value).strip())
        if not 0 <= amount < math.inf:
            raise ValueError
    except (ValueError, ArithmeticError):
        msg = f"{name} must be US dollars from 0 on, such as '0.15', not {value!r}"
        raise SettingsError(msg) from None
    return amount


def _check_sense(price: ModelPrice) -> None:
    if price.alias is None and price.input is None:
        msg = "has neither input nor alias"
    elif price.alias is not None and price.amounts:
        msg = f"has both an alias and a price ({', '.join(price.amounts)})"
    elif price.alias_provider is not None and price.alias is None:
        msg = "has an alias_provider and no alias"
    else:
        return
    raise SettingsError(msg)


@dataclass(frozen=True)
class Overrides:
    """All prices that a user gives."""

    given: tuple[tuple[str, tuple[ModelPrice, ...]], ...]
    """By name of the model, or ``/regular expression/``, in the order in which they were given."""
    origin: str = ""
    """The file that they are from, if any."""

    @cached_property
    def _exact(self) -> dict[str, tuple[ModelPrice, ...]]:
        return {name.lower(): prices for name, prices in self.given if not _is_pattern(name)}

    @cached_property
    def _patterns(self) -> list[tuple[re.Pattern[str], tuple[ModelPrice, ...]]]:
        return [(_compile(name), prices) for name, prices in self.given if _is_pattern(name)]

    def find(self, provider: str, names: tuple[str, ...]) -> ModelPrice | None:
        """The price that holds for a model: one by name before one by pattern, one for this provider before one for any.

        Args:
            provider: ``gen_ai.provider.name``.
            names: What the model is called, the most telling name first.
        """
        exact = [self._exact[name.lower()] for name in names if name.lower() in self._exact]
        matching = (prices for name in names for pattern, prices in self._patterns if pattern.fullmatch(name))
        for prices in (*exact, *matching):
            if (price := _of_provider(provider, prices)) is not None:
                return price
        return None


def _of_provider(provider: str, prices: tuple[ModelPrice, ...]) -> ModelPrice | None:
    its = [price for price in prices if price.provider == provider]
    return next(iter(its or [price for price in prices if price.provider is None]), None)


def _is_pattern(name: str) -> bool:
    return len(name) > 2 and name.startswith("/") and name.endswith("/")


def _compile(name: str) -> re.Pattern[str]:
    try:
        return re.compile(name[1:-1], re.IGNORECASE)
    except re.error as error:
        msg = f"{name!r} is no regular expression: {error}"
        raise SettingsError(msg) from None


def read(value: Mapping[str, Any], origin: str = "") -> Overrides:
    """Prices out of a mapping of name -> a `ModelPrice`, its fields as a mapping, the name of an alias, or a list of such.

    Raises:
        SettingsError: If there is something that is no price; the message says where.
    """
    given: dict[str, tuple[ModelPrice, ...]] = {}
    for name, entry in value.items():
        if not isinstance(name, str) or not name.strip("/ "):  # pyright: ignore[reportUnnecessaryIsInstance] - it is a user's
            msg = f"{name!r} is no name of a model"
            raise SettingsError(msg)
        entries = cast("list[Any]", entry) if isinstance(entry, list | tuple) else [entry]
        given[name] = tuple(_read_price(name, one) for one in entries)
        _check_once(name, given[name])
        if _is_pattern(name):
            _compile(name)
    overrides = Overrides(tuple(given.items()), origin)
    _check_aliases(overrides)
    return overrides


def _read_price(name: str, entry: object) -> ModelPrice:
    if isinstance(entry, ModelPrice):
        return entry
    try:
        if isinstance(entry, str):
            return ModelPrice(alias=entry)
        if not isinstance(entry, Mapping):
            msg = f"must be a price or the name of another model, not {entry!r}"
            raise SettingsError(msg)
        return ModelPrice(**_known(cast("Mapping[str, Any]", entry)))
    except SettingsError as error:
        msg = f"{name!r}: {error}"
        raise SettingsError(msg) from None


def _known(entry: Mapping[str, Any]) -> dict[str, Any]:
    if unknown := [name for name in entry if name not in _NAMES]:
        msg = f"there is no {unknown[0]!r}; there are: {', '.join(_NAMES)}"
        raise SettingsError(msg)
    return dict(entry)


def _check_once(name: str, prices: tuple[ModelPrice, ...]) -> None:
    providers = [price.provider for price in prices]
    if not providers or len(set(providers)) < len(providers):
        msg = f"{name!r} has {'two prices for one provider' if providers else 'no price'}"
        raise SettingsError(msg)


def _check_aliases(overrides: Overrides) -> None:
    for name, prices in overrides.given:
        for price in prices:
            for _ in follow(overrides, price, name, price.provider or ""):
                pass


def follow(overrides: Overrides, price: ModelPrice, name: str, provider: str) -> Iterator[tuple[ModelPrice, str]]:
    """``price``, and what its alias stands for among the overrides, and so on, each with whose model that is.

    Raises:
        SettingsError: If that never ends.
    """
    seen = {name.lower()}
    while True:
        provider = price.alias_provider or provider
        yield price, provider
        if price.alias is None:
            return
        if (following := overrides.find(provider, (price.alias,))) is None or following is price:
            return
        if price.alias.lower() in seen:
            msg = f"{name!r}: its alias leads back to {price.alias!r}"
            raise SettingsError(msg)
        seen.add(price.alias.lower())
        price = following


def load(path: str | Path) -> Overrides:
    """Prices out of a file, TOML or, if it is called ``.json``, JSON.

    Raises:
        SettingsError: If it cannot be read, or there is something wrong in it.
    """
    file = Path(path).expanduser()
    try:
        text = file.read_text(encoding="utf-8")
        content: Any = (
            json.loads(text, parse_float=Decimal) if file.suffix == ".json" else tomllib.loads(text, parse_float=Decimal)
        )
    except OSError as error:
        msg = f"{file}: {error.strerror}"
        raise SettingsError(msg) from None
    except ValueError as error:
        msg = f"{file} is no {'JSON' if file.suffix == '.json' else 'TOML'}: {error}"
        raise SettingsError(msg) from None
    if not isinstance(content, Mapping):
        msg = f"{file} must hold an object with the names of models"
        raise SettingsError(msg)
    try:
        return read(cast("Mapping[str, Any]", content), str(file))
    except SettingsError as error:
        msg = f"{file}: {error}"
        raise SettingsError(msg) from None


Given = Overrides | Mapping[str, ModelPrice | Mapping[str, Any] | str | Sequence[ModelPrice | Mapping[str, Any]]] | str | Path
"""What the setting takes."""


@dataclass(frozen=True, slots=True)
class Prices:
    """The kind of the setting: prices, or the file where they stand."""

    says: str = "a mapping of models to prices, or the path of a TOML or JSON file with one"

    def take(self, value: object) -> Overrides | None:  # noqa: D102 - see `knobs.Knob`
        if value is None or isinstance(value, Overrides):
            return value
        try:
            if isinstance(value, Mapping):
                return read(cast("Mapping[str, Any]", value))
            if isinstance(value, Path) or (isinstance(value, str) and value):
                return load(value)
        except SettingsError as error:
            msg = f"cannot be read: {error}"
            raise OutOfRangeError(msg) from None
        raise ValueError

    def parse(self, text: str) -> object:  # noqa: D102
        return text or None

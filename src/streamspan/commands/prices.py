"""``streamspan prices``: what is known about the prices of a model, and how a newer table of them is fetched."""

import argparse
import difflib
import importlib.util
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from genai_prices.types import ModelPrice

    from streamspan.pricing import Found, PriceBook


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    prices = commands.add_parser("prices", help="show what is known about the prices of a model, or fetch a newer table")
    prices.add_argument("model", nargs="?", help="the model, as a request or an answer names it")
    prices.add_argument("--provider", help="whose, as gen_ai.provider.name has it, such as aws.bedrock (default: all)")
    prices.add_argument("--json", action="store_true", help="print JSON")
    prices.add_argument("--update", action="store_true", help="fetch the newest table into the user's cache folder")
    prices.add_argument("--url", help="where to fetch it (default: where genai-prices publishes it)")
    prices.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    if arguments.update:
        return _update(arguments.url, as_json=arguments.json)
    if not arguments.model:
        return _fail("streamspan prices: name a model, or say --update", code=2)
    return _show(arguments.model, arguments.provider, as_json=arguments.json)


# --- what is known ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Line:
    """One price."""

    what: str
    dollars: Decimal
    per: str
    above: int = 0
    """The tokens of a prompt above which it holds."""

    def plain(self) -> dict[str, Any]:
        """As JSON has it; the amount is text, as a number there would not be exact."""
        above = {"above_tokens": self.above} if self.above else {}
        return {"what": self.what, "usd": f"{self.dollars.normalize():f}", "per": self.per, **above}

    @property
    def named(self) -> str:
        """What it is for."""
        return self.what + (f", prompts above {self.above:,} tokens" if self.above else "")

    @property
    def priced(self) -> str:
        """What it costs."""
        return f"${self.dollars.normalize():f} {self.per}"


@dataclass(frozen=True, slots=True)
class Known:
    """What is known about the prices of a model of one provider."""

    provider: str
    source: str
    name: str
    """Under which name it is known."""
    prices: tuple["Line", ...]
    tiers: dict[str, tuple["Line", ...]]
    """The same for each tier of service that has prices of its own, as far as they differ."""

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "provider": self.provider,
            "model": self.name,
            "source": self.source,
            "prices": [line.plain() for line in self.prices],
            "tiers": {tier: [line.plain() for line in lines] for tier, lines in self.tiers.items()},
        }


def _show(model: str, provider: str | None, *, as_json: bool) -> int:
    from streamspan.pricing import PriceBook
    from streamspan.settings import Settings

    overrides = Settings.load().price_overrides
    found = list(_look(PriceBook(overrides), model, provider))
    if not found:
        return _fail(_unknown(model, provider))
    instead = list(_look(PriceBook(), model, provider)) if overrides is not None else []
    replaced = [known for known in instead if known not in found]
    if as_json:
        told = {"model": model, "found": [known.plain() for known in found], "replaced": [known.plain() for known in replaced]}
        print(json.dumps(told, indent=2))
        return 0
    for known in found:
        _print(model, known, is_replaced=False)
    for known in replaced:
        _print(model, known, is_replaced=True)
    return 0


def _look(book: "PriceBook", model: str, provider: str | None) -> Iterator[Known]:
    """What is known of the model: of this provider's, or of each whose name for it this is."""
    from streamspan import price_table

    providers = [provider] if provider else [one.id for one in price_table.load().snapshot.providers]
    any_override = book.find("", model)
    if provider is None and any_override.override is not None:
        yield _known("(any)", any_override, model)
        return
    for one in providers:
        found = book.find(one, model)
        if found.sheet is not None or found.override is not None:
            yield _known(one, found, model)


def _known(provider: str, found: "Found", model: str) -> Known:
    from streamspan import price_table
    from streamspan.pricing import OVERRIDE
    from streamspan.rates import CONTEXTS

    if found.sheet is None:
        prices = tuple(Line(name.replace("_", " "), amount, _UNITS.get(name, _MILLION)) for name, amount in _of(found))
        return Known(provider, OVERRIDE, model, prices, {})
    usual = tuple(_lines(found.sheet.now("")[0]))
    tiers = {
        tier: tuple(line for line in _lines(found.sheet.now(tier)[0]) if line not in usual)
        for tier in CONTEXTS
        if found.sheet.tier(tier)
    }
    source = price_table.load().source + (" (alias)" if found.is_alias else "")
    owner = found.sheet.provider.id if provider != found.sheet.provider.id else provider
    return Known(owner if provider == owner else f"{provider} ({owner})", source, found.name, usual, tiers)


def _of(found: "Found") -> list[tuple[str, Decimal]]:
    return list(found.override.amounts.items()) if found.override is not None else []


_MILLION = "a million tokens"
_UNITS = {"request": "each", "web_search": "each"}


def _lines(price: "ModelPrice") -> Iterator[Line]:
    """What is paid, and what it costs, with the tiers by length of the prompt."""
    for key, value in vars(price).items():
        if value is None:
            continue
        kind, _, unit = key.rpartition("_")
        base, tiers = (value, ()) if isinstance(value, Decimal) else (value.base, value.tiers)
        for start, amount in ((0, base), *((tier.start, tier.price) for tier in tiers)):
            yield Line(kind.replace("_", " "), amount, _PER.get(unit, unit), start)


_PER = {
    "mtok": _MILLION,
    "mchars": "a million characters",
    "hours": "an hour",
    "kcount": "a thousand",
    "kpages": "a thousand pages",
    "gpixels": "a billion pixels",
}


def _print(model: str, known: Known, *, is_replaced: bool) -> None:
    """A table where rich is installed and somebody looks at it, else lines."""
    is_other = "" if known.name == model else f" as {known.name}"
    title = f"{known.provider}{is_other}, {known.source}" + (", which the setting prices replaces" if is_replaced else "")
    rows = [("", line.named, line.priced) for line in known.prices] or [("", "everything", "free")]
    rows += [(tier, line.named, line.priced) for tier, lines in known.tiers.items() for line in lines]
    if not sys.stdout.isatty() or importlib.util.find_spec("rich") is None:
        print(title)
        for tier, kind, amount in rows:
            print(f"  {f'{tier}: ' if tier else ''}{kind}: {amount}")
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("tier", "what", "US dollars", title=title, title_justify="left")
    for row in rows:
        table.add_row(*row)
    Console().print(table)


def _unknown(model: str, provider: str | None) -> str:
    """That there is nothing, and what is called alike."""
    from streamspan import price_table, pricing

    ids = [one for one in price_table.load().snapshot.providers if provider is None or pricing.is_of(one.id, provider)]
    known = sorted({its.id for one in ids for its in one.models})
    if not known:
        return f"streamspan prices: nobody knows the provider {provider!r}"
    near = difflib.get_close_matches(model.rpartition("/")[2], known, n=5, cutoff=0.5)
    hint = f"; alike: {', '.join(near)}" if near else ""
    return f"streamspan prices: no price is known for {model!r}{f' of {provider}' if provider else ''}{hint}"


# --- a newer table ---------------------------------------------------------------------------------------------------


def _update(url: str | None, *, as_json: bool) -> int:
    from streamspan import price_table

    url = url or price_table.published_at()
    try:
        providers = price_table.read(price_table.fetch(url))
    except price_table.FetchError as error:
        return _fail(f"streamspan prices: {url} cannot be fetched: {error}; the prices stay as they are")
    except price_table.TableError as error:
        return _fail(f"streamspan prices: {url}: {error}; the prices stay as they are")
    try:
        file = price_table.store(providers, url, datetime.now(tz=UTC))
    except OSError as error:
        where = error.filename or price_table.path()
        why = os.strerror(error.errno or 0)
        return _fail(f"streamspan prices: {where} cannot be written: {why}; the prices stay as they are")
    models = sum(len(provider["models"]) for provider in providers)
    if as_json:
        print(json.dumps({"file": str(file), "url": url, "providers": len(providers), "models": models}))
    else:
        print(f"{models} models of {len(providers)} providers from {url}, in {file}")
    return 0


def _fail(message: str, code: int = 1) -> int:
    print(message, file=sys.stderr)
    return code

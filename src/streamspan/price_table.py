"""The table of prices: the one that the genai-prices package brings, or a newer one that the user has fetched.

Nothing is fetched here by itself: ``streamspan prices --update`` does that, and leaves a file in the user's cache folder. It is
used as long as it is newer than the package's own table, which is: until another version of the package is installed.
"""

import json
import os
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamspan.errors import logger, once

if TYPE_CHECKING:
    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import Provider

_FORMAT = 1
_MAINSTAYS = {"openai": "gpt-4o", "anthropic": "claude-sonnet-4-5", "google": "gemini-2.5-flash", "aws": "amazon.nova-lite-v1:0"}
"""What a table must know, to be one."""


class TableError(ValueError):
    """What should be a table of prices is none."""


@dataclass(frozen=True, slots=True)
class Table:
    """Prices, and where they are from."""

    snapshot: "DataSnapshot"
    """Our own, as the package's global one may be swapped by the application."""
    source: str
    """Such as ``genai-prices 0.2.3``, or ``genai-prices 2026-11-21`` for one that was fetched on that day."""


@cache
def load() -> Table:
    """The table in force, once per process.

    Imported late: it takes tens of milliseconds, and only a program that calls a model needs it.
    """
    try:
        if (updated := _read_updated(path())) is not None:
            return updated
    except Exception as error:
        if once("price table", str(path())):
            why = str(error).partition("\n")[0] or type(error).__name__
            logger.warning("the price table %s is not used: %s; fetch it again: streamspan prices --update", path(), why)
    return bundled()


def bundled() -> Table:
    """The table that the package brings."""
    from genai_prices.data import providers  # noqa: PLC0415

    return Table(_snapshot(providers), f"genai-prices {package_version()}")


def package_version() -> str:
    """The version of the genai-prices package."""
    import genai_prices  # noqa: PLC0415

    return genai_prices.__version__


def _snapshot(providers: "list[Provider]") -> "DataSnapshot":
    from genai_prices.data_snapshot import DataSnapshot  # noqa: PLC0415

    return DataSnapshot(providers=providers, from_auto_update=False)


# --- the updated one -------------------------------------------------------------------------------------------------


def path() -> Path:
    """Where an updated table is kept: ``prices.json`` in the user's cache folder for streamspan."""
    return _cache_folder() / "streamspan" / "prices.json"


def _cache_folder() -> Path:
    if told := os.environ.get("XDG_CACHE_HOME"):
        return Path(told)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    return Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache")


def _read_updated(file: Path) -> Table | None:
    """The table in this file, if there is one that is newer than the package's."""
    try:
        content: Any = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not hasattr(content, "get") or content.get("format") != _FORMAT:
        msg = "it is none of this version's"
        raise TableError(msg)
    if content["genai_prices"] != package_version():  # that package has been replaced since, and has a table of its own
        return None
    fetched = date.fromisoformat(str(content["fetched"]))
    return Table(_snapshot(_providers_of(content["providers"])), f"genai-prices {fetched}")


class FetchError(OSError):
    """A table cannot be fetched."""


def published_at() -> str:
    """Where genai-prices publishes its table."""
    from genai_prices.update_prices import DEFAULT_UPDATE_URL  # noqa: PLC0415

    return DEFAULT_UPDATE_URL


def fetch(url: str) -> bytes:
    """What is there.

    Raises:
        FetchError: If that cannot be had.
    """
    import httpx2  # noqa: PLC0415 - what genai-prices fetches with, and needs

    try:
        answer = httpx2.get(url, timeout=httpx2.Timeout(30, connect=5), follow_redirects=True)
        answer.raise_for_status()
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise FetchError(str(error).partition("\n")[0] or type(error).__name__) from None
    return answer.content


def provider_id(name: str) -> str | None:
    """What the table calls a provider that it may know by another name."""
    try:
        return load().snapshot.find_provider(None, name, None).id
    except LookupError:
        return None


def read(payload: bytes) -> list[Any]:
    """The providers in what genai-prices publishes.

    Raises:
        TableError: If it is no table of prices.
    """
    try:
        providers: Any = json.loads(payload)
        snapshot = _snapshot(_providers_of(providers))
        for provider, model in _MAINSTAYS.items():
            snapshot.find_provider_model(model, None, provider, None)
    except (ValueError, LookupError, RecursionError) as error:
        msg = f"this is no table of prices: {str(error).splitlines()[0]}"
        raise TableError(msg) from None
    return providers


def _providers_of(raw: Any) -> "list[Provider]":
    if not isinstance(raw, list):
        msg = "it is no list of providers"
        raise TableError(msg)
    from genai_prices.types import (  # noqa: PLC0415 - what UpdatePrices.fetch reads it with; there is no public name
        _providers_from_raw,  # pyright: ignore[reportPrivateUsage]
    )

    return _providers_from_raw(raw)


def store(providers: list[Any], url: str, now: datetime) -> Path:
    """Keeps a table that was fetched, in one step: whoever reads meanwhile gets the old one or the new one.

    Args:
        providers: As `read` returned them.
        url: Where it was fetched.
        now: When.

    Raises:
        OSError: If it cannot be written; what was there stays.
    """
    content = {
        "format": _FORMAT,
        "fetched": now.astimezone(UTC).date().isoformat(),
        "genai_prices": package_version(),
        "url": url,
        "providers": providers,
    }
    file = path()
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=file.parent, prefix="prices-", suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as written:
            json.dump(content, written)
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return file

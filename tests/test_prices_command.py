"""``streamspan prices``: what it says about a model, and how it fetches a newer table."""

import copy
import json
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from datetime import date, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from genai_prices.types import ModelPrice

from streamspan import errors, price_table
from streamspan.cli import main

from loopback import Loopback, Reply

MAINSTAYS = {"openai": "gpt-4o", "anthropic": "claude-sonnet-4-5", "google": "gemini-2.5-flash", "aws": "amazon.nova-lite-v1:0"}


def published(value: Any) -> Any:
    """A piece of the package's table in the JSON that it is published in."""
    if isinstance(value, ModelPrice):
        return published({key: price for key, price in vars(value).items() if price is not None})
    if is_dataclass(value):
        names = [field.name for field in fields(value) if not field.name.startswith("_")]
        return {name.rstrip("_"): published(of) for name in names if (of := getattr(value, name)) is not None}
    if isinstance(value, dict):
        return {name: published(one) for name, one in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list):
        return [published(one) for one in value]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, Decimal):
        return float(value)
    return value.isoformat() if isinstance(value, date | time) else value


@pytest.fixture(scope="module")
def table() -> Any:
    """What is published: the package's own table, of a few providers, with another price for one model."""
    providers = published([one for one in price_table.bundled().snapshot.providers if one.id in MAINSTAYS])
    openai = next(one for one in providers if one["id"] == "openai")
    next(one for one in openai["models"] if one["id"] == "gpt-4o")["prices"] = {"input_mtok": 123, "output_mtok": 0.1}
    return providers


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:  # pyright: ignore[reportUnusedFunction]
    """A cache folder of its own, and a process that has loaded no table."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(errors, "_said", set[Any]())
    price_table.load.cache_clear()
    yield
    price_table.load.cache_clear()


def update(reply: Reply) -> int:
    """``streamspan prices --update`` from a server that answers so."""
    with Loopback(reply) as server:
        return main(["prices", "--update", "--url", f"{server.url}/data.json"])


def kept() -> list[str]:
    """The files in the cache folder."""
    return [file.name for file in price_table.path().parent.glob("*")] if price_table.path().parent.exists() else []


def test_update(table: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """The fetched table is used, every price of it as the package has it but for what is new, and says its day as its source."""
    assert update(Reply.of(table)) == 0
    assert str(price_table.path()) in capsys.readouterr().out

    loaded, bundled = price_table.load(), price_table.bundled()
    gpt = loaded.snapshot.find_provider_model("gpt-4o", None, "openai", None)[1]
    assert (kept(), loaded.source) == (["prices.json"], f"genai-prices {date.today().isoformat()}")
    for provider in loaded.snapshot.providers:
        [same] = [one for one in bundled.snapshot.providers if one.id == provider.id]
        differ = [
            new.id
            for new, old in zip(provider.models, same.models, strict=True)
            if (new.prices, new.price_variants) != (old.prices, old.price_variants)
        ]
        assert differ == (["gpt-4o"] if provider.id == "openai" else [])
    assert gpt.prices == ModelPrice(input_mtok=Decimal(123), output_mtok=Decimal("0.1"))


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (Reply(status=404, body=b"gone"), "cannot be fetched: Client error '404"),
        (Reply(body=b"<html>"), "this is no table of prices: "),
        (Reply(body=b"[]"), "this is no table of prices: Unable to find provider"),
        (Reply(body=b'{"a": 1}'), "this is no table of prices: it is no list of providers"),
        (Reply(body=b'[{"id": "openai"}]'), "this is no table of prices: "),
    ],
)
def test_what_is_no_table_replaces_nothing(reply: Reply, message: str, table: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """What cannot be read is one clear line and exit code 1, and the table that was there stays."""
    update(Reply.of(table))
    before = price_table.path().read_bytes()
    capsys.readouterr()

    assert update(reply) == 1
    out, told = capsys.readouterr()
    assert (out, told.count("\n"), told.endswith("; the prices stay as they are\n")) == ("", 1, True)
    assert message in told
    assert (price_table.path().read_bytes(), kept()) == (before, ["prices.json"])


def test_offline(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a network it says so, and the package's table is used."""
    with Loopback(Reply()) as server:
        url = server.url
    assert main(["prices", "--update", "--url", url]) == 1
    assert "cannot be fetched" in capsys.readouterr().err
    assert main(["prices", "--update", "--url", "nonsense"]) == 1
    assert (kept(), price_table.load().source) == ([], price_table.bundled().source)


def test_folder_that_cannot_be_written(
    table: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A cache folder that is none is one clear line, too."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))

    assert update(Reply.of(table)) == 1
    assert "cannot be written: Not a directory; the prices stay as they are" in capsys.readouterr().err


def spoil(change: dict[str, Any]) -> None:
    """Changes what the kept file says."""
    content = json.loads(price_table.path().read_text())
    price_table.path().write_text(json.dumps(content | change))


@pytest.mark.parametrize("change", [{"format": 99}, {"providers": "x"}, {"fetched": "soon"}, {"providers": [{"id": 1}]}])
def test_corrupt_file_is_not_used(change: dict[str, Any], table: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A kept file that is broken is one warning, and the package's table holds."""
    update(Reply.of(table))
    spoil(change)

    assert [price_table.load().source, price_table.load().source] == [price_table.bundled().source] * 2
    assert [f"{price_table.path()} is not used" in line for line in caplog.messages if "price table" in line] == [True]


def test_another_version_of_the_package_brings_a_newer_table(table: Any, caplog: pytest.LogCaptureFixture) -> None:
    """What was fetched under another version of genai-prices is left alone, without a word: that package's own is newer."""
    update(Reply.of(table))
    spoil({"genai_prices": "0.0.1"})

    assert price_table.load().source == price_table.bundled().source
    assert not [line for line in caplog.messages if "price table" in line]


def show(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """What the command returns and prints."""
    code = main(["prices", *arguments])
    out, told = capsys.readouterr()
    return code, out, told


def test_show(capsys: pytest.CaptureFixture[str]) -> None:
    """Rates, tiers by length and by service, and under which name the table has the model."""
    code, out, told = show(capsys, "models/gemini-2.5-pro", "--provider", "gcp.gemini")
    assert (code, told) == (0, "")
    assert out.splitlines()[:3] == [
        f"gcp.gemini (google) as gemini-2.5-pro, {price_table.bundled().source}",
        "  input: $1.25 a million tokens",
        "  input, prompts above 200,000 tokens: $2.5 a million tokens",
    ]
    assert "  batch: output: $5 a million tokens" in out.splitlines()


def test_show_as_json(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As JSON the amounts are exact, and what an override replaces is told."""
    file = tmp_path / "own.toml"
    file.write_text('["gpt-4o-mini"]\ninput = 0.1\noutput = 0.2\nrequest = 0.001\n')
    monkeypatch.setenv("STREAMSPAN_PRICES", str(file))
    code, out, _ = show(capsys, "gpt-4o-mini", "--provider", "openai", "--json")
    told = json.loads(out)
    per = "a million tokens"

    assert code == 0
    assert told["found"] == [
        {
            "provider": "openai",
            "model": "gpt-4o-mini",
            "source": "override",
            "prices": [
                {"what": "input", "usd": "0.1", "per": per},
                {"what": "output", "usd": "0.2", "per": per},
                {"what": "request", "usd": "0.001", "per": "each"},
            ],
            "tiers": {},
        }
    ]
    [replaced] = told["replaced"]
    assert replaced["prices"][0] == {"what": "input", "usd": "0.15", "per": per}


def test_unknown_model(capsys: pytest.CaptureFixture[str]) -> None:
    """What is not known is exit code 1, and a line with what is called alike; no arguments are exit code 2."""
    code, out, told = show(capsys, "gpt-4o-mimi", "--provider", "openai")
    assert (code, out) == (1, "")
    assert told.startswith("streamspan prices: no price is known for 'gpt-4o-mimi' of openai; alike: gpt-4o-mini")
    assert show(capsys, "x", "--provider", "nope") == (1, "", "streamspan prices: nobody knows the provider 'nope'\n")
    assert show(capsys) == (2, "", "streamspan prices: name a model, or say --update\n")


def test_table_is_not_changed(table: Any) -> None:
    """To read a table leaves what was read as it was."""
    before = copy.deepcopy(table)
    assert price_table.read(json.dumps(table).encode()) == before

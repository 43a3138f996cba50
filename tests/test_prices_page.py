"""docs/prices.md: its examples are run as they stand there."""

import re
import shlex
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import streamspan
from streamspan import Settings
from streamspan.cli import main
from streamspan.pricing import PriceBook
from streamspan.usage import Usage

PAGE = (Path(__file__).parent.parent / "docs" / "prices.md").read_text()
A_MILLION = Usage(input_tokens=100_000, output_tokens=100_000)


def example(language: str) -> str:
    """The example in this language."""
    [found] = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return found


def total(book: PriceBook, provider: str, model: str) -> str:
    """What a tenth of a million tokens in and out cost."""
    price = book.price(provider, (None, model), A_MILLION)
    return str((price.total if price else Decimal(-1)).normalize())


def test_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prices in code, aliases and regular expressions."""
    given: dict[str, Any] = {}
    monkeypatch.setattr(streamspan, "instrument", given.update)
    exec(example("python"), {"streamspan": streamspan})  # noqa: S102
    book = PriceBook(Settings(**given).price_overrides)

    totals = [total(book, "openai", name) for name in ("our-llama", "our-deployment", "ft:gpt-4o-mini-2024-07-18:acme::a1")]
    assert totals == ["0.08", "0.075", "0.15"]


def test_toml(tmp_path: Path) -> None:
    """Prices in a file, by provider, and a profile."""
    (tmp_path / "prices.toml").write_text(example("toml"))
    book = PriceBook(Settings(prices=tmp_path / "prices.toml").price_overrides)
    profile = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3"

    calls = [("openai", "our-llama"), ("aws.bedrock", profile), ("azure.ai.openai", "gpt-4o"), ("openai", "gpt-4o")]
    assert [total(book, *call) for call in calls] == ["0.08", "1.98", "1.125", "1.25"]


def test_commands(capsys: pytest.CaptureFixture[str]) -> None:
    """The commands that fetch nothing succeed."""
    commands = [shlex.split(line)[1:] for line in example("sh").splitlines()]
    assert [main(command) for command in commands if "--update" not in command] == [0, 0]
    assert "$3.3 a million tokens" in capsys.readouterr().out

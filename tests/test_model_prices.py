"""A user's own prices: how they are given, which one holds, and one clear message for what is wrong."""

import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import streamspan
from streamspan import ModelPrice, Settings, SettingsError
from streamspan.pricing import PriceBook
from streamspan.usage import Cost, Usage

A_THOUSAND = Usage(input_tokens=1000, output_tokens=1000)
ONE, TWO = {"input": 1, "output": 1}, ModelPrice(input="2", output=2.0)
REPORTED = Cost(Decimal("0.5"))


def price_of(prices: Any, *names: str | None, provider: str = "openai", cost: Cost | None = None) -> tuple[Any, str] | None:
    """What a thousand tokens in and out cost, and where the price is from."""
    book = PriceBook(Settings(prices=prices).price_overrides)
    price = book.price(provider, names if len(names) > 1 else (None, *names), A_THOUSAND, charged=cost)
    return None if price is None else (float(price.total), price.source.split(" ")[-1])


@pytest.mark.parametrize(
    ("prices", "names", "expected"),
    [
        ({"our-llama": ONE}, ("our-llama",), (0.002, "override")),
        ({"Our-Llama": ONE}, ("our-llama",), (0.002, "override")),
        ({"our-llama": ONE}, ("our-llama-2",), None),
        # over the table, under the name that was asked for before the one that answered, and under one that is looked through
        ({"gpt-4o": ONE}, ("gpt-4o",), (0.002, "override")),
        ({"gpt-4o": ONE}, ("gpt-4o-2024-08-06", "gpt-4o"), (0.002, "override")),
        ({"gpt-4o": ONE}, ("gpt-4o-2024-08-06",), (0.002, "override")),
        ({"gpt-4o-2024-08-06": TWO, "gpt-4o": ONE}, ("gpt-4o-2024-08-06",), (0.004, "override")),
        ({"our-deployment": TWO, "gpt-4o-2024-08-06": ONE}, ("gpt-4o-2024-08-06", "our-deployment"), (0.004, "override")),
        # a name is stronger than a pattern, the first pattern than the next; all of the name must match
        ({"/gpt-.*/": ONE, "gpt-4o": TWO}, ("gpt-4o",), (0.004, "override")),
        ({"/gpt-4.*/": ONE, "/gpt-.*/": TWO}, ("gpt-4o",), (0.002, "override")),
        ({"/GPT-4/": ONE}, ("gpt-4o-mini",), (0.00075, "0.2.3")),
        # aliases: of a model of the table, of one of our own, of another provider's, through a pattern, through another alias
        ({"our-deployment": "gpt-4o"}, ("our-deployment",), (0.0125, "(alias)")),
        ({"our-deployment": {"alias": "gpt-4o-mini"}}, ("gpt-4o", "our-deployment"), (0.00075, "(alias)")),
        ({"a": "b", "b": ONE}, ("a",), (0.002, "override")),
        ({"a": "b", "b": "gpt-4o"}, ("a",), (0.0125, "(alias)")),
        ({"a": {"alias": "claude-sonnet-4-5", "alias_provider": "anthropic"}}, ("a",), (0.018, "(alias)")),
        ({"/our-.*/": {"alias": "gpt-4o"}}, ("our-thing",), (0.0125, "(alias)")),
        ({"gpt-4o": "gpt-4o"}, ("gpt-4o",), (0.0125, "(alias)")),
        ({"our-deployment": "gpt-99-imaginary"}, ("our-deployment",), None),
        # the provider's price before anybody's; another's is none
        ({"gpt-4o": [{"provider": "openai", **ONE}, TWO]}, ("gpt-4o",), (0.002, "override")),
        ({"gpt-4o": [TWO, {"provider": "anthropic", **ONE}]}, ("gpt-4o",), (0.004, "override")),
        ({"our-llama": [{"provider": "anthropic", **ONE}]}, ("our-llama",), None),
        ({}, ("gpt-4o",), (0.0125, "0.2.3")),
    ],
)
def test_which_price_holds(prices: Any, names: tuple[str, ...], expected: tuple[float, str] | None) -> None:
    """By name before by pattern, for this provider before for any, and all of it before the table."""
    assert price_of(prices, *names) == expected


@pytest.mark.parametrize(
    ("prices", "expected"),
    [({}, (0.5, "provider")), ({"gpt-4o": ONE}, (0.002, "override")), ({"gpt-4o": "gpt-4o-mini"}, (0.00075, "(alias)"))],
)
def test_before_what_the_provider_says(prices: Any, expected: tuple[float, str]) -> None:
    """What a provider says that it charges is stronger than the table, and weaker than the user."""
    assert price_of(prices, "gpt-4o", cost=REPORTED) == expected


ARN = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3"


def test_profile_that_hides_its_model() -> None:
    """A profile of one's own has the price of the model that it stands for, where that is to run."""
    [us, anywhere] = [
        price_of({ARN: f"{where}.anthropic.claude-sonnet-4-5-20250929-v1:0"}, ARN, provider="aws.bedrock")
        for where in ("us", "global")
    ]
    assert (us, anywhere) == ((0.0198, "(alias)"), (0.018, "(alias)"))


FILES = {
    "prices.toml": '["our-llama"]\ninput = 0.2\noutput = "0.6"\n[["our-deployment"]]\nalias = "gpt-4o"\nprovider = "azure.ai.openai"\n',
    "prices.json": '{"our-llama": {"input": 0.2, "output": "0.6"}, "our-deployment": [{"alias": "gpt-4o", "provider": "azure.ai.openai"}]}',
}


@pytest.mark.parametrize("name", FILES)
def test_files(name: str, tmp_path: Path) -> None:
    """TOML and JSON say the same as a mapping; decimals stay what they are."""
    file = tmp_path / name
    file.write_text(FILES[name])
    mapping = {
        "our-llama": ModelPrice(input="0.2", output="0.6"),
        "our-deployment": ModelPrice(alias="gpt-4o", provider="azure.ai.openai"),
    }

    for settings in (Settings(prices=file), Settings.load(environ={"STREAMSPAN_PRICES": str(file)})):
        read, told = settings.price_overrides, Settings(prices=mapping).price_overrides
        assert read is not None
        assert told is not None
        assert (read.given, read.origin) == (told.given, str(file))


WRONG: list[tuple[Any, str]] = [
    ({"m": {"input": -1}}, "'m': input must be US dollars from 0 on, such as '0.15', not -1"),
    ({"m": {"input": float("nan")}}, "'m': input must be US dollars from 0 on, such as '0.15', not nan"),
    ({"m": {"input": "many"}}, "'m': input must be US dollars from 0 on, such as '0.15', not 'many'"),
    ({"m": {"input": "inf"}}, "'m': input must be US dollars from 0 on, such as '0.15', not 'inf'"),
    ({"m": {"input": True}}, "'m': input must be US dollars from 0 on, such as '0.15', not True"),
    ({"m": {"input": 1, "alias": "n"}}, "'m': has both an alias and a price (input)"),
    ({"m": {"output": 1}}, "'m': has neither input nor alias"),
    ({"m": {}}, "'m': has neither input nor alias"),
    ({"m": {"alias": " "}}, "'m': alias must be a name, not ' '"),
    ({"m": {"input": 1, "alias_provider": "openai"}}, "'m': has an alias_provider and no alias"),
    ({"m": {"alias": "m2"}, "m2": {"alias": "m"}}, "'m': its alias leads back to 'm'"),
    ({"m": 1}, "'m': must be a price or the name of another model, not 1"),
    ({"m": [ONE, TWO]}, "'m' has two prices for one provider"),
    ({"m": []}, "'m' has no price"),
    ({"": ONE}, "'' is no name of a model"),
    ({"/(/": ONE}, "'/(/' is no regular expression: missing ), unterminated subpattern at position 0"),
    ("/nowhere/prices.toml", "/nowhere/prices.toml: No such file or directory"),
]


@pytest.mark.parametrize(("prices", "message"), WRONG, ids=str)
def test_wrong_prices_are_one_clear_message(prices: Any, message: str) -> None:
    """What cannot be a price says where and why, before anything is patched."""
    with pytest.raises(SettingsError) as caught:
        streamspan.instrument(prices=prices)

    assert str(caught.value) == f"prices cannot be read: {message}"
    assert not streamspan.OpenAIInstrumentor().is_instrumented_by_opentelemetry


def test_unknown_field_names_the_known() -> None:
    """A field that does not exist is named, and so are those that do."""
    with pytest.raises(SettingsError, match=r"'m': there is no 'inputs'; there are: input, output, cache_read, .*"):
        Settings(prices={"m": {"inputs": 1}})
    with pytest.raises(SettingsError, match=r"prices must be a mapping of models to prices, or the path of .*, not 7"):
        Settings(prices=7)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.toml", "[m\n", "is no TOML: "),
        ("a.json", "{", "is no JSON: "),
        ("a.json", "[]", "must hold an object with the names of models"),
        ("a.toml", '[m]\ninput = "x"\n', "'m': input must be US dollars from 0 on, such as '0.15', not 'x'"),
    ],
)
def test_wrong_files(name: str, text: str, message: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A file that is wrong is named; as a variable it is one line in the log, and all other settings hold."""
    file = tmp_path / name
    file.write_text(text)
    with pytest.raises(SettingsError) as caught:
        Settings(prices=file)
    assert str(caught.value).startswith(f"prices cannot be read: {file}")
    assert message in str(caught.value)

    settings = Settings.load(environ={"STREAMSPAN_PRICES": str(file), "STREAMSPAN_STREAM_PREVIEW_CHARS": "12"})
    assert (settings.prices, settings.stream_preview_chars) == (None, 12)
    assert [
        line.startswith("streamspan: environment: STREAMSPAN_PRICES: prices cannot be read: ") for line in caplog.messages
    ] == [True]


def test_under_opentelemetry_instrument(tmp_path: Path) -> None:
    """A wrong file stops no program that starts under opentelemetry-instrument: it is observed with the table's prices."""
    file = tmp_path / "prices.json"
    file.write_text(json.dumps({"gpt-4o": {"input": -1}}))
    program = tmp_path / "program.py"
    program.write_text(
        "import streamspan\n"
        "with streamspan.llm('openai.chat', model='gpt-4o') as span:\n"
        "    span.end(output='x', usage={'input_tokens': 1000, 'output_tokens': 0})\n"
    )
    environment = os.environ | {
        "STREAMSPAN_PRICES": str(file),
        "OTEL_TRACES_EXPORTER": "console",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
    }
    command = [str(Path(sys.executable).with_name("opentelemetry-instrument")), sys.executable, str(program)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=environment)

    assert done.returncode == 0
    assert '"streamspan.cost.total": 0.0025' in done.stdout
    assert done.stderr.count("STREAMSPAN_PRICES: prices cannot be read") == 1

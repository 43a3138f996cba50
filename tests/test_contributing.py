"""What CONTRIBUTING.md tells a newcomer to write works, to the letter."""

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import openai
import pytest

from streamspan import providers, semconv
from streamspan.providers import openai_chat

from conftest import Recorder
from loopback import Loopback, Reply, sse

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "CONTRIBUTING.md").read_text()
NAME = "streamspan.providers.llamacpp_completion"

PLACES = (ROOT, ROOT / "src" / "streamspan")
"""Paths in the text are those of the checkout; a module is named alone."""
CODE = re.findall(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
"""The new file, and its test."""


@pytest.fixture
def provider(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The provider file of the text, imported under its real name and named in ``FORMATS``."""
    path = tmp_path / "llamacpp_completion.py"
    path.write_text(CODE[0])
    spec = importlib.util.spec_from_file_location(NAME, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, NAME, module)
    spec.loader.exec_module(module)
    monkeypatch.setattr(providers, "FORMATS", (*providers.FORMATS, module.FORMAT))
    return module


@pytest.mark.usefixtures("provider")
def test_the_test_that_the_text_shows_passes() -> None:
    """The second code block is a test of the first, and is green."""
    shown: dict[str, object] = {}
    exec(compile(CODE[1], "CONTRIBUTING.md", "exec"), shown)  # noqa: S102 - it is our own page
    tests = [test for name, test in shown.items() if name.startswith("test_") and callable(test)]
    assert len(tests) == 1
    tests[0]()


@pytest.mark.usefixtures("provider")
def test_a_new_wire_format_is_one_file(observed: Recorder) -> None:
    """With the file in place a stream of the real SDK becomes one complete span; nothing else had to be written."""
    chunks = [
        {"content": "Hel", "stop": False, "model": "gemma-3"},
        {"content": "lo", "stop": False, "model": "gemma-3"},
        {"content": "", "stop": True, "stop_type": "eos", "model": "gemma-3", "tokens_evaluated": 2, "tokens_predicted": 5},
    ]
    body = {"prompt": "Greet me", "n_predict": 9, "stream": True}
    with (
        Loopback(Reply(body=[sse(None, chunk) for chunk in chunks])) as server,
        openai.OpenAI(base_url=server.url, api_key="none", max_retries=0) as client,
        client.post("/completion", cast_to=object, body=body, stream=True, stream_cls=openai.Stream[object]) as stream,
    ):
        assert list(stream) == chunks
    assert observed.span().name == "text_completion"
    wanted = {
        semconv.OUTCOME: "completed",
        semconv.REQUEST_MAX_TOKENS: 9,
        semconv.RESPONSE_MODEL: "gemma-3",
        semconv.RESPONSE_FINISH_REASONS: ("eos",),
        semconv.PREVIEW: "Hello",
        semconv.INPUT_MESSAGES: '[{"role":"user","parts":[{"type":"text","content":"Greet me"}]}]',
        semconv.USAGE_INPUT_TOKENS: 2,
        semconv.USAGE_OUTPUT_TOKENS: 5,
        semconv.CHUNKS: 3,
    }
    found = observed.attributes()
    assert {key: found.get(key) for key in wanted} == wanted


def test_the_files_and_commands_that_the_text_names_exist() -> None:
    """Every path in back quotes, link or command is there, but for the two files that the reader is about to write."""
    quoted = re.findall(r"`([\w./]+(?:\.py|\.toml|\.md|/))`", TEXT)
    linked = re.findall(r"\]\(([\w./]+)\)", TEXT)
    commands = re.findall(r"^(scripts/\w+)", TEXT, re.MULTILINE)
    missing = {path for path in [*quoted, *linked, *commands] if not any((place / path).exists() for place in PLACES)}
    assert missing == {"src/streamspan/providers/llamacpp_completion.py", "tests/providers/test_llamacpp_completion.py"}


def test_the_lists_to_add_to_are_where_the_text_says() -> None:
    """``FORMATS`` and the contract of independence have the names that the text gives them."""
    assert "`FORMATS` in `src/streamspan/providers/__init__.py`" in TEXT
    assert openai_chat.FORMAT in providers.FORMATS
    assert '"Wire formats are independent of\neach other" in `pyproject.toml`' in TEXT
    assert "Wire formats are independent of each other" in (ROOT / "pyproject.toml").read_text()

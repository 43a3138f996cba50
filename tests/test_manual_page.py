"""docs/manual.md: its examples are run as they stand there."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest

import streamspan
from streamspan import wiring

from conftest import Recorder
from loopback import Loopback, Reply, openai_chunks, openai_usage

PAGE = Path(__file__).parent.parent / "docs" / "manual.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)


@pytest.fixture
def told(recorder: Recorder) -> Iterator[Recorder]:
    """Manual spans go to the recorder."""
    wiring.choose({"progress_interval": 0}, tracer_provider=recorder.provider)
    yield recorder
    wiring.forget()


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_example(number: int, told: Recorder) -> None:
    """Each example gives one complete span with text, usage and cost."""
    texts = ["Lima ", "is in Peru."]
    chunks = [SimpleNamespace(choices=[SimpleNamespace(delta=SimpleNamespace(content=text))]) for text in texts]
    with Loopback(Reply(body=openai_chunks(texts, usage=openai_usage()))) as server, httpx2.Client(verify=False) as http:
        names: dict[str, Any] = {
            "streamspan": streamspan,
            "json": json,
            "messages": [{"role": "user", "content": "Where is Lima?"}],
            "stream": chunks,
            "http": http,
            "url": f"{server.url}/v1/chat/completions",
        }
        exec(EXAMPLES[number], names)  # noqa: S102
    attributes = told.attributes()
    assert (attributes["streamspan.outcome"], attributes["streamspan.preview"]) == ("completed", "Lima is in Peru.")
    assert "gen_ai.input.messages" in attributes
    assert attributes["gen_ai.usage.output_tokens"] in {5, 128}
    assert "streamspan.cost.total" in attributes

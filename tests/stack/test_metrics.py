"""The metrics of real programs, through a real collector, as Prometheus has them."""

import json
import re
from typing import Any
from urllib.parse import urlencode

import pytest

from stack.assembly import ROOT, Stack
from stack.backends import wait_for
from stack.calls import Made
from stack.processes import read

QUESTIONS = re.findall(
    r"^# (.+)\n((?:.+\n)+)", (ROOT / "docs" / "metrics.md").read_text().split("```promql\n")[1].split("```")[0], re.MULTILINE
)
"""Each question of docs/metrics.md, and how it is put in PromQL."""


@pytest.mark.timeout(180)
@pytest.mark.parametrize(("question", "query"), QUESTIONS, ids=[question for question, _ in QUESTIONS])
def test_questions_have_answers(question: str, query: str, stack: Stack, made: list[Made]) -> None:
    """What docs/metrics.md asks in PromQL has an answer on the calls of the demonstration."""
    assert made
    assert wait_for(lambda: asked(stack, query)), question


def asked(stack: Stack, query: str) -> list[dict[str, Any]]:
    """The series that Prometheus answers with, over the last minutes."""
    url = f"{stack.prometheus}/api/v1/query?{urlencode({'query': query})}"
    return json.loads(read(url))["data"]["result"]

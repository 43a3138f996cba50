"""Programs with model calls that run against the stack, and the spans that they made."""

import json
import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from stack.assembly import Stack
from streamspan.demo.tour import environment

HERE: Final = Path(__file__).parent
SERVICE: Final = "stack-test"
"""The service name of these programs."""
_INSTRUMENT: Final = (sys.executable, "-P", "-c", "from opentelemetry.instrumentation.auto_instrumentation import run; run()")


class Made(dict[str, Any]):
    """One span as the program made it: the SDK's own JSON."""

    @property
    def trace_id(self) -> str:
        """In hex."""
        return self["context"]["trace_id"].removeprefix("0x")

    @property
    def span_id(self) -> str:
        """In hex."""
        return self["context"]["span_id"].removeprefix("0x")

    @property
    def outcome(self) -> str | None:
        """How the call ended, if the span is one of a call."""
        return self["attributes"].get("streamspan.outcome")

    @property
    def ended(self) -> float:
        """When it ended, in seconds since 1970."""
        return datetime.fromisoformat(self["end_time"]).timestamp()

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.ended - datetime.fromisoformat(self["start_time"]).timestamp()


@contextmanager
def application(script: Path, stack: Stack, services: str, spans: Path) -> Generator[subprocess.Popen[str]]:
    """The program under ``opentelemetry-instrument``, with the collector as its endpoint, as the README has it."""
    variables = environment(os.environ, stack.otlp, services) | {
        "OTEL_SERVICE_NAME": SERVICE,
        "OTEL_METRIC_EXPORT_INTERVAL": "1000",
    }
    command = [*_INSTRUMENT, sys.executable, str(HERE / "application.py"), str(spans), str(script)]
    with subprocess.Popen(
        command, cwd=script.parent, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8"
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def read_made(spans: Path) -> list[Made]:
    """What the program wrote."""
    return [Made(json.loads(line)) for line in spans.read_text(encoding="utf-8").splitlines()]

"""Runs a program as ``__main__``, and writes each span that it ends into a file: what every backend must then have.

Its arguments are that file, and the program.
"""

import runpy
import sys
from pathlib import Path

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor
from opentelemetry.trace import get_tracer_provider


def in_one_line(span: ReadableSpan) -> str:
    """The span as one line of JSON."""
    return span.to_json(indent=None) + "\n"


file, program = sys.argv[1:3]
out = Path(file).open("w", encoding="utf-8", buffering=1)  # noqa: SIM115 - calls may end as late as at exit
provider = get_tracer_provider()
assert isinstance(provider, TracerProvider)
provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter(out=out, formatter=in_one_line)))
sys.argv = [program]
runpy.run_path(program, run_name="__main__")

"""What an outage of the collector costs an application, and what arrives after it: the figures of docs/failure.md.

    PYTHONPATH=tests python -m stack.outage [--seconds 60] [--calls 4] [--protocol grpc]

It kills a real collector (scripts/stack-test builds it) while an application under ``opentelemetry-instrument`` streams at a
steady rate, starts it again after so many seconds, and prints what became of every span, log record and metric.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from stack.failing import Application, Stage, Writing, wait_until


def main() -> None:
    """Runs it once, and prints figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long the collector is away")
    parser.add_argument("--calls", type=int, default=4, help="calls a second")
    parser.add_argument("--protocol", default="http/protobuf", help="of OTLP")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, Stage(Path(name)) as stage:
        collector = Writing(Path(name))
        collector.start()
        try:
            outage(stage, collector, wanted)
        finally:
            collector.kill()


def outage(stage: Stage, collector: Writing, wanted: argparse.Namespace) -> None:
    """One outage, with time before and after it."""
    endpoint = collector.grpc_endpoint if wanted.protocol == "grpc" else collector.endpoint
    application = stage.application(endpoint, OTEL_EXPORTER_OTLP_PROTOCOL=wanted.protocol)
    made = load(application, 5, wanted.calls)
    collector.kill()
    made += load(application, wanted.seconds, wanted.calls)
    collector.start()
    back = time.monotonic()
    wait_until(lambda: len(collector.spans()) >= made)
    caught_up = time.monotonic() - back
    made += load(application, 5, wanted.calls)
    code = application.end()
    spans, records = collector.spans(), collector.log_records()
    say(f"{made} calls made, {len(spans)} spans arrived, {sum(spans.values()) - len(spans)} of them twice")
    say(f"all spans of the outage had arrived {caught_up:.1f} s after the collector was ready")
    say(f"{len(records)} log records arrived, {sum(records.values()) - len(records)} of them twice")
    say(f"{collector.calls_counted()} calls in the metrics")
    say(f"exit code {code} after {application.exit_seconds:.1f} s; {application.facts}")
    say("the log of the application:", *application.log)


def load(application: Application, seconds: float, rate: int) -> int:
    """How many calls were made in that time."""
    made, began = 0, time.monotonic()
    while (now := time.monotonic()) < began + seconds:
        application.ask("short")
        made += 1
        time.sleep(max(0.0, now + 1 / rate - time.monotonic()))
    return made


def say(*lines: str) -> None:
    """Prints them at once."""
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()

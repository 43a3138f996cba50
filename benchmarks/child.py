"""A fresh process per sample: its own hash seed, an environment without anyone's settings, one JSON answer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tracers import COMMON_ENVIRONMENT, TRACERS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SETTINGS = ("OTEL_", "STREAMSPAN_", "TRACELOOP_", "OPENINFERENCE_", "ANTHROPIC_", "OPENAI_")


def run(script: str, job: dict[str, Any], *, seed: int = 0, under: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    """Run ``script`` on ``job``, whose tracer's settings are in the environment; raise with its errors if it fails."""
    command = [*under, sys.executable, str(Path(__file__).with_name(script)), json.dumps(job)]
    environment = _clean() | COMMON_ENVIRONMENT | dict(TRACERS[job["tracer"]].environment) | {"PYTHONHASHSEED": str(seed)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{script} {job} failed:\n{done.stderr[-4000:]}")
    return done


def ask(script: str, job: dict[str, Any], *, seed: int = 0) -> dict[str, Any]:
    """What ``script`` answers to ``job``: the last line it prints."""
    return json.loads(run(script, job, seed=seed).stdout.splitlines()[-1])


def answer(measure: Callable[..., Any]) -> None:
    """The other side: measure the job on the command line and print the answer."""
    print(json.dumps(measure(**json.loads(sys.argv[1]))))


def _clean() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(SETTINGS)}

"""Added CPU of one tracer on one surface: bare and instrumented runs in turn (A B A B ...) in this one process."""

from __future__ import annotations

import gc
import importlib.metadata
import time
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from bodies import cut
from child import answer
from stage import Stage

if TYPE_CHECKING:
    from collections.abc import Callable

    from calls import Provider, Session

CLOCKS: dict[str, Callable[[], int]] = {"main": time.thread_time_ns, "all": time.process_time_ns}
SHORT = 10  # the short stream has a tenth of the long one's chunks
Times = dict[str, float]


@dataclass(frozen=True)
class Bodies:
    """Everything the transport will send, made before any clock runs."""

    long: list[bytes]
    short: list[bytes]
    one: list[bytes]
    whole: bytes
    chunks: int


def measure(surface: str, tracer: str, rounds: int, chunks: int, calls: int) -> dict[str, Any]:
    """Microseconds, bare and added, per chunk, per stream of one chunk and per whole response."""
    stage = Stage(surface, tracer)
    bodies = _write(stage.provider, chunks)
    seen = stage.inspect()
    bare: list[Times] = []
    instrumented: list[Times] = []
    for _ in range(rounds + 1):
        bare.append(_time(stage.session, bodies, calls))
        with stage.instrumented():
            instrumented.append(_time(stage.session, bodies, calls))
    stage.close()
    # The first round warms up.
    pairs = list(zip(bare[1:], instrumented[1:], strict=True))
    return seen | {
        "sdk": f"{stage.provider.sdk} {importlib.metadata.version(stage.provider.sdk)}",
        "bare": {key: median(b[key] for b, _ in pairs) for key in bare[0]},
        "added": {key: median(i[key] - b[key] for b, i in pairs) for key in bare[0]},
    }


def _write(provider: Provider, chunks: int) -> Bodies:
    short = max(1, chunks // SHORT)
    long, brief, one = (provider.write(cut(n)) for n in (chunks, short, 1))
    return Bodies(long, brief, one, provider.write_whole(cut(20)), chunks - short)


def _time(session: Session, bodies: Bodies, calls: int) -> Times:
    """One arm of one round. Each switch is followed by an untimed stream: the interpreter specialises again."""
    session.stream(bodies.short)
    long = _clock(lambda: session.stream(bodies.long), 1)
    short = _clock(lambda: session.stream(bodies.short), 3)
    one = _clock(lambda: session.stream(bodies.one), calls)
    whole = _clock(lambda: session.whole(bodies.whole), calls)
    slopes = {f"chunk_{clock}": (long[clock] - short[clock]) / bodies.chunks for clock in CLOCKS}
    return slopes | {f"stream_{c}": one[c] for c in CLOCKS} | {f"whole_{c}": whole[c] for c in CLOCKS}


def _clock(work: Callable[[], None], times: int) -> Times:
    """Microseconds of CPU per call of ``work``, by each clock; the collector runs as it would, from an empty start."""
    gc.collect()
    begin = {name: now() for name, now in CLOCKS.items()}
    for _ in range(times):
        work()
    return {name: (now() - begin[name]) / 1000 / times for name, now in CLOCKS.items()}


if __name__ == "__main__":
    answer(measure)

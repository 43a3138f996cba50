"""Peak memory one streamed call adds beyond the text of its answer: the same answer in few pieces and in many."""

from __future__ import annotations

import gc
import tracemalloc
from typing import TYPE_CHECKING, Any

from bodies import cut
from child import answer
from stage import Stage

if TYPE_CHECKING:
    from calls import Session

CHARACTERS = 240_000  # the answer's length, whatever the number of pieces


def measure(surface: str, tracer: str, chunks: int) -> dict[str, Any]:
    """Bytes at the peak: bare, and added by the tracer beyond the answer's own text."""
    stage = Stage(surface, tracer)
    body, warm = stage.provider.write(divide(chunks)), stage.provider.write(cut(20))
    bare = _peak(stage.session, warm, body)
    with stage.instrumented():
        instrumented = _peak(stage.session, warm, body)
    stage.close()
    return {"bare": bare, "beyond": instrumented - bare - CHARACTERS}


def divide(chunks: int) -> list[str]:
    """An answer of ``CHARACTERS`` characters in ``chunks`` pieces, each another string."""
    width = CHARACTERS // chunks
    return [f"{i:{width}d}"[:width] for i in range(chunks)]


def _peak(session: Session, warm: list[bytes], body: list[bytes]) -> int:
    session.stream(warm)
    gc.collect()
    tracemalloc.start()
    start, _ = tracemalloc.get_traced_memory()
    session.stream(body)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak - start


if __name__ == "__main__":
    answer(measure)

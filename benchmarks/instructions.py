"""Instructions per chunk, counted by valgrind: the slope between two stream lengths, bare and instrumented.

The counts are those of whole processes with one hash seed, so the slope leaves out everything that does not grow with the stream.
"""

from __future__ import annotations

import gc
import re

from bodies import cut
from child import answer, run
from stage import Stage

# Counts what callgrind counts, in a third of the time.
VALGRIND = ("valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null")
COUNT = re.compile(r"I\s+refs:\s+([\d,]+)")


def slope(surface: str, tracer: str, short: int, long: int, seed: int) -> float:
    """Instructions per chunk between a stream of ``short`` and one of ``long`` chunks, the tracer on."""
    job = {"surface": surface, "tracer": tracer, "lengths": [short, long]}
    counts = [_count({**job, "read": chunks}, seed) for chunks in (short, long)]
    return (counts[1] - counts[0]) / (long - short)


def _count(job: dict[str, object], seed: int) -> int:
    found = COUNT.search(run("instructions.py", job, seed=seed, under=VALGRIND).stderr)
    if found is None:
        raise RuntimeError("valgrind printed no count")
    return int(found[1].replace(",", ""))


def measure(surface: str, tracer: str, lengths: list[int], read: int) -> int:
    """Run the stream that valgrind counts; a short one before it warms up.

    Every process writes the bodies of all ``lengths``, so that writing them is not in the slope.
    """
    stage = Stage(surface, tracer)
    warm, bodies = stage.provider.write(cut(50)), {chunks: stage.provider.write(cut(chunks)) for chunks in lengths}
    with stage.instrumented():
        stage.session.stream(warm)
        gc.disable()  # one collection more or less in one of the two lengths would be all that is seen
        stage.session.stream(bodies[read])
    stage.close()
    return read


if __name__ == "__main__":
    answer(measure)

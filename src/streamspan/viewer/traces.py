"""The spans seen so far, put together into traces: they come in any order, in several batches and sometimes twice."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from streamspan.viewer.calls import Row

TRACES_KEPT: Final = 500
SPANS_KEPT: Final = 2000


@dataclass(frozen=True, slots=True)
class News:
    """What one batch brought: the calls not seen before, and the traces of several spans that it left without a gap."""

    calls: Sequence[Row]
    traces: Sequence[Sequence[Row]]


class Traces:
    """The latest traces, each with a bounded number of spans."""

    def __init__(self) -> None:
        self._traces: dict[str, dict[str, Row]] = {}

    def add(self, rows: Iterable[Row]) -> News:
        """Take a batch and say what is new; of two copies of a span the one that ends later is kept."""
        fresh = [row for row in rows if self._keep(row)]
        touched = [
            self._traces[trace_id] for trace_id in dict.fromkeys(row.trace_id for row in fresh) if trace_id in self._traces
        ]
        return News(
            calls=[row for row in fresh if row.call],
            traces=[list(trace.values()) for trace in touched if _worth_drawing(trace) and not _has_gap(trace)],
        )

    def unfinished(self) -> Sequence[Sequence[Row]]:
        """The traces in which a span names a parent that never came."""
        return [list(trace.values()) for trace in self._traces.values() if _worth_drawing(trace) and _has_gap(trace)]

    def _keep(self, row: Row) -> bool:
        """Store the row; true if its span was not known."""
        trace = self._traces.setdefault(row.trace_id, {})
        while len(self._traces) > TRACES_KEPT:
            del self._traces[next(iter(self._traces))]
        known = trace.get(row.span_id)
        if known is None and len(trace) >= SPANS_KEPT:
            return False
        if known is None or known.end_ns < row.end_ns:
            trace[row.span_id] = row
        return known is None


def _worth_drawing(trace: dict[str, Row]) -> bool:
    return len(trace) > 1 and any(row.call for row in trace.values())


def _has_gap(trace: dict[str, Row]) -> bool:
    return any(row.parent_id and row.parent_id not in trace for row in trace.values())

"""What the samples say: tables in Markdown, figures beside the bars of the project. Nothing here passes or fails."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from calls import SURFACES
from tracers import OURS, PEERS, TRACERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Sample = dict[str, Any]


@dataclass(frozen=True)
class Bar:
    """What a chunk may cost on one SDK: microseconds at most, microseconds aimed at, instructions at most."""

    at_most: float
    aim: float
    instructions: int | None = None


BARS = {
    "openai": Bar(5, 3, 10_000),
    "anthropic": Bar(1, 0.5),
    "google-genai": Bar(5, 3),
    "botocore": Bar(1, 0.5),
    "aiobotocore": Bar(1, 0.5),
}
SHARE = 1 / 3  # of what the best peer that records the output adds per chunk
CALL = 150  # microseconds per call
LEAST = 0.1  # microseconds per chunk: what adds less adds nothing that could be told from noise, and makes no ratio


@dataclass(frozen=True)
class Spread:
    """A figure over several hash seeds."""

    middle: float
    low: float
    high: float

    def show(self, digits: int) -> str:
        """``median (min..max)``."""
        return f"{self.middle:.{digits}f} ({self.low:.{digits}f}..{self.high:.{digits}f})"


def spread(samples: Iterable[Sample], arm: str, key: str) -> Spread:
    """The figure of one arm (``bare`` or ``added``) over the samples."""
    values = [sample[arm][key] for sample in samples]
    return Spread(median(values), min(values), max(values))


def report_cpu(surface: str, samples: Mapping[str, Sequence[Sample]]) -> str:
    """One surface: a table of the tracers and the lines of the bars."""
    bare = [sample for each in samples.values() for sample in each]
    base = {kind: spread(bare, "bare", f"{kind}_main").middle for kind in ("chunk", "stream", "whole")}
    head = (
        f"{bare[0]['sdk']}; bare: {base['chunk']:.1f} us per chunk, {base['stream']:.0f} us per stream of one chunk, "
        f"{base['whole']:.0f} us per whole response."
    )
    title = ["tracer", "added per chunk, us", "of bare", "streamspan / this", "added per 1-chunk stream, us"]
    title += ["added per whole response, us", "output on the span"]
    rows = [_row(name, samples, base["chunk"]) for name in samples]
    return "\n\n".join([f"### {surface}: `{SURFACES[surface].title}`", head, draw(title, rows), _bars(surface, samples)])


def _row(name: str, samples: Mapping[str, Sequence[Sample]], base: float) -> list[str]:
    chunk = spread(samples[name], "added", "chunk_main")
    calls = [spread(samples[name], "added", f"{kind}_main").show(0) for kind in ("stream", "whole")]
    return [
        TRACERS[name].title,
        chunk.show(2),
        f"{chunk.middle / base:+.1%}",
        _ratio(name, samples),
        *calls,
        _held(samples[name]),
    ]


def _ratio(name: str, samples: Mapping[str, Sequence[Sample]]) -> str:
    if OURS not in samples or name in (OURS, "nothing"):
        return ""
    theirs = _added(samples[name])
    return f"{_added(samples[OURS]) / theirs:.2f}" if theirs > LEAST else "-"


def _added(samples: Sequence[Sample]) -> float:
    return spread(samples, "added", "chunk_main").middle


def _held(samples: Sequence[Sample]) -> str:
    if not samples[0]["spans"]:
        return "no span"
    return "yes" if all(sample["holds_output"] for sample in samples) else "NO"


def _bars(surface: str, samples: Mapping[str, Sequence[Sample]]) -> str:
    if OURS not in samples:
        return "streamspan is not installed here: no bars."
    ours, bar = samples[OURS], BARS[SURFACES[surface].provider.sdk]
    added, calls = _added(ours), [spread(ours, "added", f"{kind}_main").middle for kind in ("stream", "whole")]
    threads = spread(ours, "added", "chunk_all").middle - added
    lines = [
        f"- per chunk at most {bar.at_most} us (aim {bar.aim}): {added:.2f}, {_met(added <= bar.at_most)}",
        f"- on its other threads, per chunk: {threads:+.2f} us",
        f"- per call at most {CALL} us: {calls[0]:.0f} streamed, {calls[1]:.0f} whole, {_met(max(calls) <= CALL)}",
    ]
    return "\n".join([*lines, *_share(added, samples)])


def _share(added: float, samples: Mapping[str, Sequence[Sample]]) -> list[str]:
    peers = {name: _added(each) for name, each in samples.items() if name in PEERS and _held(each) == "yes"}
    if not peers:
        return []
    best = min(peers, key=lambda name: peers[name])
    verdict = _met(added <= peers[best] * SHARE)
    return [
        f"- per chunk at most a third of {TRACERS[best].title}'s {peers[best]:.2f}, the best that records the output: {verdict}"
    ]


def _met(met: bool) -> str:
    return "met" if met else "NOT MET"


def report_memory(answers: Mapping[tuple[str, str], Sequence[Sample]], chunks: Sequence[int]) -> str:
    """Peak bytes beyond the answer's text, at each number of chunks, and what a chunk adds to it."""
    title = ["surface", "tracer", *(f"beyond the text at {n:,} chunks, KB" for n in chunks), "growth per chunk, bytes"]
    rows = [[surface, TRACERS[tracer].title, *_memory(each, chunks)] for (surface, tracer), each in answers.items()]
    return draw(title, rows)


def _memory(each: Sequence[Sample], chunks: Sequence[int]) -> list[str]:
    beyond = [sample["beyond"] for sample in each]
    growth = (beyond[-1] - beyond[0]) / (chunks[-1] - chunks[0])
    return [*(f"{value / 1000:.1f}" for value in beyond), f"{growth:.1f}"]


def report_instructions(surface: str, bare: float, added: Mapping[str, float]) -> str:
    """Instructions per chunk on one surface."""
    bar = BARS[SURFACES[surface].provider.sdk].instructions
    rows = [[TRACERS[name].title, f"{more:,.0f}", f"{more / bare:+.1%}"] for name, more in added.items()]
    text = f"### {surface}: {bare:,.0f} instructions per chunk bare\n\n" + draw(["tracer", "added per chunk", "of bare"], rows)
    if bar is None or OURS not in added:
        return text
    return f"{text}\n\n- at most {bar:,} on this surface: {added[OURS]:,.0f}, {_met(added[OURS] <= bar)}"


def draw(title: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose columns stand under each other."""
    widths = [max(len(cell) for cell in column) for column in zip(title, *rows, strict=True)]
    lines = [title, ["-" * width for width in widths], *rows]
    return "\n".join("| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in lines)

"""What watching a streamed call costs: added CPU, memory and instructions over the bare SDK, streamspan beside its peers.

Run ``python benchmarks/overhead.py --help``; benchmarks/README.md says how the figures are made and what they do not say.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path
from statistics import median
from typing import Any

import child
import instructions
import report
from calls import SURFACES
from tracers import OURS, PEERS, TRACERS, VARIANTS

MEMORY_CHUNKS = (2_000, 20_000)
COUNTED = ("openai-sync", "anthropic-sync")  # valgrind is slow: one surface of each SDK, unless told
COUNTED_CHUNKS = (100, 400)


def main(arguments: list[str] | None = None) -> None:
    options = read(arguments)
    found: dict[str, Any] = {}
    if options.memory:
        found["memory"] = measure_memory(options)
    if options.instructions:
        found["instructions"] = count_instructions(options)
    if not found:
        found["cpu"] = measure_cpu(options)
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=1))


def read(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5, help="fresh processes per figure, each with its own hash seed")
    parser.add_argument("--rounds", type=int, default=7, help="pairs of bare and instrumented runs in each process")
    parser.add_argument("--chunks", type=int, default=2000, help="length of the long stream; the short one has a tenth")
    parser.add_argument("--calls", type=int, default=40, help="calls per run where the cost per call is measured")
    parser.add_argument("--only", type=split(tuple(SURFACES)), help=f"some of {','.join(SURFACES)}")
    parser.add_argument("--peers", type=split(PEERS), default=list(PEERS), help=f"none, all, or some of {','.join(PEERS)}")
    parser.add_argument(
        "--variants",
        type=split(VARIANTS),
        default=[],
        help=f"streamspan with other signals: none, all, or some of {','.join(VARIANTS)}",
    )
    parser.add_argument("--memory", action="store_true", help="measure peak memory instead of CPU")
    parser.add_argument("--instructions", action="store_true", help="count instructions (valgrind) instead of CPU")
    parser.add_argument("--json", type=Path, help="write every sample to this file")
    return parser.parse_args(arguments)


def split(known: tuple[str, ...]) -> Any:
    def names(text: str) -> list[str]:
        chosen = {"none": [], "all": list(known)}.get(text, text.split(","))
        unknown = sorted(set(chosen) - set(known))
        if unknown:
            raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: not one of {', '.join(known)}")
        return chosen

    return names


def choose(options: argparse.Namespace, surface: str) -> list[str]:
    """The tracers that are installed here, ours first."""
    sdk = SURFACES[surface].provider.sdk
    chosen = {name: TRACERS[name].is_installed(sdk) for name in (OURS, *options.variants, *options.peers)}
    missing = [name for name, installed in chosen.items() if not installed]
    if missing:
        print(f"{surface}: not installed: {', '.join(missing)}", file=sys.stderr)
    return [name for name, installed in chosen.items() if installed]


def measure_cpu(options: argparse.Namespace) -> dict[str, Any]:
    surfaces = {surface: ["nothing", *choose(options, surface)] for surface in options.only or SURFACES}
    samples: dict[str, dict[str, list[Any]]] = {s: {tracer: [] for tracer in tracers} for s, tracers in surfaces.items()}
    size = {"rounds": options.rounds, "chunks": options.chunks, "calls": options.calls}
    # Seeds outermost: a busy minute of the machine falls on every row alike.
    for seed in range(1, options.seeds + 1):
        for surface, tracer in ((s, t) for s, tracers in surfaces.items() for t in tracers):
            note(f"seed {seed}: {surface}, {tracer}")
            samples[surface][tracer].append(child.ask("cpu.py", {"surface": surface, "tracer": tracer, **size}, seed=seed))
    for surface, each in samples.items():
        print(report.report_cpu(surface, each), end="\n\n")
    return samples


def measure_memory(options: argparse.Namespace) -> dict[str, Any]:
    found: dict[tuple[str, str], list[Any]] = {}
    for surface, tracer in ((s, t) for s in options.only or SURFACES for t in choose(options, s)):
        note(f"memory: {surface}, {tracer}")
        jobs = [{"surface": surface, "tracer": tracer, "chunks": chunks} for chunks in MEMORY_CHUNKS]
        found[surface, tracer] = [child.ask("memory.py", job) for job in jobs]
    print(report.report_memory(found, MEMORY_CHUNKS), end="\n\n")
    return {f"{surface}, {tracer}": each for (surface, tracer), each in found.items()}


def count_instructions(options: argparse.Namespace) -> dict[str, Any]:
    if shutil.which("valgrind") is None:
        sys.exit("--instructions needs valgrind, which is not installed here")
    found: dict[str, Any] = {}
    for surface in options.only or COUNTED:
        note(f"instructions: {surface}")
        bare = count(surface, "nothing", options.seeds)
        counts = {name: count(surface, name, options.seeds) for name in choose(options, surface)}
        added = {name: median(c - b for b, c in zip(bare, each, strict=True)) for name, each in counts.items()}
        print(report.report_instructions(surface, median(bare), added), end="\n\n")
        found[surface] = {"nothing": bare, **counts}
    return found


def count(surface: str, tracer: str, seeds: int) -> list[float]:
    return [instructions.slope(surface, tracer, *COUNTED_CHUNKS, seed) for seed in range(1, seeds + 1)]


def note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()

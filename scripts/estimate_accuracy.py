"""How far the estimate of tokens is off: on sentences in many languages and on code, against tokenizers that count exactly.

    pip install streamspan bpe-openai django djangorestframework wagtail sphinx
    python scripts/estimate_accuracy.py            # the table of docs/usage-estimates.md
    pip install numpy
    python scripts/estimate_accuracy.py --fit      # weights for src/streamspan/estimate.py

The texts are what is installed: the sentences of the translations (gettext catalogues) of those packages, the standard library,
JSON and README files. They are cut into windows of 400 characters. Weights are fitted on every other window, and the table
shows the rest. bpe-openai brings the vocabularies with it; nothing is downloaded when this runs.
"""

import argparse
import ast
import importlib.metadata
import json
import random
import re
import sysconfig
from collections import defaultdict
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from streamspan.estimate import WEIGHTS, count_kinds, estimate_tokens

WINDOW, MOST = 400, 200_000
SHORTEST = 40
"""Characters of a translation that is taken for a sentence."""
INSTALLED = Path(sysconfig.get_paths()["purelib"])
LANGUAGES = (
    *("de", "fr", "es", "it", "pt_BR", "pl", "tr", "cs", "vi", "id", "ru", "uk", "el", "ar", "he", "fa", "hi", "bn", "th"),
    *("ko", "ja", "zh_Hans", "zh_Hant"),
)
FIXED = {"digit": 0.9, "wide punctuation": 1.3, "emoji": 0.75, "other": 0.5}
"""What the texts have too little of, or in too special a form, to be fitted."""
_ENTRY = r'^msg{} ((?:".*"\n?)+)'


def sentences(catalogues: Iterable[Path], kind: str) -> Iterator[str]:
    """What catalogues hold, without what has placeholders or markup."""
    for path in catalogues:
        for entry in re.finditer(_ENTRY.format(kind), path.read_text(encoding="utf-8"), re.MULTILINE):
            text = "".join(ast.literal_eval(line) for line in entry[1].strip().splitlines())
            if len(text) >= SHORTEST and not re.search("[%{<]", text):
                yield text


def catalogues(language: str) -> list[Path]:
    """All of a language that are installed."""
    found = INSTALLED.glob(f"**/locale*/{language}/LC_MESSAGES/*.po")
    return sorted(found)


def shuffled(texts: Iterable[str]) -> str:
    """Each once, in an order that is always the same."""
    once = list(dict.fromkeys(texts))
    random.Random(1).shuffle(once)  # noqa: S311
    return " ".join(once)


def python() -> str:
    """Code of the standard library."""
    modules = sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py"))
    random.Random(1).shuffle(modules)  # noqa: S311
    return "".join(path.read_text(encoding="utf-8", errors="replace")[500:6500] for path in modules)


def documents(indent: int | None) -> str:
    """JSON of the installed packages, compact or indented."""
    texts: list[str] = []
    for path in sorted(INSTALLED.glob("**/*.json")):
        if "sbom" not in str(path):  # hashes, most of it
            try:
                texts.append(json.dumps(json.loads(path.read_bytes()), ensure_ascii=False, indent=indent)[:8000])
            except ValueError:
                continue
    return "\n".join(texts)


def readmes() -> str:
    """The packages' descriptions in Markdown."""
    found = sorted(importlib.metadata.distributions(path=[str(INSTALLED)]), key=lambda package: package.name)
    pages = (package.metadata for package in found)
    return "\n".join(str(page.get_payload())[:9000] for page in pages if "markdown" in page.get("Description-Content-Type", ""))


def corpora() -> Iterator[tuple[str, str]]:
    """Name and text."""
    yield "en", shuffled(sentences(catalogues("de"), "id"))
    for language in LANGUAGES:
        yield language, shuffled(sentences(catalogues(language), r"str(?:\[0\])?"))
    yield "Python", python()
    yield "JSON", documents(None)
    yield "JSON, indented", documents(2)
    yield "Markdown", readmes()


def windows(text: str) -> tuple[list[str], list[str]]:
    """Those to fit on, and those to show."""
    cut = [text[start : start + WINDOW] for start in range(0, min(len(text), MOST) - WINDOW + 1, WINDOW)]
    return cut[::2], cut[1::2]


def table(load: Any) -> None:
    """Prints how far off each estimate is, and how far off that of a single window is in nine of ten cases."""
    exact, older = load("o200k_base"), load("cl100k_base")
    print("| text | windows | tokens per 100 characters | estimate | 90 % of windows within | characters / 4 | against cl100k |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, text in corpora():
        shown = windows(text)[1]
        true = [len(exact.encode(window)) for window in shown]
        guessed = [estimate_tokens(window) for window in shown]
        off = sorted(abs(guess / count - 1) for guess, count in zip(guessed, true, strict=True))
        total, old = sum(true), sum(len(older.encode(window)) for window in shown)
        cells = [
            f"{100 * total / (WINDOW * len(shown)):.1f}",
            f"{sum(guessed) / total - 1:+.0%}",
            f"{off[int(0.9 * len(off))]:.0%}",
            f"{WINDOW / 4 * len(shown) / total - 1:+.0%}",
            f"{sum(guessed) / old - 1:+.0%}",
        ]
        print(f"| {name} | {len(shown)} | {' | '.join(cells)} |")


def fit(load: Any) -> None:
    """Prints weights: the least squares of the relative errors, each text counting the same."""
    np: Any = import_module("numpy")
    exact, names = load("o200k_base"), list(WEIGHTS)
    rows: list[list[float]] = []
    wanted: list[float] = []
    for _, text in corpora():
        fitted = windows(text)[0]
        for window in fitted:
            counts = defaultdict[str, int](int)
            for kind, count in count_kinds(window):
                counts[kind] += count
            tokens, scale = len(exact.encode(window)), len(fitted) ** 0.5
            rows.append([counts[name] / tokens / scale for name in names])
            fixed = sum(counts[name] * weight for name, weight in FIXED.items())
            wanted.append((1 - fixed / tokens) / scale)
    free = [index for index, name in enumerate(names) if name not in FIXED]
    solved, *_ = np.linalg.lstsq(np.array(rows)[:, free], np.array(wanted), rcond=None)
    weights = {**FIXED, **{names[index]: round(float(weight), 3) for index, weight in zip(free, solved, strict=True)}}
    print("\n".join(f'    "{name}": {weights[name]},' for name in names))


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fit", action="store_true", help="print weights")
    (fit if parser.parse_args().fit else table)(import_module("bpe_openai").get_encoding)


if __name__ == "__main__":
    main()

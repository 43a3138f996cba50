"""Which calls are marked as worth keeping, and how a collector is told to keep them."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

import streamspan
from streamspan import Settings, SettingsError, keep, outcome, semconv
from streamspan.keep import Measured

from collector import Collector
from loopback import Loopback
from surfaces import BEDROCK, GOOGLE, SURFACES, OpenAISurface, Surface

TEXTS = ["Lima ", "is ", "the ", "capital ", "of ", "Peru."]
RULES = "errors,aborted,expensive:0.05,slow:10,stalled:5"
DULL = Measured(outcome.COMPLETED, seconds=1.0, cost=0.01, longest_gap=0.1)


@pytest.mark.parametrize(
    ("rules", "ended", "marks"),
    [
        (RULES, DULL, ""),
        ("", Measured("failed", 100, 100, 100), ""),
        (RULES, Measured("failed", 1, None, 0), "errors"),
        (RULES, Measured("truncated", 1, None, 0), "errors"),
        (RULES, Measured("aborted", 1, None, 0), "aborted"),
        (RULES, Measured("abandoned", 1, None, 0), "aborted"),
        (RULES, Measured("cancelled", 1, None, 0), "aborted"),
        (RULES, Measured("completed", 1, 0.05, 0), "expensive"),
        (RULES, Measured("completed", 10.0, 0.0499, 4.99), "slow"),
        (RULES, Measured("failed", 10.0, 1.0, 5.0), "errors,expensive,slow,stalled"),
        ("stalled:5, errors", Measured("failed", 10.0, 1.0, 5.0), "stalled,errors"),
        ("expensive:0", Measured("completed", 1, 0.0, 0), "expensive"),
        ("expensive:0", Measured("completed", 1, None, 0), ""),
    ],
)
def test_marks(rules: str, ended: Measured, marks: str) -> None:
    """The names of the rules that hold, from their number on, in the order in which they are given; an unknown cost is none."""
    assert keep.marks(rules, ended) == marks


SPELLED = "the rules are errors, aborted, expensive:DOLLARS, slow:SECONDS, stalled:SECONDS"


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ("error", f"keep has no rule 'error'; {SPELLED}"),
        ("errors,slow", f"keep has no rule 'slow'; {SPELLED}"),
        ("slow:", f"keep has no rule 'slow:'; {SPELLED}"),
        ("slow:fast", f"keep has no rule 'slow:fast'; {SPELLED}"),
        ("slow:-1", f"keep has no rule 'slow:-1'; {SPELLED}"),
        ("slow:nan", f"keep has no rule 'slow:nan'; {SPELLED}"),
        ("errors:1", f"keep has no rule 'errors:1'; {SPELLED}"),
        ("slow:10,slow:20", "keep has a rule twice: 'slow:10,slow:20'"),
        (["errors"], "keep must be a list of rules, with commas between them, not ['errors']"),
    ],
)
def test_a_wrong_rule(rules: Any, message: str, caplog: pytest.LogCaptureFixture) -> None:
    """A rule that does not exist is one clear message: raised for a keyword, a line in the log for a variable."""
    with pytest.raises(SettingsError) as caught:
        streamspan.instrument(keep=rules)
    assert str(caught.value) == message
    if isinstance(rules, str):
        assert Settings.load(environ={"STREAMSPAN_KEEP": rules}) == Settings()
        assert caplog.messages == [f"streamspan: environment: STREAMSPAN_KEEP: {message}; using ''"]


def test_rules_come_from_the_environment() -> None:
    """As they are written."""
    assert Settings.load(environ={"STREAMSPAN_KEEP": " errors, slow:2.5 "}).keep == "errors, slow:2.5"


@pytest.fixture
def collector(request: pytest.FixtureRequest) -> Iterator[Collector]:
    """The SDKs observed, with settings from ``@pytest.mark.settings(...)``, and each span sent over OTLP at once."""
    marker = request.node.get_closest_marker("settings")
    settings: dict[str, Any] = {"progress_interval": 0, **(marker.kwargs if marker else {})}
    with Collector() as collector:
        spans = TracerProvider(shutdown_on_exit=False)
        spans.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(collector.traces_endpoint)))
        streamspan.instrument(tracer_provider=spans, **settings)
        yield collector
        streamspan.uninstrument()
        spans.shutdown()


def kept(collector: Collector) -> list[Any]:
    """Why each call is to be kept."""
    return [span["attributes"].get("streamspan.keep") for span in collector.spans()]


# Google's asynchronous SDK closes what is inside of its generators only some time later, so the order would be another there.
@pytest.mark.parametrize("surface", [*SURFACES, GOOGLE[0], *BEDROCK], ids=repr)
@pytest.mark.settings(keep="errors,aborted,slow:3600,stalled:3600")
async def test_how_calls_end(surface: Surface, collector: Collector) -> None:
    """A call that was cut off, refused or closed by its caller is marked on its span; one that went well is not."""
    wire, cut = surface.wire(TEXTS), surface.wire(TEXTS, terminal=False)
    bodies = [surface.streams(wire), surface.streams(cut), surface.streams(wire), surface.refuses("overloaded", 400)]
    with Loopback(bodies) as server:
        client = surface.client(server)
        for count in (None, None, surface.partway):
            stream = await surface.open(client)
            await surface.take(stream, count)
            await surface.close(stream)
        with pytest.raises(Exception):  # noqa: B017, PT011 - each SDK has its own
            await surface.take(await surface.open(client))
        await surface.shut(client)

    assert kept(collector) == [None, "errors", "aborted", "errors"]


@pytest.mark.settings(keep="errors,expensive:0.000001,slow:0,stalled:0.02")
async def test_what_calls_cost_and_how_long_they_take(collector: Collector) -> None:
    """Money, time and standing still are marked together, as one string, which is what a collector's policy reads."""
    surface = OpenAISurface(is_async=False)
    first, *rest = surface.wire(["Lima"])
    with Loopback(surface.streams([first, 0.05, *rest])) as server:
        client = surface.client(server)
        await surface.take(await surface.open(client))
        await surface.shut(client)

    assert kept(collector) == ["expensive,slow,stalled"]


async def test_no_rules(collector: Collector) -> None:
    """Without rules nothing is marked."""
    surface = OpenAISurface(is_async=False)
    with Loopback(surface.streams(surface.wire(["Lima"], terminal=False))) as server:
        client = surface.client(server)
        await surface.take(await surface.open(client))
        await surface.shut(client)

    assert kept(collector) == [None]


# --- the collector's configuration -----------------------------------------------------------------------------------

ROOT = Path(__file__).parent.parent
CONFIGURATIONS = ["tail-sampling.yaml", "tail-sampling-by-attributes.yaml"]
OURS = {value for name, value in vars(semconv).items() if name.isupper() and isinstance(value, str)}


def configuration(name: str) -> dict[str, Any]:
    """The file of that name in deploy/."""
    return yaml.safe_load((ROOT / "deploy" / name).read_text())


def policies(name: str) -> list[dict[str, Any]]:
    """How that file samples."""
    return configuration(name)["processors"]["tail_sampling"]["policies"]


def keys(policy: dict[str, Any]) -> list[str]:
    """The attributes that a policy reads."""
    rule = policy.get(policy["type"], {})
    return [*([rule["key"]] if "key" in rule else []), *re.findall(r'attributes\["(.+?)"\]', str(rule.get("span")))]


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("tail-sampling.yaml", {semconv.KEEP}),
        ("tail-sampling-by-attributes.yaml", {semconv.OUTCOME, semconv.COST_TOTAL, semconv.LONGEST_GAP_MS}),
    ],
)
def test_the_collector_reads_what_we_write(name: str, read: set[str]) -> None:
    """The attributes in the collector's policies are ours; the numbers that it compares as whole numbers are whole ones."""
    assert {key for policy in policies(name) for key in keys(policy)} == read <= OURS
    assert {key for policy in policies(name) if policy["type"] == "numeric_attribute" for key in keys(policy)} <= {
        semconv.LONGEST_GAP_MS
    }


def test_the_collectors_pattern_matches_every_mark() -> None:
    """The first policy keeps all that is marked, and the pattern beside it one rule of several."""
    text = (ROOT / "deploy" / CONFIGURATIONS[0]).read_text()
    one = re.search(r"one rule of several: (\S+)", text)
    assert policies(CONFIGURATIONS[0])[0]["string_attribute"]["values"] == [".+"]
    assert one is not None
    found = [bool(re.search(one[1], marks)) for marks in ("expensive", "errors,expensive", "expensive,slow", "slow", "")]
    assert found == [True, True, True, False, False]


def test_the_outcomes_in_the_collectors_policies() -> None:
    """By attributes, what counts as aborted is what the rule counts."""
    (values,) = [policy["string_attribute"]["values"] for policy in policies(CONFIGURATIONS[1]) if policy["name"] == "aborted"]
    assert (
        {kind for kind in values if keep.marks("aborted", Measured(kind, 1, None, 0))}
        == set(values)
        == {
            outcome.ABORTED,
            outcome.ABANDONED,
            outcome.CANCELLED,
        }
    )


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_only_traces_are_sampled(name: str) -> None:
    """Every signal has a pipeline, and log events and metrics pass whole."""
    pipelines = configuration(name)["service"]["pipelines"]
    assert {signal: "tail_sampling" in pipeline["processors"] for signal, pipeline in pipelines.items()} == {
        "traces": True,
        "logs": False,
        "metrics": False,
    }


def test_the_page_shows_the_rules_that_there_are() -> None:
    """docs/sampling.md names both files, each rule, and rules that can be read."""
    page = (ROOT / "docs" / "sampling.md").read_text()
    assert all(f"deploy/{name}" in page for name in CONFIGURATIONS)
    shown = [*re.findall(r"STREAMSPAN_KEEP=(\S+)", page), *re.findall(r'keep="(.+?)"', page)]
    assert {name for rules in shown for name in keep.read(rules)} == {"errors", "aborted", "expensive", "slow", "stalled"}

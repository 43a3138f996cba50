"""Writes the dashboards for Grafana, deploy/grafana/dashboards/*.json: all of them need Tempo and Loki, and nothing else.

    python scripts/dashboards.py [FOLDER PAGE]

A test fails where the files are not what this writes. What each dashboard answers stands in docs/dashboards.md.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any, Final

import dashboard_panels as panels
import dashboard_queries as ask
from dashboard_panels import COUNT, DOLLARS, MILLISECONDS, NANOSECONDS, PLAIN, SHARE, TOKENS_PER_SECOND, Column, Told
from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as models

from streamspan import outcome, semconv

ROOT: Final = Path(__file__).parents[1]
FOLDER: Final = ROOT / "deploy" / "grafana" / "dashboards"
PAGE: Final = ROOT / "docs" / "dashboards.md"
TAG: Final = "streamspan"
NO_CALLS: Final = "No call in this time"
NO_STREAMS: Final = "No stream runs"
MODEL: Final = ask.span(semconv.REQUEST_MODEL)
FIRST_CONTENT: Final = ask.span(semconv.TIME_TO_FIRST_CONTENT_MS)
COLORS: Final = {
    outcome.COMPLETED: "green",
    outcome.ABORTED: "blue",
    outcome.CANCELLED: "light-blue",
    outcome.ABANDONED: "purple",
    outcome.TRUNCATED: "orange",
    outcome.FAILED: "red",
}
BUDGET_LEGEND: Final = f"{{{{{ask.label(semconv.BUDGET_KEY)}}}}} ({{{{{ask.label(semconv.BUDGET_PERIOD)}}}}})"

WHICH: Final = (Column(semconv.REQUEST_MODEL, "Model"),)
WHO: Final = (Column(semconv.PROJECT, "Project"), Column(semconv.USER_ID, "User"))
SPEED: Final = (
    Column(semconv.TIME_TO_FIRST_CONTENT_MS, "First content", MILLISECONDS),
    Column(semconv.LONGEST_GAP_MS, "Longest gap", MILLISECONDS),
    Column(semconv.OUTPUT_TOKENS_PER_SECOND, "Speed", TOKENS_PER_SECOND),
)
TOKENS: Final = (
    Column(semconv.USAGE_INPUT_TOKENS, "Input tokens", COUNT),
    Column(semconv.USAGE_CACHE_READ_INPUT_TOKENS, "of them cached", COUNT),
    Column(semconv.USAGE_OUTPUT_TOKENS, "Output tokens", COUNT),
    Column(semconv.COST_TOTAL, "Cost", DOLLARS),
)
END: Final = (Column(semconv.OUTCOME, "Outcome"), Column(semconv.ERROR_TYPE, "Error"))


def names(*groups: tuple[Column, ...]) -> tuple[str, ...]:
    """The attributes of these columns."""
    return tuple(column.name for group in groups for column in group)


# --- Streams ---------------------------------------------------------------------------------------------------------


def streams() -> dashboard.Dashboard:
    """How calls go: how many, how they end, how soon and how fast they speak, where they stand still."""
    made = begin("streams", "Streams", "How model calls go: how many, how they end, how soon and how fast they speak.")
    for panel in (
        running_now(),
        panels.number(
            Told("Calls", "Model calls that ended in this time, streamed or not.", COUNT, NO_CALLS), panels.traceql(ask.count())
        ),
        completed_share(),
        panels.number(
            Told(
                "First content",
                "How long a stream takes, on average, until it says something: the first text, thought or tool call.",
                MILLISECONDS,
                NO_CALLS,
            ),
            panels.traceql(ask.mean(semconv.TIME_TO_FIRST_CONTENT_MS)),
            reduce="mean",
        ),
        panels.number(
            Told(
                "Speed",
                "Output tokens for each second of a stream between its first content and its last chunk, on average.",
                TOKENS_PER_SECOND,
                NO_CALLS,
            ),
            panels.traceql(ask.mean(semconv.OUTPUT_TOKENS_PER_SECOND)),
            reduce="mean",
        ),
        panels.number(
            Told("Longest gap", "The longest time that any stream stood still between two chunks.", MILLISECONDS, NO_CALLS),
            panels.traceql(ask.most(semconv.LONGEST_GAP_MS)),
            reduce="max",
        ),
        outcomes(),
        panels.lines(
            Told(
                "Streams that run",
                "At each moment, by model. A stream is heard of half a second after its first chunk, and for the last time when "
                "it ends; one that is over before that is not counted. One whose process was killed is counted for 70 s more.",
                COUNT,
                NO_STREAMS,
            ),
            panels.logql(
                ask.active_count(ask.label(semconv.REQUEST_MODEL)), legend=f"{{{{{ask.label(semconv.REQUEST_MODEL)}}}}}"
            ),
        ),
        percentiles(
            Told(
                "Time to first content",
                "Half, nine in ten, and 99 in 100 of the streams said something within this time. Tempo's percentiles are "
                "approximate: it sorts values into buckets, each twice as wide as the one before.",
                MILLISECONDS,
                NO_CALLS,
            ),
            FIRST_CONTENT,
        ),
        panels.lines(
            Told("Time to first content, by model", "The mean of each model.", MILLISECONDS, NO_CALLS),
            panels.traceql(ask.mean(semconv.TIME_TO_FIRST_CONTENT_MS, by=MODEL)),
        ),
        panels.lines(
            Told(
                "Speed, by model",
                "Output tokens per second while it speaks; the mean of each model.",
                TOKENS_PER_SECOND,
                NO_CALLS,
            ),
            panels.traceql(ask.mean(semconv.OUTPUT_TOKENS_PER_SECOND, by=MODEL)),
        ),
        panels.lines(
            Told("Longest gap, by model", "The longest time between two chunks of a stream.", MILLISECONDS, NO_CALLS),
            panels.traceql(ask.most(semconv.LONGEST_GAP_MS, by=MODEL)),
        ),
        percentiles(
            Told(
                "Duration",
                "From the request to the end of the answer; approximate, as all of Tempo's percentiles.",
                "s",
                NO_CALLS,
            ),
            "duration",
        ),
        panels.bars(
            Told(
                "Errors",
                "Calls that failed or were cut short, by what the provider calls the error.",
                COUNT,
                "No error in this time",
            ),
            panels.traceql(ask.count("status = error", by=ask.span(semconv.ERROR_TYPE))),
        ),
        panels.rows(
            Told("Latest calls", "A click on a row's start or id leads to all about that call.", PLAIN, NO_CALLS),
            (*WHICH, *END, *WHO, *SPEED, *TOKENS),
            panels.spans(ask.table(names(WHICH, END, WHO, SPEED, TOKENS))),
        ),
        panels.rows(
            Told(
                "Calls that stood still", "Streams with more than two seconds between two chunks.", PLAIN, "No stream stood still"
            ),
            (*WHICH, *END, *WHO, *SPEED),
            panels.spans(ask.table(names(WHICH, END, WHO, SPEED), f"{ask.span(semconv.LONGEST_GAP_MS)} > 2000")),
        ),
    ):
        made.with_panel(panel)
    return made


def running_now() -> Builder[models.Panel]:
    """How many streams run at this moment."""
    told = Told(
        "Running now",
        "Streams that were heard of in the last 70 s and have not ended. Those shorter than half a second are never heard of.",
        COUNT,
        NO_STREAMS,
    )
    return panels.number(told, panels.logql_now(ask.active_count()), reduce="lastNotNull")


def completed_share() -> Builder[models.Panel]:
    """Which part of the calls came to their end."""
    told = Told("Came to their end", "The part of the calls whose answer came whole (`completed`).", SHARE, "No whole answer")
    completed = ask.count(f"{ask.span(semconv.OUTCOME)} = `{outcome.COMPLETED}`", by=ask.PYTHON)
    queries = panels.traceql(completed), panels.traceql(ask.count(by=ask.OPENTELEMETRY), "B")
    return panels.share(panels.number(told, *queries), "python", "opentelemetry")


def outcomes() -> Builder[models.Panel]:
    """How calls ended, over time."""
    told = Told(
        "How calls ended",
        "completed: the whole answer came. aborted: the caller closed the stream. cancelled: a task or a timeout did. abandoned: "
        "it was dropped. truncated: the provider stopped in the middle. failed: an error.",
        COUNT,
        NO_CALLS,
    )
    panel = panels.bars(told, panels.traceql(ask.count(by=ask.span(semconv.OUTCOME))))
    for name, color in COLORS.items():
        panel.override_by_name(name, [panels.colored(color)])
    return panel


def percentiles(told: Told, attribute: str) -> Builder[models.Panel]:
    """Three percentiles over time."""
    panel = panels.lines(told, panels.traceql(ask.percentiles(attribute, 0.5, 0.9, 0.99)))
    for name, title in {"0.5": "half (p50)", "0.9": "9 in 10 (p90)", "0.99": "99 in 100 (p99)"}.items():
        panel.override_by_name(name, [panels.named(title)])
    return panels.without_zeros(panel, "0.5", "0.9", "0.99")


# --- Money -----------------------------------------------------------------------------------------------------------


def money() -> dashboard.Dashboard:
    """What calls cost, for whom, and how sure that is."""
    made = begin("money", "Money", "What model calls cost, for whom, how sure that is, and what is left of the budgets.")
    cost = semconv.COST_TOTAL
    for panel in (
        panels.number(
            Told("Cost", "US dollars of all calls in this time whose price is known.", DOLLARS, NO_CALLS),
            panels.traceql(ask.total(cost)),
        ),
        cached_share(),
        estimated_share(),
        panels.number(
            Told(
                "Calls without a price",
                "No price is known for their model, so they are in no sum of costs. The setting `prices` gives it one.",
                COUNT,
                "None",
            ),
            panels.traceql(ask.count(f"{ask.span(semconv.COST_UNPRICED)} = true")),
        ),
        panels.number(
            Told("Output tokens", "Of all calls in this time; reasoning included.", COUNT, NO_CALLS),
            panels.traceql(ask.total(semconv.USAGE_OUTPUT_TOKENS)),
        ),
        panels.number(
            Told("Refused or stopped", "Calls that a budget had no room for.", COUNT, "None"),
            panels.traceql(ask.count(f"{ask.span(semconv.BUDGET_VERDICT)} =~ `{semconv.REFUSED}|{semconv.STOPPED}`")),
        ),
        panels.bars(
            Told("Cost over time, by model", "US dollars in each step of the time axis.", DOLLARS, NO_CALLS),
            panels.traceql(ask.total(cost, by=MODEL)),
        ),
        budgets_left(),
        *(
            panels.ranking(
                Told(f"Cost by {what}", f"US dollars in this time; (none) is what has no {what}.", DOLLARS, NO_CALLS),
                panels.traceql(ask.total(cost, by=ask.span(name))),
            )
            for what, name in (("model", semconv.REQUEST_MODEL), ("project", semconv.PROJECT), ("user", semconv.USER_ID))
        ),
        tokens_over_time(),
        panels.lines(
            Told(
                "Budgets, what is left",
                "US dollars that calls can still be sent for: the limit less what is spent and what is held for calls that run.",
                DOLLARS,
                "No budget was used in this time",
            ),
            panels.logql(ask.balance(semconv.BUDGET_LEFT), legend=BUDGET_LEGEND),
        ),
        panels.ranking(
            Told("Calls without a price, by model", "Models that no price is known for.", COUNT, "Every model has a price"),
            panels.traceql(ask.count(f"{ask.span(semconv.COST_UNPRICED)} = true", by=MODEL)),
        ),
        panels.rows(
            Told(
                "Calls of more than a cent", "The newest fifty; sort them by any column.", PLAIN, "No call cost more than a cent"
            ),
            (*WHICH, *END, *WHO, *TOKENS),
            panels.spans(ask.table(names(WHICH, END, WHO, TOKENS), f"{ask.span(cost)} > 0.01")),
            width=16,
            height=8,
        ),
    ):
        made.with_panel(panel)
    return made


def cached_share() -> Builder[models.Panel]:
    """Which part of the input came from a cache."""
    told = Told(
        "Input from a cache",
        "The part of all input tokens that the provider had in its cache; it charges less for them.",
        SHARE,
        "Nothing from a cache",
    )
    cached = panels.traceql(ask.total(semconv.USAGE_CACHE_READ_INPUT_TOKENS, by=ask.PYTHON))
    whole = panels.traceql(ask.total(semconv.USAGE_INPUT_TOKENS, by=ask.OPENTELEMETRY), "B")
    return panels.share(panels.number(told, cached, whole), "python", "opentelemetry")


def estimated_share() -> Builder[models.Panel]:
    """Which part of the cost rests on estimates."""
    told = Told(
        "Cost that is estimated",
        "The part of the cost that rests on tokens that we counted, as the provider reported none: mostly streams that were cut.",
        SHARE,
        "Nothing is estimated",
    )
    estimated = panels.traceql(ask.total(semconv.COST_TOTAL, f"{ask.span(semconv.USAGE_ESTIMATED)} != nil", by=ask.PYTHON))
    whole = panels.traceql(ask.total(semconv.COST_TOTAL, by=ask.OPENTELEMETRY), "B")
    return panels.share(panels.number(told, estimated, whole), "python", "opentelemetry")


def budgets_left() -> Builder[models.Panel]:
    """Which part of each budget is left."""
    told = Told(
        "Budgets, the part that is left",
        "Of each budget that a call counted against in this time, as it stood last; by all processes that share its ledger.",
        SHARE,
        "No budget was used in this time (docs/budgets.md)",
    )
    left = f"{ask.balance(semconv.BUDGET_LEFT)} / {ask.balance(semconv.BUDGET_LIMIT)}"
    panel = panels.ranking(told, panels.logql(left, legend=BUDGET_LEGEND), reduce="lastNotNull", width=12).max(1)
    levels = [models.Threshold(None, "red"), models.Threshold(0.1, "orange"), models.Threshold(0.3, "green")]
    return panel.thresholds(dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(levels))


def tokens_over_time() -> Builder[models.Panel]:
    """Input tokens, and those of them that came from a cache."""
    told = Told("Input tokens over time", "All of them, and those that the provider had in its cache.", COUNT, NO_CALLS)
    whole = panels.traceql(ask.total(semconv.USAGE_INPUT_TOKENS, by=ask.OPENTELEMETRY))
    cached = panels.traceql(ask.total(semconv.USAGE_CACHE_READ_INPUT_TOKENS, by=ask.PYTHON), "B")
    panel = panels.lines(told, whole, cached)
    return panel.override_by_name("opentelemetry", [panels.named("all")]).override_by_name("python", [panels.named("cached")])


# --- Live ------------------------------------------------------------------------------------------------------------


def live() -> dashboard.Dashboard:
    """What the models say at this moment."""
    made = begin("live", "Live", "What the models say at this moment, half a second later.", refresh="5s", since="now-15m")
    model, state, elapsed = (ask.label(name) for name in (semconv.REQUEST_MODEL, semconv.PROGRESS_STATE, semconv.ELAPSED_MS))
    ended = f"{{{{ .{model} }}}} ({{{{ .{state} }}}} after {{{{ .{elapsed} }}}} ms):"
    details = " Open a line for the links to its trace and to all about its call."
    for panel in (
        running_now(),
        panels.number(
            Told("Standing still now", "Streams that wait for their first chunk, or for the next one.", COUNT, NO_STREAMS),
            panels.logql_now(ask.stalled_count()),
            reduce="lastNotNull",
        ),
        panels.lines(
            Told("Streams that run", "At each moment, by model.", COUNT, NO_STREAMS),
            panels.logql(ask.active_count(model), legend=f"{{{{{model}}}}}"),
            width=16,
        ).height(4),
        panels.streams(
            Told(
                "Who speaks now",
                "A click on a trace leads to all about that call; its spans come when it has ended.",
                PLAIN,
                NO_STREAMS,
            ),
            (
                Column("trace_id", "Trace"),
                Column(model, "Model"),
                Column(ask.label(semconv.PROJECT), "Project"),
                Column(ask.label(semconv.USER_ID), "User"),
                Column("Value #A", "Since", MILLISECONDS),
                Column("Value #B", "Tokens, about", COUNT),
                Column("Value #C", "Cost, about", DOLLARS),
            ),
            panels.logql_now(ask.standing(semconv.ELAPSED_MS)),
            panels.logql_now(ask.standing(semconv.USAGE_OUTPUT_TOKENS), "B"),
            panels.logql_now(ask.standing(semconv.COST_TOTAL), "C"),
        ),
        panels.conversation(
            Told(
                "While they speak",
                f"Every half second, each stream that grew, with the end of its text.{details}",
                PLAIN,
                NO_STREAMS,
            ),
            panels.log_lines(ask.chat(ask.RUNNING, f"{{{{ .{model} }}}}: ...", 200)),
        ),
        panels.conversation(
            Told(
                "What they said",
                f"Each stream that ended, with the end of its text.{details}",
                PLAIN,
                "No stream ended in this time",
            ),
            panels.log_lines(ask.chat(ask.ENDED, ended, 4000)),
        ),
    ):
        made.with_panel(panel)
    return made


# --- One call --------------------------------------------------------------------------------------------------------


def call() -> dashboard.Dashboard:
    """Everything about one trace id."""
    made = frame("call", "One call", "Everything about one trace: its calls, its spans, its log events.").time("now-24h", "now")
    made.with_variable(
        dashboard.TextBoxVariable("trace")
        .label("Trace id")
        .description("32 hex digits, such as `stream.trace_id`")
        .default_value("")
    )
    nothing = "Enter a trace id above, or come here from a row of another dashboard"
    columns = (*WHICH, *END, *WHO, *SPEED, *TOKENS)
    query = ask.of_trace(names(columns))
    sums, largest = "/^(Input tokens|Output tokens|Cost)$/", "/^(Duration|First content|Longest gap)$/"
    made.with_panel(
        numbers(Told("In all", "Tokens and cost of all model calls in this trace.", COUNT, nothing), query, columns, "sum", sums)
    )
    made.with_panel(
        numbers(
            Told("The slowest", "The longest call of this trace, and its latest first content and longest gap.", PLAIN, nothing),
            query,
            columns,
            "max",
            largest,
        )
    )
    made.with_panel(
        panels.rows(
            Told("Its model calls", "What is known of each; more stands on the spans below.", PLAIN, nothing),
            columns,
            panels.spans(query),
            height=7,
        )
    )
    made.with_panel(
        panels.trace(
            Told("The trace", "All spans; open one to read prompts and answers, as far as they are captured.", PLAIN, nothing),
            panels.traceql("$trace"),
        )
    )
    lines = Told("Its log events", "While it ran, and at its end, in order.", PLAIN, "No log event of this trace")
    made.with_panel(panels.conversation(lines, panels.log_lines(ask.lines_of_trace()), newest_first=False, width=24, height=10))
    return made


def numbers(told: Told, query: str, columns: tuple[Column, ...], reduce: str, fields: str) -> Builder[models.Panel]:
    """Numbers over all calls of a trace, each with its unit."""
    panel = panels.number(told, panels.spans(query), reduce=reduce, width=12, fields=fields)
    numeric = [column for column in columns if column.unit]
    conversions = [{"targetField": column.name, "destinationType": "number"} for column in numeric]
    panel.with_transformation(panels.transformation("convertFieldType", conversions=conversions, fields={}))
    for column in (*numeric, Column("duration", "Duration", NANOSECONDS)):
        panel.override_by_name(column.name, [panels.named(column.title), panels.value("unit", column.unit)])
    return panel


# --- what all of them have -------------------------------------------------------------------------------------------


def frame(name: str, title: str, description: str) -> dashboard.Dashboard:
    """A dashboard without anything on it, which links to the others."""
    links = dashboard.DashboardLink("Other dashboards").type(models.DashboardLinkType.DASHBOARDS).tags([TAG])
    made = dashboard.Dashboard(f"streamspan: {title}").uid(f"streamspan-{name}").description(description).tags([TAG])
    made.link(links.include_vars(include_vars=True).keep_time(keep_time=True)).annotations([])
    return made.tooltip(models.DashboardCursorSync.CROSSHAIR).editable()


def begin(name: str, title: str, description: str, refresh: str = "30s", since: str = "now-1h") -> dashboard.Dashboard:
    """One over many calls, with the variables that choose among them."""
    made = frame(name, title, description).refresh(refresh).time(since, "now")
    for variable, label, attribute, everything in (
        ("service", "Service", "service.name", ".+"),
        ("model", "Model", semconv.REQUEST_MODEL, ".*"),
        ("project", "Project", semconv.PROJECT, ".*"),
        ("user", "User", semconv.USER_ID, ".*"),
    ):
        made.with_variable(choice(variable, label, attribute, everything))
    return made


def choice(name: str, label: str, attribute: str, everything: str) -> dashboard.QueryVariable:
    """A variable with the values of an attribute that Tempo knows; ``everything`` is the pattern of All."""
    query: dict[str, object] = {"type": 1, "label": attribute, "refId": "TempoDatasourceVariableQueryEditor-VariableQuery"}
    made = dashboard.QueryVariable(name).label(label).datasource(panels.TEMPO).query(query).definition(attribute)
    made.refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(models.VariableSort.ALPHABETICAL_ASC)
    everyone = models.VariableOption(selected=True, text=["All"], value=["$__all"])
    return made.multi(multi=True).include_all(include_all=True).all_value(everything).current(everyone)


DASHBOARDS: Final = {"streams": streams, "money": money, "live": live, "call": call}


def rendered(name: str) -> str:
    """The file of that dashboard."""
    built = DASHBOARDS[name]().build()
    for ident, panel in enumerate(built.panels or (), 1):
        panel.id_val = ident
    for link in built.links or ():
        link.placement = None  # or else Grafana puts it into a menu
    content: Any = json.loads(JSONEncoder().encode(built))
    for panel in content["panels"]:
        panel.get("options", {}).pop("footer", None)  # of tables before Grafana 12
    return json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def described(name: str) -> str:
    """What docs/dashboards.md says of its panels."""
    rows = [
        f"| {panel['title']} | {panel['description']} | {', '.join(f'`{read}`' for read in attributes(panel))} |"
        for panel in json.loads(rendered(name))["panels"]
    ]
    return "\n".join(("| panel | what it shows | what it reads |", "| --- | --- | --- |", *rows)) + "\n"


def attributes(panel: dict[str, Any]) -> list[str]:
    """The attributes that a panel reads, besides those that the variables choose by."""
    text = " ".join(target.get("query") or target["expr"] for target in panel["targets"])
    text = re.sub(r"\([^()]*\$\{\w+:regex\}`\)|\| \w+=~`\$\{\w+:regex\}`", "", text)
    names = {str(name) for constant, name in vars(semconv).items() if constant.isupper() and "." in str(name)}
    found = {name for name in names if re.search(rf"\bspan\.{re.escape(name)}(?![\w.])|\b{ask.label(name)}\b", text)}
    found |= {name for name in ("trace_id", "duration") if re.search(rf"\b{name}\b", text)}
    return sorted(found - {semconv.OUTCOME}) or [semconv.OUTCOME]


def main(folder: Path = FOLDER, page: Path = PAGE) -> None:
    """Writes them all, and what the page says of their panels."""
    text = page.read_text(encoding="utf-8")
    for name in DASHBOARDS:
        (folder / f"{name}.json").write_text(rendered(name), encoding="utf-8")
        text = re.sub(rf"(<!-- {name} -->\n).*?(<!-- end -->)", rf"\g<1>{described(name)}\g<2>", text, flags=re.DOTALL)
    page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))

"""The questions that the dashboards ask: TraceQL of spans that have ended, LogQL of streams that run.

Tempo 2.8 and 3, and Loki 3, were asked all of them. What one has to know:

- Tempo's sums begin anew after a span without the attribute, so every sum is of spans that have it.
- It takes percentiles of whole numbers and durations only, and not of doubles.
- It names a series by the value of its only label; Grafana knows two series of one panel apart by nothing else.
- Loki tells event names only in versions to come, so events are known by attributes that no others have.
"""

from streamspan import outcome, semconv
from streamspan.listeners import progress_log

PYTHON = "resource.telemetry.sdk.language"
OPENTELEMETRY = "resource.telemetry.sdk.name"
"""All of our spans have these two with the same value: a series grouped by one of them is a sum with a name of its own."""

ENDED = (outcome.COMPLETED, outcome.TRUNCATED, outcome.ABORTED, outcome.ABANDONED, outcome.CANCELLED, outcome.FAILED)
RUNNING = (progress_log.WAITING, progress_log.RUNNING, progress_log.STALLED)
_LAST_HEARD = f"{progress_log.LONGEST_PAUSE + 10:.0f}s"
"""A stream that was not heard of for longer than its longest pause is not there any more: its process was killed."""


# --- TraceQL ---------------------------------------------------------------------------------------------------------


def span(name: str) -> str:
    """An attribute of the call's span."""
    return f"span.{name}"


def _chosen(attribute: str, variable: str) -> str:
    """Spans whose attribute is what the variable says; with All, those without the attribute, too.

    TraceQL finds no span without an attribute by it, and older Tempos cannot ask whether it is absent. All is the pattern
    ``.*``, which every outcome matches, and no name that was chosen does.
    """
    value = f"`${{{variable}:regex}}`"
    return f"({span(semconv.OUTCOME)} =~ {value} || {attribute} =~ {value})"


_CHOSEN = (
    f"{span(semconv.OUTCOME)} != nil",
    "resource.service.name =~ `${service:regex}`",
    _chosen(span(semconv.REQUEST_MODEL), "model"),
    _chosen(span(semconv.PROJECT), "project"),
    _chosen(span(semconv.USER_ID), "user"),
)


def calls(*conditions: str) -> str:
    """The spans of model calls that the variables choose, and for which these conditions hold."""
    return "{ " + " && ".join((*_CHOSEN, *conditions)) + " }"


def _grouped(by: str) -> str:
    return f" by ({by})" if by else ""


def count(*conditions: str, by: str = "") -> str:
    """How many calls."""
    return f"{calls(*conditions)} | count_over_time(){_grouped(by)}"


def total(name: str, *conditions: str, by: str = "") -> str:
    """The sum of an attribute over the calls that have it."""
    return f"{calls(f'{span(name)} != nil', *conditions)} | sum_over_time({span(name)}){_grouped(by)}"


def mean(name: str, by: str = "") -> str:
    """Its mean."""
    return f"{calls(f'{span(name)} != nil')} | avg_over_time({span(name)}){_grouped(by)}"


def most(name: str, by: str = "") -> str:
    """The largest one."""
    return f"{calls(f'{span(name)} != nil')} | max_over_time({span(name)}){_grouped(by)}"


def percentiles(attribute: str, *which: float) -> str:
    """Percentiles of a whole number or a duration."""
    return f"{calls(f'{attribute} != nil')} | quantile_over_time({attribute}, {', '.join(map(str, which))})"


def table(names: tuple[str, ...], *conditions: str) -> str:
    """Calls with these attributes as columns."""
    return f"{calls(*conditions)} | select({', '.join(map(span, names))})"


def of_trace(names: tuple[str, ...]) -> str:
    """The calls of the trace that the variable names, with these attributes as columns.

    Tempo leaves out zeros at the beginning of ids: in the rows that lead here every digit, in what it compares with every byte.
    """
    return f"{{ trace:id =~ `0*$trace` && {span(semconv.OUTCOME)} != nil }} | select({', '.join(map(span, names))})"


# --- LogQL -----------------------------------------------------------------------------------------------------------


def label(name: str) -> str:
    """An attribute as Loki spells it."""
    return name.replace(".", "_")


_SERVICE = "{service_name=~`${service:regex}`}"
_WHO = " | ".join(
    f"{label(name)}=~`${{{variable}:regex}}`"
    for name, variable in ((semconv.REQUEST_MODEL, "model"), (semconv.PROJECT, "project"), (semconv.USER_ID, "user"))
)


def progress(*states: str) -> str:
    """The progress events of the streams that the variables choose, in these states."""
    return f"{_SERVICE} | {label(semconv.PROGRESS_STATE)}=~`{'|'.join(states)}` | {_WHO}"


def chat(states: tuple[str, ...], head: str, characters: int) -> str:
    """The same as lines of a chat: who speaks, and the end of what he says; without captured content, the event's own line."""
    preview = label(semconv.PREVIEW)
    text = f"{{{{ if .{preview} }}}}{head} {{{{ trunc -{characters} .{preview} }}}}{{{{ else }}}}{{{{ __line__ }}}}{{{{ end }}}}"
    return f"{progress(*states)} | line_format `{text}`"


def _streams(by: str, *states: str, within: str = _LAST_HEARD) -> str:
    return f"sum by ({by}) (count_over_time({progress(*states)} [{within}]))"


def active(by: str = "trace_id, span_id") -> str:
    """One series for each stream that was heard of lately, and not of its end."""
    return f"({_streams(by, *RUNNING)} unless {_streams(by, *ENDED)})"


def active_count(by: str = "") -> str:
    """How many streams run now."""
    return f"count by ({by}) {active(f'{by}, span_id')}" if by else f"count({active()}) or vector(0)"


def stalled_count() -> str:
    """How many of them stand still: heard of as such, and neither of a chunk after that, nor of their end."""
    by = "trace_id, span_id"
    standing = _streams(by, progress_log.WAITING, progress_log.STALLED)
    return (
        f"count({standing} unless {_streams(by, *ENDED)} unless {_streams(by, progress_log.RUNNING, within='3s')}) or vector(0)"
    )


def standing(name: str) -> str:
    """The latest value of an attribute of each stream that runs."""
    by = ", ".join(("trace_id", "span_id", label(semconv.REQUEST_MODEL), label(semconv.PROJECT), label(semconv.USER_ID)))
    latest = f"max by ({by}) (max_over_time({progress(*RUNNING)} | unwrap {label(name)} [{_LAST_HEARD}]))"
    return f"{latest} unless on (trace_id, span_id) {_streams('trace_id, span_id', *ENDED)}"


def balance(name: str) -> str:
    """The latest value of an attribute of the events that tell how budgets stand, for each of them."""
    by = f"{label(semconv.BUDGET_KEY)}, {label(semconv.BUDGET_PERIOD)}"
    return f"last_over_time({_SERVICE} | {label(name)}!=`` | unwrap {label(name)} [$__range]) by ({by})"


def lines_of_trace() -> str:
    """All log events of the trace that the variable names; Loki has ids whole."""
    return "{service_name=~`.+`} | trace_id=~`0*$trace` | trace_id!=``"

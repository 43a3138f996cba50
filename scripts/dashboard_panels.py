"""How a panel of the dashboards is made: its kind, its place, and what it says where there is no data."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from grafana_foundation_sdk.builders import bargauge, common, dashboard, logs, loki, stat, table, tempo, timeseries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import common as commons
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.tempo import SearchTableType

from streamspan import semconv

TEMPO: Final = commons.DataSourceRef(type_val="tempo", uid="tempo")
LOKI: Final = commons.DataSourceRef(type_val="loki", uid="loki")
ONE_CALL: Final = "streamspan-call"
_TO_ONE_CALL: Final = f"/d/{ONE_CALL}?var-trace=${{__data.fields.%s}}&${{__url_time_range}}"
TRACE: Final = "traceIdHidden"
"""The field of a table of spans that has the trace id; Grafana does not show it."""
_NOT_SHOWN: Final = ("traceName", "traceService", "name", "status", "trace:id", semconv.OUTCOME)
"""Fields that a search brings along, the attributes of its conditions among them."""

SECONDS, MILLISECONDS, NANOSECONDS, DOLLARS, COUNT, SHARE = "s", "ms", "ns", "currencyUSD", "short", "percentunit"
TOKENS_PER_SECOND: Final = "suffix:tok/s"
PLAIN: Final = "none"


@dataclass(frozen=True, slots=True)
class Told:
    """What a reader is told of a panel."""

    title: str
    description: str
    unit: str
    nothing: str
    """What stands there when there is no data."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table of calls."""

    name: str
    """The attribute."""
    title: str
    unit: str = ""
    """Of a number; text has none."""


_EMPTY_CELL: Final = models.DynamicConfigValue(id_val="noValue", value="-")
"""Else every empty cell would say what is said where there is no data at all."""


# --- queries ---------------------------------------------------------------------------------------------------------


def traceql(query: str, ref: str = "A") -> tempo.Dataquery:
    """A question about spans over time, or a trace by its id."""
    return tempo.Dataquery().ref_id(ref).datasource(TEMPO).query_type("traceql").query(query)


def spans(query: str, limit: int = 50) -> tempo.Dataquery:
    """A question for the spans themselves, as rows."""
    return traceql(query).table_type(SearchTableType.SPANS).limit(limit).spss(20)


def logql(query: str, ref: str = "A", legend: str = "") -> loki.Dataquery:
    """A question about log events over time."""
    return loki.Dataquery().ref_id(ref).datasource(LOKI).query_type("range").expr(query).legend_format(legend)


def log_lines(query: str) -> loki.Dataquery:
    """The newest log events themselves: not many, as they are read again every few seconds."""
    return logql(query).max_lines(300)


def logql_now(query: str, ref: str = "A", legend: str = "") -> loki.Dataquery:
    """The same, of this moment only."""
    return logql(query, ref, legend).query_type("instant").instant(instant=True)


# --- panels ----------------------------------------------------------------------------------------------------------


def _of(panel: Any, told: Told, queries: Sequence[Builder[Dataquery]], width: int, height: int) -> Any:
    panel.title(told.title).description(told.description).unit(told.unit).no_value(told.nothing).span(width).height(height)
    for query in queries:
        panel.with_target(query)
    return panel.datasource(queries[0].build().datasource)


def number(told: Told, *queries: Builder[Dataquery], reduce: str = "sum", width: int = 4, fields: str = "") -> stat.Panel:
    """One number, or one for each field."""
    options = common.ReduceDataOptions().calcs([reduce]).fields(fields)
    return _of(stat.Panel().reduce_options(options), told, queries, width, 4).graph_mode(commons.BigValueGraphMode.NONE)


def lines(told: Told, *queries: Builder[Dataquery], width: int = 12) -> timeseries.Panel:
    """Lines over time."""
    panel: timeseries.Panel = _of(timeseries.Panel(), told, queries, width, 8)
    panel.min(0).line_width(2).show_points(commons.VisibilityMode.AUTO).fill_opacity(5)
    panel.legend(_legend()).tooltip(common.VizTooltipOptions().mode(commons.TooltipDisplayMode.MULTI))
    return panel.override_by_regexp("/^<?nil>?$/", [named("(none)")])


def bars(told: Told, *queries: Builder[Dataquery], width: int = 12) -> timeseries.Panel:
    """Amounts over time, on top of each other."""
    panel = lines(told, *queries, width=width).draw_style(commons.GraphDrawStyle.BARS).line_width(0).fill_opacity(70)
    return panel.stacking(common.StackingConfig().mode(commons.StackingMode.NORMAL).group("A"))


def ranking(told: Told, *queries: Builder[Dataquery], reduce: str = "sum", width: int = 8) -> bargauge.Panel:
    """A bar for each name."""
    panel = bargauge.Panel().reduce_options(common.ReduceDataOptions().calcs([reduce])).min(0)
    panel.orientation(commons.VizOrientation.HORIZONTAL).display_mode(commons.BarGaugeDisplayMode.BASIC)
    return _of(panel, told, queries, width, 8).override_by_regexp("/^<?nil>?$/", [named("(none)")])


def rows(told: Told, columns: Sequence[Column], query: Builder[Dataquery], width: int = 24, height: int = 9) -> table.Panel:
    """Calls as rows of a table; a click on one leads to the dashboard of that call."""
    panel: table.Panel = _of(table.Panel(), told, [query], width, height)
    panel.cell_height(commons.TableCellHeight.SM)
    numbers = [{"targetField": column.name, "destinationType": "number"} for column in columns if column.unit]
    panel.with_transformation(transformation("convertFieldType", conversions=numbers, fields={}))
    order = ["time", "spanID", "service.name", *(column.name for column in columns), "duration"]
    shown = {column.name for column in columns}
    hidden = {name: True for name in _NOT_SHOWN if name not in shown}
    panel.with_transformation(_organized({name: index for index, name in enumerate(order)}, hidden))
    panel.override_by_regexp("/.*/", [_EMPTY_CELL])
    panel.override_by_name("spanID", [named("Call"), _links(TRACE)])
    panel.override_by_name("time", [named("Start"), _links(TRACE)])
    panel.override_by_name("service.name", [named("Service")])
    panel.override_by_name("duration", [named("Duration"), value("unit", NANOSECONDS)])
    for column in columns:
        panel.override_by_name(column.name, [named(column.title), *([value("unit", column.unit)] if column.unit else [])])
    return panel


def streams(told: Told, columns: Sequence[Column], *queries: Builder[Dataquery]) -> table.Panel:
    """Streams that run as rows of a table: one query for each number, and the labels that all of them share."""
    panel: table.Panel = _of(table.Panel(), told, queries, 24, 7)
    panel.with_transformation(transformation("merge"))
    order = [column.name for column in columns]
    panel.with_transformation(_organized({name: index for index, name in enumerate(order)}, {"Time": True, "span_id": True}))
    panel.override_by_regexp("/.*/", [_EMPTY_CELL]).override_by_name("trace_id", [_links("trace_id")])
    for column in columns:
        panel.override_by_name(column.name, [named(column.title), *([value("unit", column.unit)] if column.unit else [])])
    return panel


def conversation(
    told: Told, query: Builder[Dataquery], *, newest_first: bool = True, width: int = 12, height: int = 16
) -> logs.Panel:
    """Log lines, to be read one after the other."""
    panel: logs.Panel = _of(logs.Panel(), told, [query], width, height)
    order = commons.LogsSortOrder.DESCENDING if newest_first else commons.LogsSortOrder.ASCENDING
    panel.sort_order(order).dedup_strategy(commons.LogsDedupStrategy.NONE).show_time(show_time=True)
    return panel.wrap_log_message(wrap_log_message=True).enable_log_details(enable_log_details=True).details_mode("inline")


def trace(told: Told, query: Builder[Dataquery]) -> dashboard.Panel:
    """A trace as a waterfall; the SDK has no builder for that panel, as it has no options."""
    return _of(dashboard.Panel().type("traces"), told, [query], 24, 16)


# --- parts of panels -------------------------------------------------------------------------------------------------


def share(panel: Any, part: str, whole: str) -> Any:
    """Makes one number of two sums: the one that Grafana calls ``part``, divided by that it calls ``whole``."""
    divided = {"left": _by_name(part), "operator": "/", "right": _by_name(whole)}
    panel.with_transformation(transformation("reduce", reducers=["sum"], mode="reduceFields", includeTimeField=False))
    panel.with_transformation(transformation("concatenate", frameNameMode="drop"))
    options = {"mode": "binary", "binary": divided, "alias": "share", "replaceFields": True}
    return panel.with_transformation(transformation("calculateField", **options))


def without_zeros(panel: Any, *names: str) -> Any:
    """Leaves out moments without a call: of those Tempo says that a percentile is 0."""
    filters = [{"fieldName": name, "config": {"id": "equal", "options": {"value": 0}}} for name in names]
    return panel.with_transformation(transformation("filterByValue", type="exclude", match="any", filters=filters))


def transformation(name: str, **options: Any) -> models.DataTransformerConfig:
    """What Grafana does to the data before it shows it."""
    return models.DataTransformerConfig(id_val=name, options=options)


def named(title: str) -> models.DynamicConfigValue:
    """Another name for a field or a series."""
    return value("displayName", title)


def colored(color: str) -> models.DynamicConfigValue:
    """Its color."""
    return value("color", {"mode": "fixed", "fixedColor": color})


def value(name: str, content: object) -> models.DynamicConfigValue:
    """Any other property of it."""
    return models.DynamicConfigValue(id_val=name, value=content)


def _links(field: str) -> models.DynamicConfigValue:
    link = {"title": "All about this call", "url": _TO_ONE_CALL % field, "targetBlank": False}
    return value("links", [link])


def _organized(order: dict[str, int], hidden: dict[str, bool]) -> models.DataTransformerConfig:
    return transformation("organize", indexByName=order, excludeByName=hidden, renameByName={})


def _by_name(name: str) -> dict[str, Any]:
    return {"matcher": {"id": "byName", "options": name}}


def _legend() -> common.VizLegendOptions:
    legend = common.VizLegendOptions().display_mode(commons.LegendDisplayMode.LIST).placement(commons.LegendPlacement.BOTTOM)
    return legend.show_legend(show_legend=True)

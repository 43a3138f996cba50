"""What the page asks of the store: calls by any filter, their facets, totals, and the spans of a trace."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from streamspan.viewer.store import Store

_FACETS: Final = ("model", "outcome", "user", "session", "service", "project", "tag")
_ORDERS: Final = {
    "started": "started_ms",
    "duration": "duration_ms",
    "cost": "cost",
    "output_tokens": "output_tokens",
    "time_to_first_content": "first_content_ms",
}
_NUMBERS: Final = {
    "min_cost": "cost >= :min_cost",
    "max_cost": "cost <= :max_cost",
    "since_ms": "started_ms >= :since_ms",
    "until_ms": "started_ms <= :until_ms",
}
_MOST: Final = 1000
_VALUES_OF_A_FACET: Final = 200


class QueryError(ValueError):
    """A parameter is not what it should be; the message says which."""


@dataclass(frozen=True, slots=True)
class Query:
    """Which calls, in which order, from where on."""

    conditions: Mapping[str, str] = field(default_factory=dict[str, str])
    """By the name of the parameter."""
    values: Mapping[str, Any] = field(default_factory=dict[str, Any])
    words: Sequence[str] = ()
    """Each must occur in the text."""
    sort: str = "started"
    is_ascending: bool = False
    limit: int = 100
    offset: int = 0

    @classmethod
    def of(cls, parameters: Mapping[str, str]) -> "Query":
        """The query of a URL; unknown and empty parameters are passed over.

        Raises:
            QueryError: a value cannot be read.
        """
        given = {name: text for name, text in parameters.items() if text}
        conditions: dict[str, str] = {}
        values: dict[str, Any] = {}
        for name in _NUMBERS.keys() & given.keys():
            conditions[name], values[name] = _NUMBERS[name], _number(name, given[name])
        for name in set(_FACETS) & given.keys():
            conditions[name], values[name] = _is(name), given[name]
        return cls(
            conditions,
            values,
            given.get("q", "").casefold().split(),
            _one_of("sort", given.get("sort", "started"), _ORDERS),
            _one_of("order", given.get("order", "desc"), ("asc", "desc")) == "asc",
            min(_count("limit", given.get("limit", "100")), _MOST),
            _count("offset", given.get("offset", "0")),
        )

    def where(self, *, without: str = "") -> str:
        """The condition in SQL, without that of one parameter."""
        kept = [f"({condition})" for name, condition in self.conditions.items() if name != without]
        return " AND ".join(kept) or "TRUE"

    def found_in(self, store: Store) -> "Query":
        """The same, with the calls whose text has all words looked up: the contents are large, and read once."""
        if not self.words:
            return self
        words = {f"word{place}": word for place, word in enumerate(self.words)}
        where = " AND ".join(f"instr(searched, :{name})" for name in words)
        idents = [ident for (ident,) in store.select(f"SELECT id FROM contents WHERE {where}", words)]
        conditions = {**self.conditions, "q": "calls.id IN (SELECT value FROM json_each(:found))"}
        return replace(self, conditions=conditions, values={**self.values, "found": json.dumps(idents)}, words=())

    @property
    def order(self) -> str:
        """The order in SQL; what is not known comes last."""
        return f"{_ORDERS[self.sort]} {'ASC' if self.is_ascending else 'DESC'} NULLS LAST, id DESC"


def calls(store: Store, query: Query) -> dict[str, Any]:
    """The finished calls that match, how many there are, and how they divide."""
    query = query.found_in(store)
    chosen = f"SELECT id FROM calls WHERE {query.where()} ORDER BY {query.order} LIMIT :limit OFFSET :offset"
    values = {**query.values, "limit": query.limit, "offset": query.offset}
    sql = f"SELECT summary FROM calls JOIN contents USING (id) WHERE id IN ({chosen}) ORDER BY {query.order}"
    found = [json.loads(text) for (text,) in store.select(sql, values)]
    [(total,)] = store.select(f"SELECT count(*) FROM calls WHERE {query.where()}", query.values)
    return {"calls": found, "total": total, "facets": {name: _facet(store, query, name) for name in _FACETS}}


def _facet(store: Store, query: Query, name: str) -> dict[str, int]:
    """How many calls there are of each value of a field, among those that the other filters let through."""
    tables, column = "calls", name
    if name == "tag":
        tables, column = f"{tables}, json_each(calls.tags) AS each_tag", "each_tag.value"
    where = query.where(without=name)
    sql = (
        f"SELECT {column}, count(*) FROM {tables} WHERE {where} AND {column} IS NOT NULL "
        f"GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {_VALUES_OF_A_FACET}"
    )
    return dict(store.select(sql, query.values))  # pyright: ignore[reportArgumentType]


def totals(store: Store, since_ms: float) -> dict[str, Any]:
    """Tokens and money by model and by day, and what is stored."""
    sums = "count(*) AS calls, total(input_tokens), total(output_tokens), total(cost), total(failed)"
    day = "strftime('%Y-%m-%d', started_ms / 1000, 'unixepoch', 'localtime')"
    by = {"model": ("model", "2 DESC, 1"), "day": (day, "1")}
    read = {
        name: store.select(f"SELECT {column}, {sums} FROM calls WHERE started_ms >= ? GROUP BY 1 ORDER BY {order}", (since_ms,))
        for name, (column, order) in by.items()
    }
    [(stored,)] = store.select("SELECT count(*) FROM calls")
    return {
        **{f"by_{name}": [_sum(name, *row) for row in rows] for name, rows in read.items()},
        "stored": {"calls": stored, "bytes": store.size()},
    }


def _sum(name: str, key: str, calls: int, *sums: float) -> dict[str, Any]:
    input_tokens, output_tokens, cost, failed = sums
    tokens = {"input_tokens": int(input_tokens), "output_tokens": int(output_tokens)}
    return {name: key, "calls": calls, **tokens, "cost": cost, "failed": int(failed)}


def trace(store: Store, trace_id: str) -> list[dict[str, Any]]:
    """The spans of a trace, oldest first."""
    sql = """SELECT span_id, parent_id, name, service, start_ns, end_ns, failed, is_call FROM spans
        WHERE trace_id = ? ORDER BY start_ns, end_ns DESC, span_id LIMIT 5000"""
    return [
        {
            "span_id": span_id,
            "parent_id": parent_id or None,
            "name": name,
            "service": service or None,
            "started_ms": start / 1e6,
            "duration_ms": max(end - start, 0) / 1e6,
            "failed": bool(failed),
            "is_call": bool(is_call),
        }
        for span_id, parent_id, name, service, start, end, failed, is_call in store.select(sql, (trace_id,))
    ]


# --- parameters ------------------------------------------------------------------------------------------------------


def _is(name: str) -> str:
    return f"EXISTS (SELECT 1 FROM json_each(tags) WHERE value = :{name})" if name == "tag" else f"{name} = :{name}"


def number(name: str, text: str) -> float:
    """A parameter that is a number.

    Raises:
        QueryError: it is none.
    """
    try:
        return float(text)
    except ValueError:
        raise QueryError(f"{name}={text!r} is not a number") from None


_number = number


def _count(name: str, text: str) -> int:
    if text.isdecimal() and len(text) < 16:
        return int(text)
    raise QueryError(f"{name}={text!r} is not a whole number")


def _one_of(name: str, text: str, allowed: Any) -> str:
    if text in allowed:
        return text
    raise QueryError(f"{name}={text!r} is none of {', '.join(allowed)}")

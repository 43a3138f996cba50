"""What a ledger has kept, as CSV and as JSON."""

import csv as library
import io
import json as json_library
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from streamspan.budgets.ledger import Balance, usd

_FIELDS: Final = ("key", "period", "begins_at", "resets_at", "limit_usd", "spent_usd", "reserved_usd", "calls")
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula."""


def csv(balances: Iterable[Balance]) -> str:
    """A line each, under a line of names; no cell is a formula."""
    text = io.StringIO()
    writer = library.writer(text, quoting=library.QUOTE_NONNUMERIC, lineterminator="\r\n")
    writer.writerow(_FIELDS)
    for row in map(_row, balances):
        writer.writerow([f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell for cell in row.values()])
    return text.getvalue()


def json(balances: Iterable[Balance]) -> str:
    """A list of objects; amounts are strings, as they are exact and JSON's numbers need not be."""
    return json_library.dumps([*map(_row, balances)], indent=2) + "\n"


def _row(balance: Balance) -> dict[str, str | int | None]:
    resets_at = balance.resets_at
    begins_at = datetime.fromtimestamp(balance.bucket, resets_at.tzinfo if resets_at else UTC) if balance.bucket else None
    moments = [moment.isoformat() if moment else None for moment in (begins_at, resets_at)]
    amounts = [f"{usd(amount):f}" for amount in (balance.limit, balance.spent, balance.reserved)]
    return dict(zip(_FIELDS, (balance.key, balance.period, *moments, *amounts, balance.calls), strict=True))

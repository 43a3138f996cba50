"""How budgets stand, as log events: metrics tell it too, and not everybody keeps metrics."""

from typing import Final

from opentelemetry._logs import Logger, SeverityNumber
from opentelemetry.context import Context

from streamspan import live, semconv
from streamspan.budgets.ledger import Balance, usd
from streamspan.enforcement.standing import balances_now

PAUSE: Final = 5.0
"""Seconds between two looks at the ledger: however many calls end, it is asked no more often."""


class BalanceLog:
    """Tells how budgets stand after calls have counted against them: those whose balance has changed, once in a pause.

    The thread that looks after running calls does it; a call that ends never waits for the ledger.
    """

    def __init__(self, logger: Logger) -> None:
        self._logger = logger
        self._due = 0.0
        self._told = dict[tuple[str, str], Balance]()

    def note(self) -> None:
        """A call has counted against a budget: before long, and at exit, it is told how that stands."""
        if not live.is_running(self):
            live.add(self)
            live.watch()

    def look(self, now: float) -> None:
        """Tells it if it is time: the thread has come by."""
        if now >= self._due:
            self.abandon(now)

    def abandon(self, at: float) -> None:
        """Tells it now: there may be no later."""
        self._due = at + PAUSE
        live.claim(self)  # first, as another call may end meanwhile
        for balance in balances_now():
            if self._told.get((balance.key, balance.period)) != balance:
                self._told[balance.key, balance.period] = balance
                self._emit(balance)

    def _emit(self, balance: Balance) -> None:
        left, limit = usd(balance.remaining), usd(balance.limit)
        self._logger.emit(
            context=Context(),
            severity_number=SeverityNumber.INFO,
            severity_text="INFO",
            body=f"{balance.key} ({balance.period}): ${left:f} of ${limit:f} left",
            attributes={
                semconv.BUDGET_KEY: balance.key,
                semconv.BUDGET_PERIOD: balance.period,
                semconv.BUDGET_SPENT: float(usd(balance.spent)),
                semconv.BUDGET_LEFT: float(left),
                semconv.BUDGET_LIMIT: float(limit),
            },
            event_name=semconv.BUDGET_EVENT,
        )

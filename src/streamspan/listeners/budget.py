"""What a call has to do with budgets while it runs, and when it has ended."""

from typing import TYPE_CHECKING, Any

from streamspan.budgets.ledger import nano
from streamspan.connection import break_off
from streamspan.ended import Ended
from streamspan.enforcement.gate import means
from streamspan.enforcement.hold import Hold

if TYPE_CHECKING:
    from streamspan.pricing import Price


class RunningCall:
    """A call as its hold sees it."""

    __slots__ = ("_call",)

    def __init__(self, call: Any) -> None:
        self._call = call

    def cost_so_far(self) -> int | None:
        """What it has cost until now, in nano-USD; ``None`` where no price is known."""
        price: Price | None = self._call.charges_so_far().price
        return None if price is None else nano(price.total)

    def stop(self, error: Exception | None) -> bool:
        """Ends the stream, wherever it is read, also while it waits for the next chunk: its reader gets ``error``, or the end.

        Returns:
            Whether that was in our power: what a program reads by itself, only it can end.
        """
        call = self._call
        reader, response = call.reader(), call.connection()
        if reader is None and response is None:
            return False
        call.verdict = error
        if call.abort():
            if reader is not None:
                reader.stop()
            if response is not None:
                break_off(response, None if call.hold is None else call.hold.loop)
        return True


def spend(hold: Hold, ended: Ended, *, is_accepted: bool) -> None:
    """Has what a call has cost recorded, and what was held for it given back.

    Args:
        hold: What it counts against.
        ended: The call.
        is_accepted: Whether the provider took the request: else there is nothing to pay, whatever it said.
    """
    charges, request = ended.charges, ended.request
    if charges.omitted:
        hold.settle(0, is_call=False)  # another call has its usage, or will have it
        return
    actual = 0 if charges.price is None else nano(charges.price.total)
    if actual:
        means.note(request.provider, request.model, actual)
    hold.settle(actual, is_call=is_accepted or actual > 0)

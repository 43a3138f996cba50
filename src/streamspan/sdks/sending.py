"""A request on its way: its span is current while it is sent, so that HTTP spans nest under it, and no longer."""

from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from contextvars import Token
from dataclasses import dataclass
from typing import Any

from opentelemetry.context import Context, attach, create_key, get_value, set_value
from opentelemetry.instrumentation.utils import is_instrumentation_enabled

from streamspan.call import Call
from streamspan.call import begin as begin_call
from streamspan.errors import guard
from streamspan.request import Request
from streamspan.reserving import reserve, reserve_async
from streamspan.rivals import look_once
from streamspan.sdks.patching import active
from streamspan.shared import inside

_OBSERVED = create_key("streamspan-observed")


_NOTE = create_key("streamspan-note")


@contextmanager
def noting(note: Callable[[Call], None]) -> Generator[None]:
    """Has ``note`` called with each call that begins inside of the block, also in threads and tasks that have its context."""
    token = attach(set_value(_NOTE, note))
    try:
        yield
    finally:
        with suppress(ValueError):  # left in another context, as a coroutine that is closed is
            token.var.reset(token)


def is_observed() -> bool:
    """Whether the code that runs now is sending a request that streamspan observes."""
    return bool(get_value(_OBSERVED))


@dataclass(slots=True)
class Sending:
    """One request from `begin` until the SDK's function returns or raises."""

    call: Call | None
    """Who observes it; ``None`` if its span is not recording, and nobody takes metrics."""
    token: Token[Context]

    def send(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Calls the SDK's function, whose exceptions end the call."""
        try:
            if self.call is not None:
                reserve(self.call)
            return function(*args, **kwargs)
        except BaseException as error:
            self._stop(error)
            raise
        finally:
            self._leave()

    async def send_async(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """The same for a function that is awaited."""
        try:
            if self.call is not None:
                await reserve_async(self.call)
            return await function(*args, **kwargs)
        except BaseException as error:
            self._stop(error)
            raise
        finally:
            self._leave()

    def _stop(self, error: BaseException) -> None:
        if self.call is not None:
            self.call.stopped(error)

    def _leave(self) -> None:
        # OpenTelemetry's own detach logs an error where a coroutine is closed in another context, which has nothing to detach.
        with suppress(ValueError):
            self.token.var.reset(self.token)


@guard("starting a call")
def begin(package: str, describe: Callable[..., Request | None], /, *args: Any, **kwargs: Any) -> Sending | None:
    """Starts the span of a request; ``None`` if it is not to be observed, and the SDK's function is to be called as it is.

    Args:
        package: The SDK, as its `Target` names it.
        describe: Says what request this is, given the rest of the arguments; ``None`` if it is no model call.
        *args: For ``describe``; the first is the client, or the part of it that sends.
        **kwargs: For ``describe``.
    """
    telemetry = active(package, args[0])
    if telemetry is None or not is_instrumentation_enabled():
        return None
    look_once(package)
    request = describe(*args, **kwargs)
    if request is None:
        return None
    span, call = begin_call(telemetry, request, Call)
    note: Any = get_value(_NOTE)
    if call is not None and note is not None:
        note(call)
    return Sending(call, attach(set_value(_OBSERVED, value=True, context=inside(span, generates=request.wire.generates))))

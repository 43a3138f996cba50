"""What our own instrumentation knows of a call that a client makes: the one seam between the two."""

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from time import perf_counter
from typing import Any
from weakref import WeakSet

from opentelemetry._logs import LoggerProvider
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import TracerProvider

from streamspan.call import Call
from streamspan.client.question import given
from streamspan.handle import Handle, handle
from streamspan.result import TokenUsage, cost_of, usage_of
from streamspan.sdks.patching import is_instrumented
from streamspan.sdks.sending import noting
from streamspan.setting_arguments import SettingArguments
from streamspan.settings import Settings
from streamspan.wrapping import wrap


class Observation:
    """What is known of one call: nothing, where nothing observes it, such as inside of OpenTelemetry's suppression."""

    def __init__(self) -> None:
        self._call: Call | None = None
        self._handle: Handle | None = None

    @contextmanager
    def made_here(self) -> Generator[None]:
        """The call is the first one that is made inside of the block."""
        with noting(self._note):
            yield

    def _note(self, call: Call) -> None:
        if self._call is None:
            self._call = call

    def hold(self, stream: Any) -> None:
        """Takes a hold on the SDK's stream, so that it can be broken off."""
        if self._call is not None:
            self._handle = handle(stream)

    @property
    def trace_id(self) -> str:
        """32 hexadecimal digits; all 0 where nothing observes the call."""
        return f"{self._call.span_context.trace_id if self._call else 0:032x}"

    @property
    def span_id(self) -> str:
        """16 hexadecimal digits; likewise."""
        return f"{self._call.span_context.span_id if self._call else 0:016x}"

    @property
    def usage(self) -> TokenUsage | None:
        """The tokens, so far or in the end."""
        return usage_of(self._call.charges_so_far()) if self._call else None

    @property
    def cost(self) -> float | None:
        """US dollars, so far or in the end."""
        return cost_of(self._call.charges_so_far()) if self._call else None

    @property
    def outcome(self) -> str | None:
        """How it ended; ``None`` while it runs."""
        return self._call.outcome if self._call else None

    # Each of these ends the call, and breaks off the connection in whichever thread or task it is being read; but never that of
    # a call that is over, as it may serve another by now.

    def abort(self) -> None:
        """The caller wants no more of it."""
        if self._is_running and self._handle is not None:
            self._handle.abort()

    def stopped(self, error: BaseException) -> None:
        """Reading its stream raised ``error``; unless a thread reads for the caller, it knows that already."""
        if self._call is not None and self._is_running:
            self._call.stopped(error)
            if self._handle is not None:
                self._handle._break_off()

    def abandon(self) -> None:
        """Nobody has its stream any more."""
        if self._call is not None and self._is_running:
            self._call.abandon(perf_counter())
            if self._handle is not None:
                self._handle.abort()

    @property
    def _is_running(self) -> bool:
        return self._call is not None and self._call.outcome is None

    def when_over(self, tell: Callable[[str], None]) -> None:
        """Calls ``tell`` with the outcome once the call has ended, whoever ended it."""
        if (call := self._call) is not None:
            call.follow(lambda: tell(call.outcome or ""))


class Observer:
    """Has our instrumentation observe SDKs' clients: where `instrument` says, unless the caller says more, or else by themselves.

    Args:
        settings: How they are observed, and by the rest where that goes, as `wrap` takes it.

    Raises:
        SettingsError: If a setting does not exist or cannot have that value.
    """

    def __init__(
        self,
        settings: SettingArguments,
        tracer_provider: TracerProvider | None,
        logger_provider: LoggerProvider | None,
        meter_provider: MeterProvider | None,
    ) -> None:
        Settings.load(settings)
        providers = given(tracer_provider=tracer_provider, logger_provider=logger_provider, meter_provider=meter_provider)
        self._told: dict[str, Any] = {**settings, **providers}
        self._lock = threading.Lock()
        self._wrapped: WeakSet[Any] = WeakSet()

    def observe(self, sdk: str, client: Any) -> None:
        """Sees to it that a client is observed: asked for each call, as `instrument` and `uninstrument` may come in between.

        Args:
            sdk: Its SDK, as wire formats call it.
            client: The SDK's client.
        """
        if is_instrumented(sdk) and not self._told:
            return
        with self._lock:
            if client not in self._wrapped:
                self._wrapped.add(wrap(client, **self._told))

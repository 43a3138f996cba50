"""One call of a client's, from the request to its result, whichever way it goes."""

from time import perf_counter
from typing import Any

from streamspan import outcome
from streamspan.client.futures import Promise
from streamspan.client.observation import Observation
from streamspan.client.results import RunLocalResult, StreamResult
from streamspan.client.transcript import Transcript
from streamspan.client.transports import Transport
from streamspan.errors import report
from streamspan.outcome import ABANDONED, ABORTED, CANCELLED, COMPLETED, FAILED

_LEFT = frozenset({ABORTED, ABANDONED, CANCELLED})


class Run:
    """A call that has been sent. It refers to nothing that refers to the application's stream object."""

    def __init__(self, transport: Transport, model: str, started: float, observation: Observation) -> None:
        self._transport = transport
        self._model = model
        self._started = started
        self.observation = observation
        self.transcript = Transcript()
        self.promise = Promise[StreamResult]()
        self.is_left = False
        """Whether the caller has had enough, and the stream shall end as if there were no more of it."""

    def hear(self, chunk: Any) -> str:
        """Takes a chunk, or a whole answer, and returns the text that is new in it."""
        try:
            self._transport.wire.read(chunk, self.transcript)
            self._transport.seal(chunk, self.transcript)
        except Exception as error:
            report(error, "reading a chunk")
        return self.transcript.take()

    # --- the ends of a stream ---

    @property
    def is_over(self) -> bool:
        """Whether its result is there."""
        return self.promise.is_claimed

    def leave(self) -> None:
        """The caller wants no more of it: from any thread."""
        if not self.is_over:
            self.is_left = True
            self.observation.abort()
            self.resolve(ABORTED)

    def resolve(self, kind: str, error: BaseException | None = None) -> None:
        """Makes the result known, unless it is.

        Args:
            kind: How the stream ended, as far as can be seen from here; what its span says wins.
            error: What went wrong, if something did: then that is the result.
        """
        if not self.promise.claim():
            return
        if error is not None:
            self.promise.future.set_exception(error)
            return
        try:
            result = self.snapshot(kind)
        except Exception as defect:  # whoever waits must not wait for ever
            self.promise.future.set_exception(defect)
            report(defect, "summing up a stream")
        else:
            self.promise.future.set_result(result)

    def stopped(self, error: BaseException) -> None:
        """Reading raised ``error``, which goes on to the caller: a failure is the result, somebody's wish to stop is none."""
        kind = outcome.classify(error)
        self.resolve(kind, error if kind == FAILED else None)

    # --- what it amounts to ---

    def snapshot(self, kind: str = "") -> StreamResult:
        """What has come so far."""
        facts = self.observation.facts()
        ended = facts.outcome or kind or COMPLETED
        return StreamResult(**self._facts(), aborted=self.is_left or ended in _LEFT, outcome=ended)  # pyright: ignore[reportArgumentType]

    def whole(self) -> RunLocalResult:
        """What a whole answer amounts to."""
        return RunLocalResult(**self._facts())

    def _facts(self) -> dict[str, Any]:
        said, facts = self.transcript, self.observation.facts()
        reason, word = said.finish_reason()
        return {
            "text": said.visible,
            "span_id": self.observation.span_id,
            "trace_id": self.observation.trace_id,
            "latency_ms": round((perf_counter() - self._started) * 1000),
            "usage": facts.usage,
            "cost": facts.cost,
            "provider": self._transport.provider,
            "model": self._model,
            "tool_calls": said.tool_calls(),
            "finish_reason": reason,
            "provider_finish_reason": word,
            "message": said.message(self._transport.provider),
        }

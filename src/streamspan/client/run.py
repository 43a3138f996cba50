"""One call of a client's, from the request to its result, whichever way it goes."""

import asyncio
from time import perf_counter
from typing import Any

from streamspan import outcome
from streamspan.charges import Charges
from streamspan.client.futures import Promise
from streamspan.client.observation import Observation
from streamspan.client.results import RunLocalResult, StreamResult
from streamspan.client.transcript import Transcript
from streamspan.client.transports import Transport
from streamspan.errors import report
from streamspan.outcome import ABANDONED, ABORTED, CANCELLED, COMPLETED, FAILED
from streamspan.result import usage_of

_LEFT = frozenset({ABORTED, ABANDONED, CANCELLED})


class Run:
    """A call that has been sent. It refers to nothing that refers to the application's stream object."""

    def __init__(self, transport: Transport, client: Any, model: str, started: float) -> None:
        self._transport = transport
        self._client = client
        """Not used, but kept: Google's closes its connections when nobody refers to it."""
        self._model = model
        self._started = started
        self.observation = Observation()
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
        """The caller wants no more of it: from any thread. Its connection is broken off, if the call is observed."""
        self.is_left = True
        self.observation.abort()
        self.resolve(ABORTED)

    def leave_here(self) -> None:
        """The caller leaves where it reads: by ``break``, or with an exception on its way out, which the outcome tells."""
        if outcome.leaving() == CANCELLED:
            self.observation.stopped(asyncio.CancelledError())
        self.leave()

    def forget(self) -> None:
        """Nobody has the stream any more."""
        self.is_left = True
        self.observation.abandon()
        self.resolve(ABANDONED)

    def begin(self, stream: Any) -> None:
        """Its answer is this stream of the SDK's; it ends when others end the call, too: at exit, or after a long silence."""
        self.observation.hold(stream)
        self.observation.when_over(self._others_ended)

    def _others_ended(self, kind: str) -> None:
        # All other ends are seen by who reads, after the last chunk; a thread that reads ahead is there before.
        if kind in {ABORTED, ABANDONED}:
            self.is_left = True
            self.resolve(kind)

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
        self.observation.stopped(error)
        self.resolve(kind, error if kind == FAILED else None)

    # --- what it amounts to ---

    def snapshot(self, kind: str = COMPLETED) -> StreamResult:
        """What has come so far.

        Args:
            kind: How it ended, where nothing observes that.
        """
        ended: Any = self.observation.outcome or kind
        return StreamResult(**self._facts(), aborted=self.is_left or ended in _LEFT, outcome=ended)

    def whole(self) -> RunLocalResult:
        """What a whole answer amounts to."""
        return RunLocalResult(**self._facts())

    def _facts(self) -> dict[str, Any]:
        said, observation = self.transcript, self.observation
        reason, word = said.finish_reason()
        return {
            "text": said.visible,
            "span_id": observation.span_id,
            "trace_id": observation.trace_id,
            "latency_ms": round((perf_counter() - self._started) * 1000),
            "usage": observation.usage or usage_of(Charges(said.reported)),
            "cost": observation.cost,
            "provider": self._transport.provider,
            "model": self._model,
            "tool_calls": said.tool_calls(),
            "finish_reason": reason,
            "provider_finish_reason": word,
            "message": said.message(self._transport.provider),
        }

"""`streamspan view`: receive, and print what arrives until told to stop."""

import signal
import sys
import threading
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from rich.console import Console
from rich.text import Text

from streamspan.viewer import screen
from streamspan.viewer.calls import Call, rows
from streamspan.viewer.receiver import receiver
from streamspan.viewer.server import listen, serving
from streamspan.viewer.traces import Traces

_CALLS_KEPT: Final = 1000
_WIDTH_OF_A_FILE: Final = 120


def stdout() -> Console:
    """The terminal; or, where there is none, plain text in lines long enough for a file."""
    if reconfigure := getattr(sys.stdout, "reconfigure", None):
        reconfigure(errors="replace")  # an answer may hold what this terminal's encoding does not
    is_a_terminal = sys.stdout.isatty()
    return Console(markup=False, emoji=False, highlight=False, width=None if is_a_terminal else _WIDTH_OF_A_FILE)


class Terminal:
    """Prints each call as it arrives and each trace once it is whole; keeps the latest calls for whoever wants to sum them up."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.calls: deque[Call] = deque(maxlen=_CALLS_KEPT)
        self._traces = Traces()

    def show(self, request: ExportTraceServiceRequest) -> None:
        """Print what is new in this request."""
        news = self._traces.add(rows(request))
        for row in news.calls:
            if row.call:
                self.calls.append(row.call)
                self.console.print(screen.card(row, row.call, self.console.width))
        for trace in news.traces:
            self.console.print(screen.tree(trace))

    def show_unfinished(self) -> None:
        """Print the traces that still miss a span."""
        for trace in self._traces.unfinished():
            self.console.print(screen.tree(trace))


def view(host: str, port: int, console: Console) -> None:
    """Serve the receiver and print what it gets, until SIGINT or SIGTERM.

    Raises:
        CannotListenError: the port is in use, or the host is not ours.
    """
    terminal = Terminal(console)
    listener = listen(host, port)
    with _stop_signal() as stopped, serving(receiver(terminal.show), listener) as address:
        console.print(Text(f"Waiting for spans on {address} (OTLP/HTTP). Ctrl-C ends.", style="dim"))
        while not stopped.wait(timeout=1):
            pass
    terminal.show_unfinished()


@contextmanager
def _stop_signal() -> Generator[threading.Event]:
    """An event that SIGINT and SIGTERM set while the block runs."""
    stopped = threading.Event()

    def stop(*_: object) -> None:
        stopped.set()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

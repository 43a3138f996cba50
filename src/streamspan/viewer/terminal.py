"""`streamspan view`: receive, serve the page, and print what arrives until told to stop."""

import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import Final

from rich.console import Console
from rich.text import Text

from streamspan.viewer import screen
from streamspan.viewer.app import Viewer
from streamspan.viewer.calls import Call, Row
from streamspan.viewer.guard import TOKEN, Access
from streamspan.viewer.inbox import Inbox
from streamspan.viewer.server import listen, serving
from streamspan.viewer.store import MEMORY, Store
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

    def show(self, rows: Sequence[Row]) -> None:
        """Print what is new among these rows."""
        news = self._traces.add(rows)
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


@dataclass(frozen=True, slots=True)
class Options:
    """What `streamspan view` can be told.

    Args:
        host: the address to listen on.
        port: the port there; 0 for any free one.
        database: the file that calls are kept in, or `:memory:`.
        token: what everybody has to show; on loopback nobody has to, if it is empty.
        hosts: names beside this machine's own that requests may be made to.
    """

    host: str = "127.0.0.1"
    port: int = 4318
    database: str = MEMORY
    token: str = ""
    hosts: tuple[str, ...] = ()


@contextmanager
def viewing(options: Options, on_rows: Callable[[Sequence[Row]], None], say: Callable[[str], None]) -> Generator[str]:
    """Receive and serve while the block runs; yields the page's URL.

    Raises:
        CannotListenError: the port is in use, or the host is not ours.
        StoreError: the database cannot be used.
    """
    access = Access.to(options.host, options.token, options.hosts)
    with ExitStack() as stack:
        listener = stack.enter_context(listen(options.host, options.port))
        inbox = Inbox(stack.enter_context(closing(Store(options.database, say=say))), on_rows)
        viewer = Viewer(inbox, access, {"database": options.database})
        stack.callback(inbox.close)
        address = stack.enter_context(serving(viewer, listener))
        stack.callback(viewer.close)
        yield f"{address}/?{TOKEN}={access.token}" if access.token else address


def view(options: Options, console: Console) -> None:
    """Serve, and print what is received, until SIGINT or SIGTERM.

    Raises:
        CannotListenError: the port is in use, or the host is not ours.
        StoreError: the database cannot be used.
    """
    terminal = Terminal(console)
    with _stop_signal() as stopped, viewing(options, terminal.show, say) as page:
        console.print(Text(f"Your calls: {page}  (OTLP/HTTP at the same address; Ctrl-C ends)"), soft_wrap=True)
        while not stopped.wait(timeout=1):
            pass
    terminal.show_unfinished()


def say(line: str) -> None:
    """What the user should know and is no call: to stderr."""
    print(f"streamspan: {line}", file=sys.stderr, flush=True)  # noqa: T201


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

"""`streamspan view`: receive, serve the page, and print what arrives until told to stop."""

import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from typing import Final, TypeVar

from rich.console import Console
from rich.text import Text

from streamspan.viewer import screen
from streamspan.viewer.app import Viewer, retried
from streamspan.viewer.board import Board
from streamspan.viewer.calls import Call, Row
from streamspan.viewer.forward import Forward
from streamspan.viewer.guard import TOKEN, Access
from streamspan.viewer.inbox import Inbox
from streamspan.viewer.live_screen import LiveScreen, told
from streamspan.viewer.printer import Printer
from streamspan.viewer.receiver import OnRequest
from streamspan.viewer.server import listen, serving
from streamspan.viewer.store import MEMORY, Store
from streamspan.viewer.traces import Traces

Given = TypeVar("Given")
_CALLS_KEPT: Final = 1000
_CARDS_AT_ONCE: Final = 10
_NOTICES_KEPT: Final = 100
_WIDTH_OF_A_FILE: Final = 120


def stdout() -> Console:
    """The terminal; or, where there is none, plain text in lines long enough for a file."""
    if reconfigure := getattr(sys.stdout, "reconfigure", None):
        reconfigure(errors="replace")  # an answer may hold what this terminal's encoding does not
    is_a_terminal = sys.stdout.isatty()
    return Console(markup=False, emoji=False, highlight=False, width=None if is_a_terminal else _WIDTH_OF_A_FILE)


class Terminal:
    """Prints each call as it arrives and each trace once it is whole; keeps the latest calls for whoever wants to sum them up.

    Args:
        console: where.
        at_once: how many calls that come together are printed; of the others only how many they are.
    """

    def __init__(self, console: Console, at_once: int | None = None) -> None:
        self.console = console
        self._at_once = at_once
        self.calls: deque[Call] = deque(maxlen=_CALLS_KEPT)
        self._traces = Traces()

    def news(self, rows: Sequence[Row]) -> Sequence[Row]:
        """The calls that were not seen before."""
        return self._traces.add(row.brief() for row in rows).calls

    def show(self, rows: Sequence[Row]) -> None:
        """Print what is new among these rows."""
        news = self._traces.add(row.brief() for row in rows)
        printed = news.calls[: self._at_once]
        for row in printed:
            if row.call:
                self.calls.append(row.call)
                self.console.print(screen.card(row, row.call, self.console.width))
        for trace in news.traces[: self._at_once]:
            self.console.print(screen.tree(trace))
        self.leave_out(len(news.calls) - len(printed))

    def leave_out(self, count: int) -> None:
        """Say how many are not printed."""
        if count:
            self.console.print(Text(f"… {count:,} more: see the page", style="dim"))

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
        forward: the base address of a receiver that everything is passed on to; empty for none.
        grpc_port: the port for OTLP over gRPC; None for none.
    """

    host: str = "127.0.0.1"
    port: int = 4318
    database: str = MEMORY
    token: str = ""
    hosts: tuple[str, ...] = ()
    forward: str = ""
    grpc_port: int | None = None


@dataclass(frozen=True, slots=True)
class Served:
    """A viewer that runs: its page's URL, the address that programs send to, what it has received."""

    page: str
    address: str
    inbox: Inbox
    token: str = ""


@contextmanager
def viewing(options: Options, on_rows: Callable[[Sequence[Row]], None], say: Callable[[str], None]) -> Generator[Served]:
    """Receive and serve while the block runs.

    Raises:
        CannotListenError: the port is in use, or the host is not ours.
        StoreError: the database cannot be used.
    """
    access = Access.to(options.host, options.token, options.hosts)
    with ExitStack() as stack:
        listener = stack.enter_context(listen(options.host, options.port))
        inbox = Inbox(stack.enter_context(closing(Store(options.database, say=say))), on_rows)
        stack.callback(inbox.close)
        forward = stack.enter_context(closing(Forward(options.forward, say))).put if options.forward else None
        viewer = Viewer(inbox, access, {"database": options.database, "forward": options.forward or None}, forward)
        if options.grpc_port is not None:
            stack.enter_context(_grpc(options, access, inbox, forward))
        address = stack.enter_context(serving(viewer, listener))
        stack.callback(viewer.close)
        page = f"{_reachable(address)}/?{TOKEN}={access.token}" if access.token else address
        yield Served(page, _reachable(address), inbox, access.token)


def _grpc(options: Options, access: Access, inbox: Inbox, forward: OnRequest | None) -> AbstractContextManager[int]:
    from streamspan.viewer.grpc_receiver import serving_grpc  # noqa: PLC0415 - grpcio is an extra of its own

    sinks = {"traces": retried(inbox.traces), "logs": retried(inbox.logs)}
    return serving_grpc(options.host, options.grpc_port or 0, access, sinks, forward)


def _reachable(address: str) -> str:
    """The address as a browser of this machine can open it."""
    return address.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")


def view(options: Options, console: Console, *, live: bool = False) -> None:
    """Serve, and print what is received, until SIGINT or SIGTERM.

    Args:
        options: what is served where.
        console: where it is printed.
        live: as a table that changes; where there is no terminal, as a line for each call.

    Raises:
        CannotListenError: the port is in use, or the host is not ours.
        StoreError: the database cannot be used.
    """
    if live and console.is_terminal and not console.is_dumb_terminal:
        _draw(options, console)
    else:
        _print(options, Lines(console) if live else Terminal(console, _CARDS_AT_ONCE))


def _print(options: Options, terminal: Terminal) -> None:
    printer = Printer(_printing(terminal.show), _printing(terminal.leave_out))
    with stop_signal() as stopped, closing(printer), viewing(options, printer.put, say) as served:
        told = f"Your calls: {served.page}  (OTLP/HTTP at the same address; Ctrl-C ends)"
        terminal.console.print(Text(told), soft_wrap=True)
        while not stopped.wait(timeout=1):
            pass
    terminal.show_unfinished()


def _printing(show: Callable[[Given], None]) -> Callable[[Given], None]:
    """``show``, whose output may be closed: rich would end the program then, which has a page to show."""

    def shown(given: Given) -> None:
        with suppress(OSError, SystemExit):
            show(given)

    return shown


def _draw(options: Options, console: Console) -> None:
    notices: deque[str] = deque(maxlen=_NOTICES_KEPT)
    try:
        with stop_signal() as stopped, viewing(options, lambda _: None, notices.append) as served:
            LiveScreen(console, Board(served.inbox), served.page, served.address, notices).run(stopped)
    finally:
        for notice in notices:
            say(notice)


class Lines(Terminal):
    """Prints a line for each call."""

    def show(self, rows: Sequence[Row]) -> None:
        """Tell of the calls that are new among these rows."""
        for row in self.news(rows):
            if row.call:
                self.console.print(Text(told(row, row.call)), soft_wrap=True)

    def show_unfinished(self) -> None:
        """Traces are for the page."""


def say(line: str) -> None:
    """What the user should know and is no call: to stderr."""
    print(f"streamspan: {line}", file=sys.stderr, flush=True)  # noqa: T201


@contextmanager
def stop_signal() -> Generator[threading.Event]:
    """An event that SIGINT, SIGTERM and the end of the terminal set while the block runs."""
    stopped = threading.Event()

    def stop(*_: object) -> None:
        stopped.set()

    numbers = [signal.SIGINT, signal.SIGTERM]
    hangup: signal.Signals | None = getattr(signal, "SIGHUP", None)
    if hangup is not None and signal.getsignal(hangup) is not signal.SIG_IGN:  # as nohup has it
        numbers.append(hangup)
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

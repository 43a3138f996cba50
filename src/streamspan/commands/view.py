"""``streamspan view``: a page, and a terminal, that show model calls as they happen."""

import argparse
import os
from typing import Any, Final

from streamspan.commands import fail, lacking

MODULES: Final = ("rich", "starlette", "uvicorn", "opentelemetry.proto")
TOKEN: Final = "STREAMSPAN_VIEW_TOKEN"  # noqa: S105 - the name of a variable


def add(commands: Any) -> None:
    """Add the command to those of the program."""
    view = commands.add_parser("view", help="receive OTLP over HTTP and show each model call in a page, while it runs and after")
    view.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s, this machine only)")
    view.add_argument("--port", type=port, default=4318, help="port to listen on, 0 for any free one (default: %(default)s)")
    database(view)
    view.set_defaults(run=_view)


def database(parser: argparse.ArgumentParser) -> None:
    """Add the option that says where calls are kept."""
    told = "file to keep calls in; :memory: for none (default: streamspan/view.db in your state folder)"
    parser.add_argument("--db", metavar="PATH", help=told)


def port(text: str) -> int:
    """A port number, for argparse."""
    if text.isdecimal() and int(text) < 65536:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a port: 0 to 65535")


def _view(arguments: argparse.Namespace) -> int:
    if missing := lacking(*MODULES):
        return fail(f"streamspan view needs {missing}: pip install 'streamspan[viewer]'")
    from streamspan.viewer.database import StoreError, default_path
    from streamspan.viewer.server import CannotListenError
    from streamspan.viewer.terminal import Options, stdout, view

    options = Options(arguments.host, arguments.port, arguments.db or default_path(), os.environ.get(TOKEN, ""))
    try:
        view(options, stdout())
    except (CannotListenError, StoreError) as error:
        return fail(f"streamspan view: {error}")
    return 0

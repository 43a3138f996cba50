"""``streamspan view``: a page, and a terminal, that show model calls as they happen."""

import argparse
import os
from typing import TYPE_CHECKING, Any, Final

from streamspan.commands.requirements import fail, lacking

if TYPE_CHECKING:
    from streamspan.viewer.terminal import Options

MODULES: Final = ("rich", "starlette", "uvicorn", "opentelemetry.proto")
PORT: Final = 4318
GRPC_PORT: Final = 4317
TOKEN: Final = "STREAMSPAN_VIEW_TOKEN"  # noqa: S105 - the name of a variable


def add(commands: Any) -> None:
    """Add the command to those of the program."""
    view = commands.add_parser("view", help="receive OTLP over HTTP and show each model call in a page, while it runs and after")
    receiving(view)
    view.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s, this machine only)")
    view.add_argument(
        "--allow-host", action="append", default=[], metavar="NAME", help="a further name that this machine goes by"
    )
    view.add_argument("--grpc-port", type=port, help="port for OTLP over gRPC (default: 4317, where the extra grpc is installed)")
    view.add_argument("--terminal", action="store_true", help="show the calls as a live table in the terminal as well")
    view.set_defaults(run=_view)


def receiving(parser: argparse.ArgumentParser) -> None:
    """Add the options of whatever receives: where, what is kept, and who gets it, too."""
    parser.add_argument("--port", type=port, help=f"port to listen on, 0 for any free one (default: {PORT})")
    kept = "file to keep calls in; :memory: for none (default: streamspan/view.db in your state folder)"
    parser.add_argument("--db", metavar="PATH", help=kept)
    parser.add_argument("--forward", metavar="URL", help="pass everything on to this receiver of OTLP over HTTP, too")


def port(text: str) -> int:
    """A port number, for argparse."""
    if text.isdecimal() and int(text) < 65536:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a port: 0 to 65535")


def _view(arguments: argparse.Namespace) -> int:
    if missing := lacking(*MODULES):
        return fail(f"streamspan view needs {missing}: pip install 'streamspan[viewer]'")
    from streamspan.viewer.database import StoreError
    from streamspan.viewer.server import CannotListenError
    from streamspan.viewer.terminal import stdout, view

    if arguments.grpc_port is not None and lacking("grpc"):
        return fail("streamspan view --grpc-port needs grpcio: pip install 'streamspan[grpc,viewer]'")
    try:
        view(options(arguments), stdout(), live=arguments.terminal)
    except CannotListenError as error:
        return fail(f"streamspan view: {_already(arguments) or error}")
    except StoreError as error:
        return fail(f"streamspan view: {error}")
    return 0


def _already(arguments: argparse.Namespace) -> str:
    """That a viewer has the port, if one has it."""
    from streamspan.viewer.application import about

    address = f"http://{arguments.host}:{PORT if arguments.port is None else arguments.port}"
    found = about(address, os.environ.get(TOKEN, ""))
    return f"a viewer runs there already, open {address} (its calls: {found.get('database')})" if found else ""


def options(arguments: argparse.Namespace) -> "Options":
    """What the arguments and the environment say."""
    from streamspan.viewer.database import default_path
    from streamspan.viewer.terminal import Options

    return Options(
        host=arguments.host,
        port=PORT if arguments.port is None else arguments.port,
        database=arguments.db or default_path(),
        token=os.environ.get(TOKEN, ""),
        hosts=tuple(arguments.allow_host),
        forward=arguments.forward or "",
        grpc_port=_grpc_port(arguments),
    )


def _grpc_port(arguments: argparse.Namespace) -> int | None:
    """The port that was asked for; else the usual one, if all is as usual and it can be had."""
    from streamspan.viewer.server import is_free

    if arguments.grpc_port is not None:
        return arguments.grpc_port
    usual = arguments.port in (None, PORT) and not lacking("grpc")
    return GRPC_PORT if usual and is_free(arguments.host, GRPC_PORT) else None

"""The ``streamspan`` command: ``budget``, ``demo``, ``view``, ``--version``."""

import argparse
import importlib.util
import sys
from collections.abc import Sequence
from importlib.metadata import version

from streamspan.commands import budget


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with these arguments (default: those of the process); returns the exit code."""
    arguments = _parser().parse_args(argv)
    try:
        return arguments.run(arguments)
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="streamspan", description="See what your streamed LLM calls did.")
    parser.add_argument("--version", action="version", version=f"streamspan {version('streamspan')}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    demo = commands.add_parser("demo", help="run the examples under OpenTelemetry and show their calls; needs no account")
    demo.add_argument("--live", action="store_true", help="ask the real services, with OPENAI_API_KEY and ANTHROPIC_API_KEY")
    demo.set_defaults(run=_demo)

    view = commands.add_parser("view", help="receive spans over OTLP/HTTP and print each model call")
    view.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s, this machine only)")
    view.add_argument("--port", type=_port, default=4318, help="port to listen on, 0 for any free one (default: %(default)s)")
    view.set_defaults(run=_view)

    budget.add(commands)
    return parser


def _port(text: str) -> int:
    if text.isdecimal() and int(text) < 65536:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a port: 0 to 65535")


def _demo(arguments: argparse.Namespace) -> int:
    if lacking := _lacking("rich", "starlette", "uvicorn", "opentelemetry.proto", "openai", "anthropic"):
        return _fail(f"streamspan demo needs {lacking}: pip install 'streamspan[openai,anthropic,viewer]'")
    from streamspan.demo.tour import tour
    from streamspan.viewer.terminal import stdout

    return tour(stdout(), live=arguments.live)


def _view(arguments: argparse.Namespace) -> int:
    if lacking := _lacking("rich", "starlette", "uvicorn", "opentelemetry.proto"):
        return _fail(f"streamspan view needs {lacking}: pip install 'streamspan[viewer]'")
    from streamspan.viewer.server import CannotListenError
    from streamspan.viewer.terminal import stdout, view

    try:
        view(arguments.host, arguments.port, stdout())
    except CannotListenError as error:
        return _fail(f"streamspan view: {error}")
    return 0


def _lacking(*modules: str) -> str:
    """The names of those modules that are not installed."""
    return ", ".join(name for name in modules if importlib.util.find_spec(name) is None)


def _fail(message: str) -> int:
    print(message, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())

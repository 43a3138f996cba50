"""The ``streamspan`` command: ``budget``, ``demo``, ``prices``, ``run``, ``view``, ``--version``."""

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import version

from streamspan.commands import budget, prices, run, view
from streamspan.commands.requirements import fail, lacking


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

    view.add(commands)
    run.add(commands)
    prices.add(commands)
    budget.add(commands)
    return parser


def _demo(arguments: argparse.Namespace) -> int:
    if missing := lacking("rich", "starlette", "uvicorn", "opentelemetry.proto", "openai", "anthropic"):
        return fail(f"streamspan demo needs {missing}: pip install 'streamspan[openai,anthropic,viewer]'")
    from streamspan.demo.tour import tour
    from streamspan.viewer.terminal import stdout

    return tour(stdout(), live=arguments.live, stay=sys.stdin.isatty() and sys.stdout.isatty())


if __name__ == "__main__":
    sys.exit(main())

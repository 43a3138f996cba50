"""``streamspan run``: a program under observation, and the page that shows its calls, in one command."""

import argparse
import os
from typing import Any

from streamspan.commands.requirements import fail, lacking
from streamspan.commands.view import MODULES, TOKEN, receiving


def add(commands: Any) -> None:
    """Add the command to those of the program."""
    run = commands.add_parser(
        "run",
        help="run a program under opentelemetry-instrument and show its calls in a page",
        usage="streamspan run [options] (app.py | -m module | command) [arguments ...]",
    )
    receiving(run)
    run.add_argument("--end", action="store_true", help="end with the program; else, in a terminal, the page stays until Ctrl-C")
    run.add_argument("-m", dest="module", nargs=argparse.REMAINDER, metavar="MODULE", help="run a module, with its arguments")
    run.add_argument("program", nargs=argparse.REMAINDER, help="a Python file or a command, with its arguments")
    run.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    if missing := lacking(*MODULES):
        return fail(f"streamspan run needs {missing}: pip install 'streamspan[viewer]'")
    given = ["-m", *arguments.module] if arguments.module is not None else [*arguments.program]
    given = given[1:] if given[:1] == ["--"] else given
    if not given or given == ["-m"]:
        return fail("streamspan run needs a program: streamspan run app.py")
    from streamspan.viewer.application import Wishes, run
    from streamspan.viewer.database import StoreError, default_path
    from streamspan.viewer.server import CannotListenError

    wishes = Wishes(
        program=given,
        database=arguments.db or default_path(),
        port=arguments.port,
        forward=arguments.forward,
        token=os.environ.get(TOKEN, ""),
        end=arguments.end,
    )
    try:
        return run(wishes)
    except (CannotListenError, StoreError) as error:
        return fail(f"streamspan run: {error}")

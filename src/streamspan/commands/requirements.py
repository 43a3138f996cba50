"""What a command needs, and how it ends without it."""

import importlib.util
import sys


def lacking(*modules: str) -> str:
    """The names of those modules that are not installed."""
    return ", ".join(name for name in modules if importlib.util.find_spec(name) is None)


def fail(message: str) -> int:
    """Say on stderr why a command ends; the exit code."""
    print(message, file=sys.stderr)
    return 1

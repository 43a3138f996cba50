"""Where a user's programs keep what they have to remember."""

import os
import sys
from pathlib import Path


def state_home() -> Path:
    """The folder: ``XDG_STATE_HOME``, or what the platform has for it.

    Raises:
        RuntimeError: If this user has no home folder.
    """
    if (given := os.environ.get("XDG_STATE_HOME")) and Path(given).is_absolute():
        return Path(given)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support"
    return Path.home() / ".local" / "state"

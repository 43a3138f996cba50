"""Says now and then that tokens were estimated: a cost that rests on that is no bill."""

import warnings
from functools import partial
from time import monotonic
from typing import Final

from streamspan import live
from streamspan.errors import UsageEstimatedWarning, logger

_HOUR: Final = 3600.0
_MOST: Final = 1000
"""Of how many models it is remembered that it was said."""
_last_said = dict[str, float]()


def say(model: str, estimated: list[str]) -> None:
    """Warns that counts of this model's were estimated, once an hour for each model.

    On the other thread: where warnings are errors (``-W error``), no call of the application's fails for it. Then it is logged.
    """
    now = monotonic()
    if (last := _last_said.get(model)) is not None and now - last < _HOUR:
        return
    if len(_last_said) >= _MOST:
        _last_said.clear()
    _last_said[model] = now
    live.later(partial(_warn, _message(model, estimated)))


def _message(model: str, estimated: list[str]) -> str:
    return (
        f"estimating tokens of {model}: the provider reported no {' and no '.join(estimated)}; the cost rests on that, too "
        "(not said again within the hour; what helps: docs/usage-estimates.md)"
    )


def _warn(message: str) -> None:
    try:
        warnings.warn(message, UsageEstimatedWarning, stacklevel=1)
    except UsageEstimatedWarning:
        logger.warning(message)

"""Has the calls inside of functions under `track_costs` observed, also where nobody called `instrument`."""

from streamspan import wiring
from streamspan.sdks import anthropic, botocore, google_genai, openai
from streamspan.sdks.patching import is_tracking, track

_TARGETS = (*openai.TARGETS, *anthropic.TARGETS, *google_genai.TARGETS, *botocore.TARGETS)


def ensure() -> None:
    """Sees to it that these calls are observed: asked for each call of a function, as `uninstrument` may come in between.

    Calls outside of such functions are left as they are, unless `instrument` was called, before or after; then that counts.
    """
    if not is_tracking():
        track(_TARGETS, wiring.in_force)

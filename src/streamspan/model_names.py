"""By which names a price table may know a model; what is on the span stays as it was sent and as it came.

A platform names a model where it serves it, such as ``us.anthropic.claude-opus-5-v1:0`` or
``publishers/google/models/gemini-2.5-pro``. What a table lacks of such names is tried without these additions, one by one, never
with a guess: where a name hides the model, as that of a deployment or of an ``application-inference-profile``, there is none.
"""

import re
from collections.abc import Iterator

from streamspan import semconv

_TELLING_ARN = re.compile(r"arn:aws:bedrock:[^/]*:(?:foundation-model|inference-profile)/(.+)")
"""The only ARNs whose last part is the model: what was customised, imported or reserved has prices of its own."""
_PATH = re.compile(r"(?:.*/)?models/([^/]+)")
_APART = re.compile(r"(?:arn:.*/)?(?:global|us-gov)\.")
_REGION = re.compile(r"^(?!global\.|us-gov\.)[a-z]{2,4}\.(?=[a-z0-9]+\.[a-z])")
"""All regions cost alike but these two."""
_VERSION = re.compile(r"(?:-v\d+)?(?::\d+)?(?::\w+)?$")
_DATE = re.compile(r"(?:@[\w.-]+|-\d{8}|-\d{4}-\d{2}-\d{2}|-00\d)$")


def candidates(provider: str, models: tuple[str | None, ...]) -> tuple[str, ...]:
    """The names to look up, the most exact first, each once.

    Args:
        provider: ``gen_ai.provider.name``.
        models: Names of the model: the one that answered, the one that was asked.
    """
    ordered = models
    if provider == semconv.AWS_BEDROCK:
        # What is asked says where it is to run, on which the price may depend; what answers does not.
        asked = models[-1]
        ordered = (asked,) if asked and _APART.match(asked) else models[::-1]
    return tuple(dict.fromkeys(name for model in ordered if model for name in _spellings(provider, model)))


def _spellings(provider: str, model: str) -> Iterator[str]:
    if model.startswith("arn:"):
        telling = _TELLING_ARN.fullmatch(model)
        if telling is None:
            return
        model = telling[1]
    yield model
    if path := _PATH.fullmatch(model):
        yield (model := path[1])
    if provider == semconv.AWS_BEDROCK:
        yield (model := _REGION.sub("", model))
        yield _VERSION.sub("", model)
    yield _DATE.sub("", model)

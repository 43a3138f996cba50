"""The Anthropic SDK, 0.125 and newer."""

from collections.abc import Callable
from typing import Any

from streamspan import semconv
from streamspan.sdks.sending import is_observed
from streamspan.sdks.stainless import make_target


def name_provider(client: Any, host: str) -> str:  # noqa: ARG001 - the signature of `NameProvider`
    """By the client's class: the same API is served by Amazon and Google."""
    kind = type(client).__name__
    if "Bedrock" in kind:
        return semconv.AWS_BEDROCK
    return semconv.GCP_VERTEX_AI if "Vertex" in kind else semconv.ANTHROPIC


def skip_native_span(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:  # noqa: ARG001
    """The SDK's own span (1.15 and newer) is left out where ours is: two spans with the same usage are paid for twice.

    ``None`` is what this function gives when the client has no tracing.
    """
    return None if is_observed() else wrapped(*args, **kwargs)


TARGETS = (make_target("anthropic", name_provider, {"start_api_call_span": skip_native_span}),)

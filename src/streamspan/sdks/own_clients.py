"""Observing one client and no other: its own methods are replaced on the instance, and its class stays as it is."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from streamspan.errors import guard
from streamspan.sdks import anthropic, botocore, google_genai, openai
from streamspan.sdks.patching import Target, Wrapper, beneath, disown, own, patch_for_own, strip
from streamspan.telemetry import Telemetry

Method = tuple[Any, str, Wrapper]
"""An object, the name of one of its methods, and what is put around it."""


def methods(client: Any) -> list[Method]:
    """The methods of a client that send its requests.

    Raises:
        TypeError: If it is no client of an SDK that streamspan observes.
    """
    found = [method for find in _FINDERS for method in find(client)]
    if not found:
        msg = (
            "wrap() takes a client of openai, anthropic, google-genai, boto3 (bedrock-runtime, bedrock-agent-runtime) or "
            f"aiobotocore, not {type(client).__qualname__}"
        )
        raise TypeError(msg)
    return found


def observe(client: Any, telemetry: Telemetry) -> None:
    """Has the requests of this client observed from now on.

    Raises:
        TypeError: As `methods` does.
    """
    for holder, name, wrapper in methods(client):
        own(holder, telemetry)
        setattr(holder, name, partial(_send, holder, name, wrapper))
    for target in _STAINLESS:
        if next(_stainless(target, client), None):
            _observe_more(target, client, telemetry)
    for sender in _senders(client):
        own(sender, telemetry)
        patch_for_own(google_genai.INTERACTIONS)


def leave(client: Any) -> None:
    """Puts the client back as it was; streams that it has open are observed to their end.

    Raises:
        TypeError: As `methods` does.
    """
    for holder, name, _ in methods(client):
        disown(holder)
        holder.__dict__.pop(name, None)
    for name in _COPYING:
        client.__dict__.pop(name, None)
    for sender in _senders(client):
        disown(sender)


def _send(holder: Any, name: str, wrapper: Wrapper, /, *args: Any, **kwargs: Any) -> Any:
    function = strip(getattr(holder.__class__, name), wrapper).__get__(holder)
    if name in _AROUND:  # what sends is called by it, and has its own wrapper on the instance, too
        return wrapper(function, holder, args, kwargs)
    return wrapper(beneath(holder, function), holder, args, kwargs)


_AROUND = frozenset({"generate_content", "generate_content_stream"})
"""Methods of google-genai's that send nothing themselves, but call those that do."""


# --- clients made by Stainless: openai, anthropic --------------------------------------------------------------------

_COPYING = ("copy", "with_options")


def _observe_more(target: Target, client: Any, telemetry: Telemetry) -> None:
    """Its copies too; and a span that the SDK itself may make is left out for it, which a function of the module decides."""
    for name in _COPYING:
        setattr(client, name, partial(_copy, client, name, telemetry))
    patch_for_own(replace(target, wrappers={name: wrapper for name, wrapper in target.wrappers.items() if "." not in name}))


def _copy(client: Any, name: str, telemetry: Telemetry, /, *args: Any, **kwargs: Any) -> Any:
    copied = getattr(client.__class__, name)(client, *args, **kwargs)
    guard("observing a copied client")(observe)(copied, telemetry)
    return copied


def _stainless(target: Target, client: Any) -> Iterator[Method]:
    for path, wrapper in target.wrappers.items():
        kind, _, name = path.rpartition(".")
        if kind in {"SyncAPIClient", "AsyncAPIClient"} and _is_a(client, target.module, kind):
            yield client, name, wrapper


_STAINLESS = (*openai.TARGETS, *anthropic.TARGETS)


# --- google-genai: what sends is not the client, but a part of it ----------------------------------------------------


def _google(client: Any) -> Iterator[Method]:
    """Of a client its asynchronous half as well, which ``client.aio`` is."""
    (target,) = (target for target in google_genai.TARGETS if target.module == "google.genai.models")
    halves = {
        "Models": client if _is_a(client, "google.genai.client", "Client") else None,
        "AsyncModels": client if _is_a(client, "google.genai.client", "AsyncClient") else None,
    }
    halves["AsyncModels"] = halves["AsyncModels"] or getattr(halves["Models"], "aio", None)
    for path, wrapper in target.wrappers.items():
        kind, _, name = path.rpartition(".")
        if (half := halves[kind]) is not None:
            yield half.models, name, wrapper


def _senders(client: Any) -> Iterator[Any]:
    """What a client of google-genai sends interactions with; they are made when they are asked for, and do not know it."""
    is_whole = _is_a(client, "google.genai.client", "Client")
    if is_whole or _is_a(client, "google.genai.client", "AsyncClient"):
        names = ("_httpx_client", "_async_httpx_client") if is_whole else ("_async_httpx_client",)
        yield from (found for name in names if (found := getattr(client._api_client, name, None)) is not None)


# --- Amazon ----------------------------------------------------------------------------------------------------------


def _amazon(client: Any) -> Iterator[Method]:
    for target in botocore.TARGETS:
        for path, wrapper in target.wrappers.items():
            kind, _, name = path.rpartition(".")
            if _is_a(client, target.module, kind) and client.meta.service_model.service_name in botocore.SERVICES:
                yield client, name, wrapper


def _is_a(client: Any, module: str, name: str) -> bool:
    """Whether it is an instance of a class of that module; of one that is not loaded nothing is."""
    kind: type[Any] | None = getattr(sys.modules.get(module), name, None)
    return kind is not None and isinstance(client, kind)


_FINDERS: tuple[Callable[[Any], Iterator[Method]], ...] = (
    *(partial(_stainless, target) for target in _STAINLESS),
    _google,
    _amazon,
)

"""Other vendors' instrumentors of the SDKs that streamspan observes: who they are, and which of them are active.

They are known by what they are, not by the name of their entry point, which they share ("openai") and which may mislead
("boto3" is one for Bedrock): the module of such an instrumentor says what it instruments, ``<vendor>.instrumentation.<sdk>``.
"""

import os
import re
import sys
from collections.abc import Callable, Iterator
from functools import cache
from importlib.metadata import entry_points
from typing import Any

from opentelemetry.instrumentation.environment_variables import OTEL_PYTHON_DISABLED_INSTRUMENTATIONS
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # pyright: ignore[reportMissingTypeStubs]

from streamspan.errors import guard, logger, once

GROUP = "opentelemetry_instrumentor"
BOTOCORE = "opentelemetry.instrumentation.botocore"
"""Contrib's instrumentor of every AWS service, of which Bedrock is one: it cannot be left out altogether."""

_MODULE = re.compile(r"(?P<root>.+?\.instrumentation\.(?:genai\.)?(?P<sdk>\w+?)(?:_v\d+)?)(?:\.|$)")
_PACKAGES = {
    "openai": frozenset({"openai"}),
    "anthropic": frozenset({"anthropic"}),
    "google_genai": frozenset({"google.genai"}),
    "google_generativeai": frozenset({"google.genai"}),  # OpenLLMetry's, which instruments the SDK that came after that name
    "bedrock": frozenset({"botocore", "aiobotocore"}),
}
"""What an instrumentor's module is called, and the packages that it instruments."""
_FRAMEWORKS = frozenset({"opentelemetry.instrumentation.langchain", "openinference.instrumentation.langchain"})
"""Instrumentors of frameworks whose span of a model call is not current while the call is sent, so that it cannot be shared."""
_UNKNOWN = frozenset[str]()

_looked: set[str] = set()


def packages_of(module: str) -> frozenset[str]:
    """The packages that another vendor's instrumentor in ``module`` instruments, as far as streamspan may observe them."""
    match = _MODULE.match(module)
    return _PACKAGES.get(match["sdk"], _UNKNOWN) if match else _UNKNOWN


def is_rival(module: str, observed: frozenset[str]) -> bool:
    """Whether another vendor's instrumentor in ``module`` gives a second span to calls of the packages that are ``observed``."""
    return not observed.isdisjoint(packages_of(module)) or (module in _FRAMEWORKS and bool(observed))


def disabled() -> frozenset[str]:
    """The names of the entry points that the user has switched off."""
    names = os.environ.get(OTEL_PYTHON_DISABLED_INSTRUMENTATIONS, "").split(",")
    return frozenset(name.strip() for name in names)


# --- who is active beside us -----------------------------------------------------------------------------------------


def look_once(package: str) -> None:
    """Looks for rivals at the first call of a package, as they may have come after us."""
    if package not in _looked:
        _looked.add(package)
        look(package)


@guard("looking for other instrumentors")
def look(package: str) -> None:
    """Logs the rivals that are active on a package now, each once. It looks at what is loaded, and imports nothing."""
    for kind in _active(BaseInstrumentor):
        match = _MODULE.match(kind.__module__)
        if match and _observes(match["root"], package) and once("rival", match["root"]):
            _warn(match["root"], kind.__name__)


def _active(root: type[BaseInstrumentor]) -> Iterator[type[BaseInstrumentor]]:
    for kind in root.__subclasses__():
        if getattr(kind.__dict__.get("_instance"), "is_instrumented_by_opentelemetry", False):
            yield kind
        yield from _active(kind)


def _observes(module: str, package: str) -> bool:
    if module == BOTOCORE:
        return package == "botocore" and not _silenced
    return is_rival(module, frozenset({package}))


def _warn(root: str, kind: str) -> None:
    points = [point for point in entry_points(group=GROUP) if point.module == root]
    name = next((point.name for point in sorted(points, key=lambda point: point.attr != kind)), None)
    variable = f"set {OTEL_PYTHON_DISABLED_INSTRUMENTATIONS}={name} or " if name else ""
    logger.warning(
        "%s observes the same model calls as streamspan, so their tokens may be counted twice. To leave it out, %sdo not call "
        "its instrument(); to leave out streamspan's instead, set %s=streamspan-... (see docs/beside-others.md)",
        root,
        variable,
        OTEL_PYTHON_DISABLED_INSTRUMENTATIONS,
    )


# --- contrib's spans of Bedrock's models -----------------------------------------------------------------------------

_REGISTRIES = ("_BOTOCORE_EXTENSIONS", "_AIOBOTOCORE_EXTENSIONS", "_KNOWN_EXTENSIONS")  # the last one until 0.65b0
_silenced = False


def silence_botocore(service: str, is_observed: Callable[[str], bool]) -> None:
    """Has contrib's botocore instrumentor, once it is imported, make no span for some operations of a service; all else stays."""
    global _silenced  # noqa: PLW0603
    extensions = sys.modules[f"{BOTOCORE}.extensions"]
    base: Any = sys.modules[f"{BOTOCORE}.extensions.types"]._AwsSdkExtension
    for registry in filter(None, (getattr(extensions, name, None) for name in _REGISTRIES)):
        registry[service] = _quieter(registry.get(service, lambda: base), is_observed)
        _silenced = True


def _quieter(load: Callable[[], type[Any]], is_observed: Callable[[str], bool]) -> Callable[[], type[Any]]:
    @cache
    def load_quieter() -> type[Any]:
        extension = load()

        def should_trace_service_call(self: Any) -> bool:
            return not is_observed(self._call_context.operation) and extension.should_trace_service_call(self)

        return type("Quieter", (extension,), {"should_trace_service_call": should_trace_service_call})

    return load_quieter

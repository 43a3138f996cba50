"""Which generation of the GenAI conventions is spoken: the one that backends read today, the next one, or both."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from streamspan import semconv

_NEWER: Final = {semconv.USAGE_CACHE_CREATION_INPUT_TOKENS: semconv.USAGE_CACHE_WRITE_INPUT_TOKENS}
"""The attributes that 1.42-dev calls otherwise. What it adds is written in any case: an unknown name harms nobody."""


@dataclass(frozen=True, slots=True)
class Conventions:
    """One choice of `Settings.conventions`."""

    writes_older: bool
    """Whether the names of 1.41 are written."""
    writes_newer: bool
    """Whether those of 1.42-dev are."""

    @property
    def schema_url(self) -> str:
        """Whose names these are. Of both, the older: it is the one that backends know."""
        return semconv.SCHEMA_URL if self.writes_older else semconv.NEWER_SCHEMA_URL

    def spell(self, attributes: Mapping[str, Any]) -> Mapping[str, Any]:
        """The same attributes under the names of this choice."""
        if not self.writes_newer or not (changed := _NEWER.keys() & attributes.keys()):
            return attributes
        newer = {_NEWER[key]: attributes[key] for key in changed}
        older = attributes if self.writes_older else {key: value for key, value in attributes.items() if key not in changed}
        return {**older, **newer}


BY_NAME: Final = {
    "1.41": Conventions(writes_older=True, writes_newer=False),
    "1.42-dev": Conventions(writes_older=False, writes_newer=True),
    "both": Conventions(writes_older=True, writes_newer=True),
}

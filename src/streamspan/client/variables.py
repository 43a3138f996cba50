"""``{{name}}`` in what the caller wrote."""

import re
from collections.abc import Mapping

_PLACE = re.compile(r"\{\{\s*([\w.-]+)\s*\}\}")


def fill(text: str, variables: Mapping[str, object]) -> str:
    """``text`` with each ``{{name}}`` that ``variables`` has replaced by its value, in one pass.

    A name that it lacks stays as it is: braces may be part of what is said. Values are not looked into again.
    """
    return _PLACE.sub(lambda found: str(variables[found[1]]) if found[1] in variables else found[0], text)

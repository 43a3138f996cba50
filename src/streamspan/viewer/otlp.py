"""OTLP's values as plain Python that JSON can hold."""

import base64
import math
from collections.abc import Iterable
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue


def attributes(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    """Attributes by their names; of two with one name, the last."""
    return {pair.key: value(pair.value) for pair in pairs}


def value(any_value: AnyValue) -> Any:
    """What an attribute holds: nested as it is, bytes in base64, numbers that JSON does not have as their names."""
    match any_value.WhichOneof("value"):
        case "array_value":
            return [value(item) for item in any_value.array_value.values]
        case "kvlist_value":
            return attributes(any_value.kvlist_value.values)
        case "bytes_value":
            return base64.b64encode(any_value.bytes_value).decode()
        case "double_value":
            number = any_value.double_value
            return number if math.isfinite(number) else str(number)
        case None:
            return None
        case kind:
            return getattr(any_value, kind)

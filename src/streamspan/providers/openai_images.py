"""OpenAI's image generation, editing and variation: text and images in, images out.

https://platform.openai.com/docs/api-reference/images

The images themselves never reach the span, nor do the pictures that a stream shows on the way.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from streamspan import semconv, shapes
from streamspan.answer import Sink
from streamspan.usage import Usage
from streamspan.wire import Attributes, Prompt, WireFormat, extras, fields, request_attributes, sequence


def read(event: Any, into: Sink) -> None:
    """Reads one event of a stream, or a whole answer with its list of images."""
    top = fields(event)
    kind = str(top.get("type") or "")
    if error := fields(top.get("error") or extras(event).get("error")):
        into.error(str(error.get("code") or error.get("type") or "error"), str(error.get("message") or ""))
    elif kind.endswith(".completed"):
        into.part(0, _image(top, top))
        into.usage(read_usage(fields(top.get("usage"))))
        into.done()
    elif not kind:
        for image in sequence(top.get("data")):
            into.part(0, _image(fields(image), top))
        into.usage(read_usage(fields(top.get("usage"))))


def _image(image: dict[str, Any], top: dict[str, Any]) -> dict[str, Any]:
    given = image.get("url") or image.get("b64_json")
    kind = None if image.get("url") else f"image/{top.get('output_format') or 'png'}"
    return shapes.media(given, kind, "image", revised_prompt=image.get("revised_prompt"))


def read_usage(usage: dict[str, Any]) -> Usage:
    """The ``usage`` object: text and images in, images out, and text where it says so."""
    output = usage.get("output_tokens")
    return Usage(
        input_tokens=usage.get("input_tokens"),
        input_image_tokens=fields(usage.get("input_tokens_details")).get("image_tokens"),
        output_tokens=output,
        output_image_tokens=fields(usage.get("output_tokens_details")).get("image_tokens", output),
    )


# --- the request -----------------------------------------------------------------------------------------------------


def request(body: Mapping[str, Any]) -> Attributes:
    """The request's parameters, where it sets them."""
    attributes = request_attributes(body, {"model": (semconv.REQUEST_MODEL, str), "n": (semconv.REQUEST_CHOICE_COUNT, int)})
    attributes[semconv.OUTPUT_TYPE] = "image"
    return attributes


def prompt(body: Mapping[str, Any]) -> Prompt:
    """What the image shall show."""
    text = body.get("prompt")
    return Prompt(messages=[{"role": "user", "parts": [shapes.text(text)]}] if isinstance(text, str) else None)


GENERATE = WireFormat(
    "openai",
    "/images/generations",
    semconv.GENERATE_CONTENT,
    read,
    request,
    prompt,
    ends_with_event=True,
    gives_reasons=False,
    estimates=False,
)
EDIT = replace(GENERATE, path="/images/edits")
VARY = replace(GENERATE, path="/images/variations")

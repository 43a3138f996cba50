"""OpenAI's audio: transcriptions and translations (sound in, text out) and speech (text in, sound out).

https://platform.openai.com/docs/api-reference/audio

The sound itself never reaches the span.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from streamspan import semconv, shapes
from streamspan.answer import Sink
from streamspan.usage import Usage
from streamspan.wire import Attributes, Prompt, WireFormat, extras, fields, request_attributes


def read(event: Any, into: Sink) -> None:
    """Reads one event of a stream, or a whole answer, which is bare text if the request asked for that."""
    if isinstance(event, str):
        into.text(0, event)
        return
    top = fields(event)
    if error := fields(top.get("error") or extras(event).get("error")):
        into.error(str(error.get("code") or error.get("type") or "error"), str(error.get("message") or ""))
    match top.get("type"):
        case "transcript.text.delta":
            into.text(0, str(top.get("delta") or ""))
        case "transcript.text.done" | "speech.audio.done":
            _read_whole(top, extras(event), into)
            into.done()
        case None:
            _read_whole(top, extras(event), into)
        case _:
            pass  # segments, which repeat the deltas, and sound


def _read_whole(top: dict[str, Any], extra: dict[str, Any], into: Sink) -> None:
    text = top.get("text")
    if isinstance(text, str) and "text" not in into.kinds:
        into.text(0, text)
    into.usage(read_usage(fields(top.get("usage") or extra.get("usage"))))


def read_usage(usage: dict[str, Any]) -> Usage:
    """The ``usage`` object: tokens, or, of models that are paid by it, the time that the sound takes."""
    seconds = usage.get("seconds")
    return Usage(
        input_tokens=usage.get("input_tokens"),
        input_audio_tokens=fields(usage.get("input_token_details")).get("audio_tokens"),
        output_tokens=usage.get("output_tokens"),
        audio_seconds=seconds if isinstance(seconds, int | float) else None,
    )


# --- the request -----------------------------------------------------------------------------------------------------

_REQUEST = {"model": (semconv.REQUEST_MODEL, str), "temperature": (semconv.REQUEST_TEMPERATURE, float)}


def request(body: Mapping[str, Any]) -> Attributes:
    """The parameters of a request for text."""
    return {**request_attributes(body, _REQUEST), semconv.OUTPUT_TYPE: "text"}


def request_speech(body: Mapping[str, Any]) -> Attributes:
    """The parameters of a request for speech."""
    return {**request_attributes(body, _REQUEST), semconv.OUTPUT_TYPE: "speech"}


def prompt(body: Mapping[str, Any]) -> Prompt:
    """The hint that goes with the sound."""
    return _say(body.get("prompt"))


def prompt_speech(body: Mapping[str, Any]) -> Prompt:
    """The text to be spoken, and how."""
    how = body.get("instructions")
    said = _say(body.get("input"))
    return Prompt(said.messages, system=[shapes.text(how)]) if isinstance(how, str) else said


def _say(text: Any) -> Prompt:
    return Prompt(messages=[{"role": "user", "parts": [shapes.text(text)]}] if isinstance(text, str) else None)


TRANSCRIBE = WireFormat(
    "openai",
    "/audio/transcriptions",
    semconv.GENERATE_CONTENT,
    read,
    request,
    prompt,
    ends_with_event=True,
    gives_reasons=False,
    estimates=False,
)
TRANSLATE = replace(TRANSCRIBE, path="/audio/translations")
SPEAK = replace(TRANSCRIBE, path="/audio/speech", request=request_speech, prompt=prompt_speech, spoken="input")

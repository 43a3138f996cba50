"""The final output of a call, as a program has it in hand: text, messages, or a provider's whole answer."""

from typing import Any

from streamspan.answer import Answer, dump_json
from streamspan.manual import prompts
from streamspan.manual.chunks import recognise
from streamspan.wire import WireFormat, fields, sequence


def say(answer: Answer, output: Any) -> WireFormat | None:
    """Has ``answer`` say ``output`` in place of the text that it has so far.

    Returns:
        The format of a provider's whole answer, if it is one.
    """
    wire = None if isinstance(output, str) else recognise(output)
    if wire is not None:
        answer.anew()
        wire.read(output, answer)
    elif messages := _messages(output):
        answer.anew()
        for message in messages:
            _say_parts(answer, message)
    else:
        _say_text(answer, output if isinstance(output, str) else dump_json(_plain(output)))
    return wire


def _plain(output: Any) -> Any:
    dump = getattr(output, "model_dump", None)
    return dump(mode="json") if callable(dump) else output


def _messages(output: Any) -> list[dict[str, Any]]:
    """Messages of the assistant's, if that is what it is."""
    given = sequence(output) if isinstance(output, list | tuple) else [output]
    if not given or not all({"content", "parts"} & fields(item).keys() and "role" in fields(item) for item in given):
        return []
    return prompts.read(given).messages or []


def _say_parts(answer: Answer, message: dict[str, Any]) -> None:
    answer.boundary(0)
    for key, part in enumerate(sequence(message.get("parts"))):
        match part:
            case {"type": "text", "content": str(text)}:
                answer.text(0, text)
            case {"type": "tool_call", "name": name, "arguments": arguments, **rest}:
                answer.tool_call(0, key, name, dump_json(arguments), rest.get("id"))
            case _:
                answer.part(0, part)


def _say_text(answer: Answer, text: str) -> None:
    choice = answer.choice(0)
    if "".join(part.string for part in answer.parts("text", "refusal")) != text:
        choice.parts[:] = [part for part in choice.parts if part.kind not in {"text", "refusal"}]
        answer.boundary(0)
        if text:
            answer.text(0, text)

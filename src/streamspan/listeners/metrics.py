"""What is recorded of a call that has ended; all of it by the thread that looks after calls."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from opentelemetry.context import Context

from streamspan import semconv
from streamspan.charges import Charges
from streamspan.ended import Ended
from streamspan.instruments import Instruments
from streamspan.usage import Usage
from streamspan.wire import Attributes


def describe(opening: Attributes, response: Attributes, more: Attributes) -> Attributes:
    """The attributes that all metrics of one call have.

    Args:
        opening: What was known of it when it began.
        response: Who answered.
        more: What the user wants to tell calls apart by, besides.
    """
    known = {**opening, **response}
    return {**more, **{key: known[key] for key in _KEYS if key in known}}


_KEYS: Final = (
    semconv.OPERATION_NAME,
    semconv.PROVIDER_NAME,
    semconv.REQUEST_MODEL,
    semconv.RESPONSE_MODEL,
    semconv.SERVER_ADDRESS,
    semconv.SERVER_PORT,
)


def record(instruments: Instruments, ended: Ended, more: Attributes) -> None:
    """Records all that metrics tell of one call.

    Args:
        instruments: Where it is recorded.
        ended: The call.
        more: Attributes beside those that each call has.
    """
    known, context = describe(ended.opening, ended.response, more), ended.context
    failed: Attributes = {semconv.ERROR_TYPE: ended.failure.code} if ended.failure else {}
    first_chunk: Any = ended.timing.get(semconv.RESPONSE_TIME_TO_FIRST_CHUNK)
    for timings in instruments.timings(ended.request.wire.operation):
        timings.duration.record(ended.duration, {**known, **failed}, context)
        if first_chunk is not None:
            timings.first_chunk.record(first_chunk, known, context)
    instruments.outcomes.add(1, {**known, semconv.OUTCOME: ended.outcome, **failed}, context)
    if ended.hold is not None and ended.hold.verdict:
        for key in ended.hold.exceeded_budgets():
            said = {semconv.BUDGET_VERDICT: ended.hold.verdict, semconv.BUDGET_KEY: key}
            instruments.exceeded_calls.add(1, {**known, **said}, context)
    _record_cost(instruments, ended.charges, known, context)
    _record_tokens(instruments, ended, known, failed)


def record_gaps(instruments: Instruments, operation: str, known: Attributes, gaps: Sequence[float], context: Context) -> None:
    """Records the seconds between chunks."""
    for timings in instruments.timings(operation):
        for gap in gaps:
            timings.output_chunk.record(gap, known, context)


def _record_cost(instruments: Instruments, charges: Charges, known: Attributes, context: Context) -> None:
    if charges.price is not None:
        estimated: Attributes = {semconv.COST_IS_ESTIMATED: True} if charges.estimated else {}
        instruments.cost.add(float(charges.price.total), {**known, **estimated}, context)


# --- tokens: by the conventions, only those that the provider reported -------------------------------------------------


def _record_tokens(instruments: Instruments, ended: Ended, known: Attributes, failed: Attributes) -> None:
    operation, context, counts = ended.request.wire.operation, ended.context, _reported(ended.charges)
    if instruments.tells_older(operation):
        for kind, count in counts.items():
            instruments.token_usage.record(count, {**known, semconv.TOKEN_TYPE: kind}, context)
    if instruments.tells_newer(operation):
        for kind, count in counts.items():
            instruments.token_sizes[_SIZES[kind]].record(count, {**known, **failed}, context)
        for name, modality, count in _counted(ended.charges.usage, counts):
            instruments.token_counts[name].add(count, {**known, semconv.TOKEN_MODALITY: modality}, context)


_SIZES: Final = {
    semconv.TOKEN_TYPE_INPUT: semconv.INFERENCE_CALL_INPUT_TOKENS,
    semconv.TOKEN_TYPE_OUTPUT: semconv.INFERENCE_CALL_OUTPUT_TOKENS,
}


def _reported(charges: Charges) -> dict[str, int]:
    """Input and output, as far as the provider reported them."""
    usage, estimated = charges.usage, charges.estimated
    counts = {
        semconv.TOKEN_TYPE_INPUT: None if "input_tokens" in estimated else usage.total_input_tokens,
        semconv.TOKEN_TYPE_OUTPUT: None if "output_tokens" in estimated else usage.output_tokens,
    }
    return {kind: count for kind, count in counts.items() if count is not None}


def _counted(usage: Usage, counts: dict[str, int]) -> Iterator[tuple[str, str, int]]:
    """What goes into which counter, and of which modality it is."""
    if (count := counts.get(semconv.TOKEN_TYPE_INPUT)) is not None:
        audio, image = usage.input_audio_tokens, usage.input_image_tokens
        for modality, part in _split(count, {semconv.MODALITY_AUDIO: audio, semconv.MODALITY_IMAGE: image}):
            yield semconv.INFERENCE_INPUT_TOKENS, modality, part
    if (count := counts.get(semconv.TOKEN_TYPE_OUTPUT)) is not None:
        for modality, part in _split(count, {semconv.MODALITY_AUDIO: usage.output_audio_tokens}):
            yield semconv.INFERENCE_OUTPUT_TOKENS, modality, part
    for name, part in (
        (semconv.INFERENCE_CACHE_READ_TOKENS, usage.cache_read_tokens),
        (semconv.INFERENCE_CACHE_WRITE_TOKENS, usage.cache_write_tokens),
        (semconv.INFERENCE_REASONING_TOKENS, usage.reasoning_tokens),
    ):
        if part is not None:
            yield name, semconv.MODALITY_UNKNOWN, part


def _split(total: int, parts: dict[str, int | None]) -> Iterator[tuple[str, int]]:
    """The parts that are told apart, and the rest, whose modality nobody has said."""
    told = {modality: part for modality, part in parts.items() if part}
    if (rest := total - sum(told.values())) < 0:  # parts that cannot be: what is counted is the total
        told, rest = {}, total
    yield from told.items()
    if rest or not told:
        yield semconv.MODALITY_UNKNOWN, rest

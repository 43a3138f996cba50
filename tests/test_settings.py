"""Settings: where they come from, which is stronger, and one clear message for what is wrong."""

from typing import Any, get_type_hints

import pytest

import streamspan
from streamspan import Settings, SettingsError, environment_variables
from streamspan.setting_arguments import SettingArguments
from streamspan.settings import PREFIX

import settings_page


def test_every_setting_is_a_typed_keyword() -> None:
    """Type checkers know the settings that there are, and no others; each takes what its field can be."""
    typed, fields = get_type_hints(SettingArguments), get_type_hints(Settings)
    assert typed.keys() == fields.keys(), "src/streamspan/setting_arguments.py has a line for each field of Settings"
    widened = {name for name in typed if typed[name] != fields[name]}
    assert widened == {"budgets", "metric_attributes"}, "a keyword that takes more than what its field is made of is named here"


def test_defaults() -> None:
    """Content is captured, chunks are not, the preview holds 4096 characters."""
    assert Settings.load(environ={}) == Settings(capture_content=True, capture_stream_chunks=False, stream_preview_chars=4096)


@pytest.mark.parametrize(
    ("environ", "overrides", "expected"),
    [
        ({"STREAMSPAN_CAPTURE_STREAM_CHUNKS": "true"}, {}, {"capture_stream_chunks": True}),
        ({"STREAMSPAN_CAPTURE_STREAM_CHUNKS": "1"}, {"capture_stream_chunks": False}, {"capture_stream_chunks": False}),
        ({"STREAMSPAN_STREAM_PREVIEW_CHARS": " 12 "}, {}, {"stream_preview_chars": 12}),
        ({"STREAMSPAN_PROGRESS_INTERVAL": "2"}, {}, {"progress_interval": 2.0}),
        ({"STREAMSPAN_IDLE_TIMEOUT": "1.5"}, {"idle_timeout": 60}, {"idle_timeout": 60}),
        ({"STREAMSPAN_CAPTURE_CONTENT": "no"}, {}, {"capture_content": False}),
        ({"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "false"}, {}, {"capture_content": False}),
        ({"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "NO_CONTENT"}, {}, {"capture_content": False}),
        ({"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "EVENT_ONLY"}, {}, {"capture_content": "event"}),
        ({"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "span_and_event"}, {}, {"capture_content": "both"}),
        ({"STREAMSPAN_CAPTURE_CONTENT": "Span"}, {}, {"capture_content": "span"}),
        ({"STREAMSPAN_CAPTURE_CONTENT": "both"}, {"capture_content": "off"}, {"capture_content": False}),
        ({"STREAMSPAN_CAPTURE_STREAM_CHUNKS": "log"}, {}, {"capture_stream_chunks": "log"}),
        ({"STREAMSPAN_CONVENTIONS": "both"}, {}, {"conventions": "both"}),
        ({"OTEL_INSTRUMENTATION_GENAI_EMIT_EVENT": "true"}, {}, {"details_event": True}),
        (
            {"OTEL_INSTRUMENTATION_GENAI_EMIT_EVENT": "true", "STREAMSPAN_DETAILS_EVENT": "off"},
            {},
            {"details_event": False},
        ),
        (
            {"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "false", "STREAMSPAN_CAPTURE_CONTENT": "true"},
            {},
            {"capture_content": True},
        ),
        ({"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "false"}, {"capture_content": True}, {"capture_content": True}),
    ],
)
def test_strength(environ: dict[str, str], overrides: dict[str, Any], expected: dict[str, Any]) -> None:
    """A keyword is stronger than our variable, which is stronger than the shared one, which is stronger than the default."""
    assert Settings.load(overrides, environ) == Settings(**expected)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"capture_stream_chunk": True}, "there is no setting 'capture_stream_chunk'; did you mean 'capture_stream_chunks'?"),
        (
            {"colour": "red"},
            (f"there is no setting 'colour'; there are: {', '.join(sorted(Settings.__dataclass_fields__))}"),
        ),
        ({"stream_preview_chars": -1}, "stream_preview_chars must be 0 (no preview) or more, not -1"),
        ({"stream_preview_chars": "many"}, "stream_preview_chars must be a whole number, not 'many'"),
        ({"stream_preview_chars": True}, "stream_preview_chars must be a whole number, not True"),
        ({"progress_interval": -0.5}, "progress_interval must be 0 (no events) or more, not -0.5"),
        ({"idle_timeout": float("inf")}, "idle_timeout must be 0 (no timeout) or more, not inf"),
        ({"idle_timeout": "soon"}, "idle_timeout must be a number, not 'soon'"),
        ({"pending_span": "yes"}, "pending_span must be true or false, not 'yes'"),
        ({"capture_content": "yes"}, "capture_content must be one of true, false, off, span, event, both, not 'yes'"),
        ({"conventions": 1.41}, "conventions must be one of 1.41, 1.42-dev, both, not 1.41"),
    ],
)
def test_wrong_keyword_is_one_clear_message(overrides: dict[str, Any], message: str) -> None:
    """A keyword that does not exist, or a value that it cannot take, raises one message that names it, and patches nothing."""
    with pytest.raises(SettingsError) as caught:
        streamspan.instrument(**overrides)

    assert str(caught.value) == message
    assert not streamspan.OpenAIInstrumentor().is_instrumented_by_opentelemetry


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        (
            {"STREAMSPAN_STREAM_PREVIEW_CHARS": "-1"},
            (
                "streamspan: environment: STREAMSPAN_STREAM_PREVIEW_CHARS: "
                "stream_preview_chars must be 0 (no preview) or more, not -1; using 4096"
            ),
        ),
        (
            {"STREAMSPAN_STREAM_PREVIEW_CHARS": "lots"},
            "streamspan: environment: STREAMSPAN_STREAM_PREVIEW_CHARS: 'lots' is not a whole number; using 4096",
        ),
        (
            {"STREAMSPAN_PROGRESS_INTERVAL": "nan"},
            (
                "streamspan: environment: STREAMSPAN_PROGRESS_INTERVAL: "
                "progress_interval must be 0 (no events) or more, not nan; using 0.5"
            ),
        ),
        (
            {"STREAMSPAN_CAPTURE_STREAM_CHUNKS": "maybe"},
            (
                "streamspan: environment: STREAMSPAN_CAPTURE_STREAM_CHUNKS: "
                "'maybe' is not one of true, false, span, log, both; using False"
            ),
        ),
        (
            {"STREAMSPAN_CAPTURE_CHUNKS": "true"},
            "streamspan: environment: there is no setting 'STREAMSPAN_CAPTURE_CHUNKS'; did you mean 'STREAMSPAN_CAPTURE_STREAM_CHUNKS'?",
        ),
    ],
)
def test_wrong_variable_is_one_line_in_the_log(environ: dict[str, str], message: str, caplog: pytest.LogCaptureFixture) -> None:
    """What is wrong in the environment is one line that names the variable, and the default is used: no program stops for it."""
    assert Settings.load(environ=environ) == Settings()
    assert caplog.messages == [message]


def test_unknown_capture_word_captures_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever sets the capture variable to something unknown was thinking of privacy: no content is captured."""
    environ = {"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "sometimes"}

    assert Settings.load(environ=environ) == Settings(capture_content=False)
    assert len(caplog.messages) == 1


@pytest.mark.parametrize(
    ("capture_content", "on_span", "in_logs", "details"),
    [
        (True, True, True, False),
        ("span", True, False, False),
        ("event", False, True, True),
        ("both", True, True, True),
        (False, False, False, False),
        ("off", False, False, False),
    ],
)
def test_where_content_goes(capture_content: Any, *, on_span: bool, in_logs: bool, details: bool) -> None:
    """One word says which signals may hold content; the event with the details comes by itself only where it may hold it."""
    settings = Settings(capture_content=capture_content)

    assert (settings.content_on_span, settings.content_in_logs, settings.sends_details) == (on_span, in_logs, details)
    assert Settings(capture_content=capture_content, details_event=True).sends_details


def test_page_is_up_to_date(request: pytest.FixtureRequest) -> None:
    """docs/settings.md says what the docstrings of the settings say."""
    if request.config.getoption("--write-settings"):
        settings_page.PAGE.write_text(settings_page.page())
    assert settings_page.PAGE.read_text() == settings_page.page(), (
        "write it again: pytest tests/test_settings.py --write-settings"
    )


def test_every_setting_has_its_variable() -> None:
    """The variables that ``opentelemetry-instrument`` offers as options are exactly the settings."""
    offered = {name for name in vars(environment_variables) if name.startswith(PREFIX)}

    assert offered == {PREFIX + name.upper() for name in Settings.__dataclass_fields__}

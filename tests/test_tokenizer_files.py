"""Tokenizers out of local files, which their library reads: `tokenizers`, an extra, is in the main environment only."""

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import streamspan
from streamspan.estimate import estimate_tokens


def test_a_file_counts(tmp_path: Path) -> None:
    """A ``tokenizer.json`` counts as its library does, without the tokens that it would put around, and whatever it would cut off."""
    tokenizers: Any = import_module("tokenizers")
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel({"[UNK]": 0, "Lima": 1, "is": 2}, unk_token="[UNK]"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    made.enable_truncation(3)
    path = tmp_path / "tokenizer.json"
    made.save(str(path))

    settings = streamspan.Settings.load(environ={"STREAMSPAN_TOKENIZERS": f"house-*={path}"})
    assert settings.count_tokens("house-1")("Lima is, in short, Lima.") == 8
    assert settings.count_tokens(None, "gpt-4o", "house-1")("Lima is") == 2
    assert settings.count_tokens("gpt-4o") is estimate_tokens


def test_a_file_that_is_not_there_is_one_clear_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A keyword raises; a variable is one line in the log, and tokens are estimated. A file of another kind is told apart."""
    missing, broken = tmp_path / "missing.json", tmp_path / "broken.json"
    broken.write_text("{}")
    with pytest.raises(streamspan.SettingsError) as caught:
        streamspan.instrument(tokenizers={"*": missing})
    assert str(caught.value) == f"tokenizers names the file {str(missing)!r}, which is not there"
    with pytest.raises(streamspan.SettingsError, match=r"tokenizers names the file .*broken\.json'"):
        streamspan.Settings(tokenizers={"*": broken})
    with pytest.raises(streamspan.SettingsError, match="tokenizers must be a mapping of model patterns to functions"):
        streamspan.Settings.load({"tokenizers": str(broken)})

    settings = streamspan.Settings.load(environ={"STREAMSPAN_TOKENIZERS": f"*={missing}"})
    assert settings.count_tokens("x") is estimate_tokens
    assert len(caplog.messages) == 1
    assert "STREAMSPAN_TOKENIZERS" in caplog.messages[0]

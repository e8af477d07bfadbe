"""Settings: layers, and sentences for what is wrong in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from mato.config.load import load
from mato.config.paths import Paths, find
from mato.config.settings import Settings
from mato_sessions.errors import ConfigError


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    found = find({"MATO_HOME": str(tmp_path)})
    found.config.mkdir(parents=True)
    return found


def test_without_a_file_and_variables_the_defaults_hold(paths: Paths) -> None:
    assert load(paths, {}) == Settings()


def test_the_file_lies_over_the_defaults_and_the_environment_over_the_file(paths: Paths) -> None:
    paths.config_file.write_text(
        'model = "openai/a"\nmode = "read"\n[limits]\nmodel_calls = 7\n[screen]\ntheme = "ink"\n'
    )
    settings = load(paths, {"MATO_MODEL": "openai/b", "MATO_PREFIX": "ctrl+a", "MATO_MODE": ""})
    assert settings.model == "openai/b"
    assert settings.mode == "read"
    assert settings.limits.model_calls == 7
    assert (settings.keys.prefix, settings.screen.theme) == ("ctrl+a", "ink")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('modell = "x"', ["'modell'", "did you mean 'model'", "base_url"]),
        ('[keys]\nprefx = "x"', ["'keys.prefx'", "did you mean 'prefix'"]),
        ('mode = "yolo"', ["'mode'", "'yolo'", "'read', 'ask', 'edit', 'full'"]),
        ("model = 3", ["'model'", "3", "a text in quotes"]),
        ('keys = "x"', ["'keys'", "[keys]"]),
        ('[limits]\ntokens = "many"', ["'limits.tokens'", "'many'", "a whole number"]),
        ("[limits]\nmodel_calls = 0", ["'limits.model_calls'", "0", "a whole number above 0"]),
        ("[limits]\nwall_s = -1", ["'limits.wall_s'", "-1", "a number above 0"]),
        ("[limits]\nwall_s = inf", ["'limits.wall_s'", "a number above 0"]),
        ("[screen]\nsidebar = 1", ["'screen.sidebar'", "true or false"]),
        ("model = ", ["not valid TOML"]),
    ],
)
def test_what_is_wrong_in_the_file_is_named_with_what_is_allowed(
    paths: Paths, text: str, said: list[str]
) -> None:
    paths.config_file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(paths, {})
    for part in [str(paths.config_file), *said]:
        assert part in str(caught.value)


def test_a_wrong_variable_is_named(paths: Paths) -> None:
    with pytest.raises(ConfigError, match=r"MATO_MODE.*'yolo'.*'full'"):
        load(paths, {"MATO_MODE": "yolo"})


def test_limits_of_silence_are_set_like_the_others(paths: Paths) -> None:
    assert load(paths, {}).limits.first_chunk_s == 300.0
    paths.config_file.write_text("[limits]\nfirst_chunk_s = 900\nsilence_s = 45.5\n")
    limits = load(paths, {}).limits
    assert (limits.first_chunk_s, limits.silence_s, limits.model_calls) == (900.0, 45.5, 50)
    for wrong in ("0", "-1", '"never"'):
        paths.config_file.write_text(f"[limits]\nsilence_s = {wrong}\n")
        with pytest.raises(ConfigError, match=r"'limits\.silence_s'.*a number above 0"):
            load(paths, {})


def test_a_file_that_is_not_utf8_is_refused_with_a_sentence(paths: Paths) -> None:
    paths.config_file.write_bytes(b'model = "\xff"')
    with pytest.raises(ConfigError, match="not UTF-8"):
        load(paths, {})


def test_a_folder_in_its_place_is_refused_with_a_sentence(paths: Paths) -> None:
    paths.config_file.mkdir()
    with pytest.raises(ConfigError, match="cannot read"):
        load(paths, {})


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("ctrl+a", "ctrl+a"),
        ("C-a", "ctrl+a"),
        ("c-A", "ctrl+a"),
        ("CTRL+Space", "ctrl+space"),
        ("C-Space", "ctrl+space"),
        ("C-@", "ctrl+space"),
        ("C-\\\\", "ctrl+backslash"),
        ("C-]", "ctrl+right_square_bracket"),
        ("ctrl+underscore", "ctrl+underscore"),
        ("M-x", "alt+x"),
        ("alt+x", "alt+x"),
        ("F1", "f1"),
        ("f12", "f12"),
        (" ctrl+g ", "ctrl+g"),
        ("", ""),
    ],
)
def test_the_prefix_is_written_as_textual_or_tmux_write_keys(
    paths: Paths, written: str, key: str
) -> None:
    paths.config_file.write_text(f'[keys]\nprefix = "{written}"\n')
    assert load(paths, {}).keys.prefix == key
    paths.config_file.unlink()
    if "\\" not in written:
        assert load(paths, {"MATO_PREFIX": written}).keys.prefix == key


@pytest.mark.parametrize(
    "written",
    [
        "banana",
        "a",
        "A",
        "1",
        "enter",
        "space",
        "C-",
        "ctrl+",
        "ctrl+i",
        "C-m",
        "ctrl+h",
        "ctrl+j",
        "M-b",
        "alt+f",
        "ctrl+ab",
        "ctrl+1",
        "shift+a",
        "f0",
        "f13",
        "f99",
        "M-F1",
        "ctrl+ctrl+a",
        "^A",
    ],
)
def test_what_cannot_be_a_prefix_is_refused_in_a_sentence(paths: Paths, written: str) -> None:
    paths.config_file.write_text(f'[keys]\nprefix = "{written}"\n')
    with pytest.raises(ConfigError) as caught:
        load(paths, {})
    for word in (str(paths.config_file), "'keys.prefix'", repr(written), "ctrl+space", "f1 … f12"):
        assert word in str(caught.value)
    paths.config_file.unlink()
    with pytest.raises(ConfigError, match="MATO_PREFIX"):
        load(paths, {"MATO_PREFIX": written})

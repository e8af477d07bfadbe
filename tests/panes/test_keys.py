"""The key table, the prefix, and finding commands by a few letters."""

from __future__ import annotations

import subprocess
import sys

import pytest

from mato_panes import bindings, prefix
from mato_panes.bindings import AFTER_PREFIX, BINDINGS, BY_COMMAND, DIRECT
from mato_panes.prefix import PrefixKeys
from mato_panes.screens import fuzzy


def test_no_key_means_two_things() -> None:
    assert len(AFTER_PREFIX) == sum(len(binding.keys) for binding in BINDINGS)
    assert len(DIRECT) == sum(len(binding.direct) for binding in BINDINGS)
    assert len(BY_COMMAND) == len(BINDINGS)


def test_every_command_can_be_given_by_a_key() -> None:
    assert all(binding.keys for binding in BINDINGS)


def test_tmux_users_find_their_keys() -> None:
    tmux = {
        "%": "split_right",
        '"': "split_down",
        "o": "focus_next",
        "z": "zoom",
        "x": "close_pane",
        "c": "new_window",
        "n": "next_window",
        "p": "previous_window",
        "&": "close_window",
        "d": "detach",
        "[": "scroll_mode",
        ",": "rename_window",
        "$": "rename_session",
        "s": "pick_session",
        "?": "help",
        ":": "palette",
        "{": "swap_previous",
        "space": "even",
    }
    assert {key: AFTER_PREFIX[key].command for key in tmux} == tmux


def test_the_table_prints_itself_as_markdown() -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "mato_panes.bindings"], capture_output=True, text=True, check=True
    )
    assert printed.stdout.rstrip("\n") == bindings.markdown()
    for binding in BINDINGS:
        assert binding.title in printed.stdout


def test_a_key_without_the_prefix_goes_to_the_pane() -> None:
    keys = PrefixKeys("ctrl+b")
    assert keys.press("z", "z", 0) == "pass"
    assert keys.press("ctrl+q", None, 0) == BY_COMMAND["detach"]


def test_the_prefix_takes_one_key() -> None:
    keys = PrefixKeys("ctrl+b")
    assert keys.press("ctrl+b", None, 0) == "armed"
    assert keys.armed
    assert keys.press("percent_sign", "%", 0) == BY_COMMAND["split_right"]
    assert keys.press("percent_sign", "%", 0) == "pass"


def test_the_prefix_twice_goes_through_and_an_unknown_key_is_eaten() -> None:
    keys = PrefixKeys("ctrl+b")
    keys.press("ctrl+b", None, 0)
    assert keys.press("ctrl+b", None, 0) == "through"
    keys.press("ctrl+b", None, 0)
    assert keys.press("Q", "Q", 0) == "unknown"
    assert not keys.armed


def test_the_space_key_is_found_by_its_name() -> None:
    keys = PrefixKeys("ctrl+b")
    keys.press("ctrl+b", None, 0)
    assert keys.press("space", " ", 0) == BY_COMMAND["even"]


def test_a_direct_key_works_after_the_prefix_too() -> None:
    keys = PrefixKeys("ctrl+b")
    keys.press("ctrl+b", None, 0)
    assert keys.press("ctrl+p", None, 0) == BY_COMMAND["palette"]


def test_resizing_repeats_for_a_moment_without_the_prefix() -> None:
    keys = PrefixKeys("ctrl+b")
    keys.press("ctrl+b", None, 0)
    assert keys.press("ctrl+left", None, 0) == BY_COMMAND["resize_left"]
    assert keys.press("ctrl+left", None, 0.5) == BY_COMMAND["resize_left"]
    assert keys.press("ctrl+right", None, 1.0) == BY_COMMAND["resize_right"]
    assert keys.press("ctrl+right", None, 1.7) == "pass"


def test_any_other_key_ends_the_repeating() -> None:
    keys = PrefixKeys("ctrl+b")
    keys.press("ctrl+b", None, 0)
    keys.press("alt+right", None, 0)
    assert keys.press("a", "a", 0.1) == "pass"
    assert keys.press("alt+right", None, 0.2) == "pass"


@pytest.mark.parametrize(
    ("setting", "env", "outer", "key"),
    [
        ("", {}, "ctrl+b", "ctrl+b"),
        ("ctrl+a", {"TMUX": "x"}, "ctrl+b", "ctrl+a"),
        ("", {"TMUX": "x"}, "ctrl+b", "ctrl+g"),
        ("", {"TMUX": "x"}, "", "ctrl+g"),
        ("", {"TMUX": "x"}, "ctrl+a", "ctrl+b"),
    ],
)
def test_the_prefix_gives_way_to_a_tmux_around_it(
    setting: str, env: dict[str, str], outer: str, key: str
) -> None:
    choice = prefix.choose(setting, env, lambda: outer)
    assert choice.key == key
    assert bool(choice.note) == (key == "ctrl+g")


def test_tmux_words_for_keys_are_understood() -> None:
    assert prefix.from_tmux("C-b") == "ctrl+b"
    assert prefix.from_tmux("C-Space") == "ctrl+space"
    assert prefix.from_tmux("M-x") == "alt+x"


def test_a_few_letters_find_the_command() -> None:
    assert fuzzy.match("zz", "Zoom the pane") is None
    found = fuzzy.match("spl", "Split side by side")
    assert found is not None
    assert found.places == (0, 1, 2)
    words = fuzzy.match("nw", "New window")
    scattered = fuzzy.match("nw", "Inwards")
    assert words is not None
    assert scattered is not None
    assert words.score > scattered.score
    assert words.places == (0, 4)


def test_an_empty_query_fits_everything() -> None:
    found = fuzzy.match("  ", "anything")
    assert found is not None
    assert found.places == ()


@pytest.mark.parametrize("key", ["ctrl+space", "ctrl+@"])
def test_ctrl_space_is_a_prefix_on_every_terminal(key: str) -> None:
    keys = PrefixKeys("ctrl+space")
    assert keys.press(key, "\x00", 0.0) == "armed"
    assert keys.press(key, "\x00", 0.1) == "through"

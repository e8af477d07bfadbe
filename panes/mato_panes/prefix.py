"""The prefix key: which one it is, and the machine that waits for the key after it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from mato_panes.bindings import (
    AFTER_PREFIX,
    DEFAULT_PREFIX,
    DIRECT,
    PREFIX_INSIDE_TMUX,
    Binding,
)

REPEAT_S = 0.6
"""How long a repeatable command can be given again without the prefix."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The prefix in use, and why where that is not the default."""

    key: str
    note: str = ""


def choose(
    setting: str, env: Mapping[str, str], outer_prefix: Callable[[], str] | None = None
) -> Choice:
    """The prefix by setting and surroundings.

    `outer_prefix` gives the prefix of the tmux around, in Textual's words, "" where unknown.
    """
    if setting:
        return Choice(setting.strip().lower())
    if env.get("TMUX"):
        outer = (outer_prefix or ask_tmux)()
        if outer in (DEFAULT_PREFIX, ""):
            why = f"tmux around it takes {DEFAULT_PREFIX}: the prefix here is {PREFIX_INSIDE_TMUX}"
            return Choice(PREFIX_INSIDE_TMUX, why)
    return Choice(DEFAULT_PREFIX)


def ask_tmux() -> str:
    """The prefix of the tmux this runs in: ``C-b`` as ``ctrl+b``; "" when it does not say."""
    try:
        answer = subprocess.run(
            ["tmux", "show-options", "-gv", "prefix"],
            capture_output=True,
            text=True,
            timeout=0.5,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return from_tmux(answer.stdout.strip())


def from_tmux(key: str) -> str:
    """tmux's word for a key in Textual's words, as far as prefixes go."""
    if key.startswith("C-"):
        return f"ctrl+{key[2:].lower()}"
    if key.startswith("M-"):
        return f"alt+{key[2:].lower()}"
    return key.lower()


Outcome = Literal["pass", "armed", "unknown", "through"] | Binding
"""pass: the key is nobody's, it goes to the focused widget. armed: the prefix; the next key
counts. unknown: a key after the prefix that does nothing. through: the prefix twice, it goes to
the focused widget. Else the command."""


class PrefixKeys:
    """Turns keys into commands; given the time with each key, it needs no timer."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.armed = False
        self._repeat_until_s = 0.0

    def press(self, key: str, character: str | None, now_s: float) -> Outcome:
        """What to do with a key; `character` is what it types, if anything."""
        if key == "ctrl+@":
            key = "ctrl+space"  # the same byte, to all but a few terminals
        if not self.armed:
            if key == self.prefix:
                self.armed = True
                self._repeat_until_s = 0.0
                return "armed"
            if now_s < self._repeat_until_s:
                repeated = _look_up(key, character)
                if repeated is not None and repeated.repeats:
                    self._repeat_until_s = now_s + REPEAT_S
                    return repeated
            self._repeat_until_s = 0.0
            return DIRECT.get(key, "pass")
        self.armed = False
        if key == self.prefix:
            return "through"
        if (binding := _look_up(key, character)) is None:
            return DIRECT.get(key, "unknown")
        if binding.repeats:
            self._repeat_until_s = now_s + REPEAT_S
        return binding

    def disarm(self) -> None:
        """Forget that the prefix was pressed."""
        self.armed = False
        self._repeat_until_s = 0.0


def _look_up(key: str, character: str | None) -> Binding | None:
    # The character first: "%" is the same on every keyboard, its key's name is not.
    if character is not None and character.isprintable() and character != " ":
        return AFTER_PREFIX.get(character)
    return AFTER_PREFIX.get(key)

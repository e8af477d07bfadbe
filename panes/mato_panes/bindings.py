"""Every key of the workspace: the one table that keys, help, palette and README are made from.

``python -m mato_panes.bindings`` prints it as Markdown.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

DEFAULT_PREFIX = "ctrl+b"
PREFIX_INSIDE_TMUX = "ctrl+g"
"""Offered where a tmux around the workspace already takes ctrl+b."""


@dataclass(frozen=True, slots=True)
class Binding:
    """One command and the keys that give it."""

    command: str
    """Name of the method of `Commands`."""
    title: str
    """What it does, as the help and the palette say it."""
    group: str
    keys: tuple[str, ...] = ()
    """Keys after the prefix: a character, or Textual's name of a key that has none."""
    direct: tuple[str, ...] = ()
    """Keys without the prefix."""
    repeats: bool = False
    """It can be given again for a moment without the prefix, as resizing in tmux."""
    argument: bool = False
    """The command is told which of its keys was pressed."""
    told: bool = False
    """As `argument`, for a command that can do without: it is in the palette too."""
    note: str = ""
    """Added in help and README."""

    @property
    def in_palette(self) -> bool:
        return not self.argument


FURTHER = "alt+"
"""How keys begin that move an edge by 5 cells, as in tmux."""


def _resize(direction: str) -> Binding:
    keys = (f"ctrl+{direction}", f"{FURTHER}{direction}")
    title = f"Move the edge {direction}"
    note = "(alt: by 5)"
    return Binding(f"resize_{direction}", title, "Panes", keys, repeats=True, told=True, note=note)


BINDINGS: tuple[Binding, ...] = (
    Binding("split_right", "Split side by side", "Panes", ("%", "v")),
    Binding("split_down", "Split one above the other", "Panes", ('"', "-")),
    Binding("focus_left", "Focus the pane on the left", "Panes", ("left", "h")),
    Binding("focus_down", "Focus the pane below", "Panes", ("down", "j")),
    Binding("focus_up", "Focus the pane above", "Panes", ("up", "k")),
    Binding("focus_right", "Focus the pane on the right", "Panes", ("right", "l")),
    Binding("focus_next", "Focus the next pane", "Panes", ("o", "tab")),
    Binding("focus_last", "Focus the pane before this one", "Panes", (";",)),
    Binding("jump", "Jump to a pane by its letter", "Panes", ("g",), note="or Esc"),
    Binding("zoom", "Zoom the pane, and back", "Panes", ("z",)),
    Binding("close_pane", "Close the pane; its agent goes on", "Panes", ("x",)),
    Binding("swap_previous", "Swap with the pane before", "Panes", ("{",)),
    Binding("swap_next", "Swap with the pane after", "Panes", ("}",)),
    Binding("even", "Next even layout", "Panes", ("space",)),
    _resize("left"),
    _resize("down"),
    _resize("up"),
    _resize("right"),
    Binding("scroll_mode", "Scroll and copy", "Panes", ("[", "pageup")),
    Binding("search", "Search the transcript", "Panes", ("/",)),
    Binding("new_window", "New window", "Windows", ("c",)),
    Binding("next_window", "Next window", "Windows", ("n",)),
    Binding("previous_window", "Previous window", "Windows", ("p",)),
    Binding("pick_window", "Choose a window", "Windows", ("w",)),
    Binding("go_to_window", "Window 1 to 9", "Windows", tuple("123456789"), argument=True),
    Binding("rename_window", "Rename the window", "Windows", (",",)),
    Binding("close_window", "Close the window; its agents go on", "Windows", ("&",)),
    Binding("next_blocked", "Go to the next agent that waits", "Agents", ("!",)),
    Binding("inbox", "Inbox: everything that waits for you", "Agents", ("i",)),
    Binding("review", "Review what a turn changed", "Agents", ("U",)),
    Binding("go_on", "Let a paused agent go on", "Agents", ("C",)),
    Binding("stop_turn", "Stop the agent's turn", "Agents", ("ctrl+c",)),
    Binding("pick_model", "Model from the next turn on", "Agents", ("m",)),
    Binding("pick_mode", "What the agent may do without asking", "Agents", ("M",)),
    Binding("kill_agent", "End the agent; the record stays", "Agents", ("X",)),
    Binding("kill_all", "End all agents and all they started", "Agents", ("K",)),
    Binding("pick_session", "Choose a session", "Session", ("s",)),
    Binding("rename_session", "Rename the session", "Session", ("$",)),
    Binding("trust", "Trust in the folder", "Session", ("T",)),
    Binding("restart_daemon", "Restart the daemon; all is as before", "Session", ("R",)),
    Binding("detach", "Detach; all agents go on", "Session", ("d",), direct=("ctrl+q",)),
    Binding("palette", "Palette of all commands", "Screen", (":",), direct=("ctrl+p",)),
    Binding("help", "Help", "Screen", ("?",)),
    Binding("toggle_sidebar", "Sidebar: show it, go to it, hide it", "Screen", ("b",)),
    Binding("toggle_mouse", "Mouse: Mato's, or the terminal's", "Screen", ("y",)),
    Binding("pick_theme", "Theme", "Screen", ("t",)),
    Binding("redraw", "Draw everything again", "Screen", ("r",)),
)

BY_COMMAND: dict[str, Binding] = {binding.command: binding for binding in BINDINGS}
AFTER_PREFIX: dict[str, Binding] = {key: binding for binding in BINDINGS for key in binding.keys}
DIRECT: dict[str, Binding] = {key: binding for binding in BINDINGS for key in binding.direct}

_NAMES = {
    "left": "←",
    "down": "↓",
    "up": "↑",
    "right": "→",
    "pageup": "PgUp",
    "pagedown": "PgDn",
    "home": "Home",
    "end": "End",
    "tab": "Tab",
    "enter": "Enter",
    "escape": "Esc",
    "slash": "/",
}


def named(key: str) -> str:
    """A key as people read it: ``ctrl+←``, ``space``, ``"``."""
    *held, last = key.split("+") if key != "+" else [key]
    return "+".join((*held, _NAMES.get(last, last)))


def shortest(command: str, prefix: str = DEFAULT_PREFIX) -> str:
    """The quickest way to give a command: ``ctrl+p``, ``ctrl+b z``; empty where there is none."""
    binding = BY_COMMAND[command]
    if binding.direct:
        return named(binding.direct[0])
    return f"{prefix} {named(binding.keys[0])}" if binding.keys else ""


def keys_of(binding: Binding) -> str:
    """All keys after the prefix, for a table: ``% v``, ``1 … 9``."""
    if binding.argument:
        return f"{named(binding.keys[0])} … {named(binding.keys[-1])}"
    return " ".join(named(key) for key in binding.keys)


def groups() -> Iterator[tuple[str, list[Binding]]]:
    """The table by group, in its order."""
    for name, members in groupby(BINDINGS, key=lambda binding: binding.group):
        yield name, list(members)


def markdown(prefix: str = DEFAULT_PREFIX) -> str:
    """The table for the README."""
    lines: list[str] = []
    for name, members in groups():
        lines += [f"| {name} | after `{prefix}` | |", "|---|---|---|"]
        for binding in members:
            if binding.argument:
                keys = f"`{binding.keys[0]}` … `{binding.keys[-1]}`"
            else:
                keys = " ".join(f"`{named(key)}`" for key in binding.keys)
            alone = " ".join(f"`{named(key)}` alone" for key in binding.direct)
            extra = ", ".join(part for part in (alone, binding.note) if part)
            lines.append(f"| {binding.title} | {keys} | {extra} |")
        lines.append("")
    lines.append(f"`{prefix}` twice sends it through to the pane.")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(markdown() + "\n")

"""From a key that goes into the terminal to the bytes that show it.

Every key is a letter that stands nowhere else on the screen, so its echo cannot be mistaken for
something that was being drawn anyway. It is taken back before the next one, and the pauses vary, so
that keys meet the program's frames at any phase.
"""

from __future__ import annotations

import random
import time

from benchmarks.terminal import Finder, Terminal

LETTERS = "".join(map(chr, [*range(0x3B1, 0x3CA), *range(0x410, 0x450)]))
"""Greek and Cyrillic: printable, one cell wide, in none of the texts that are streamed."""
BACKSPACE = "\x7f"
PATIENCE_S = 10.0


def latencies_ms(terminal: Terminal, seconds: float, empty: str, seed: int = 1) -> list[float]:
    """How long each key took, typing for so long.

    `empty` is what the line shows when nothing is in it, without its first letter: there stands the
    cursor. The line must be empty at the beginning.
    """
    chance = random.Random(seed)
    found: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        letter = LETTERS[len(found) % len(LETTERS)]
        pressed = terminal.press(letter)
        shown = terminal.wait_for(letter, within_s=PATIENCE_S)
        found.append((shown - pressed) * 1000)
        terminal.listen(chance.uniform(0.01, 0.04))
        terminal.press(BACKSPACE)
        # Textual takes a letter before a backspace that came just ahead of it, so wait for the
        # backspace to be shown.
        terminal.wait_for(empty, within_s=PATIENCE_S)
        terminal.listen(chance.uniform(0.02, 0.06))
    return found


def clear(terminal: Terminal, empty: str) -> None:
    """Take back what `first_echo` has left."""
    terminal.listen(0.5)
    terminal.press(BACKSPACE * 100)
    terminal.wait_for(empty, within_s=PATIENCE_S)
    terminal.wait_for_quiet(0.5)  # until all of them have been taken


def first_echo(terminal: Terminal, within_s: float = PATIENCE_S, every_s: float = 0.02) -> float:
    """The moment at which a key is shown for the first time: from then on keys are live.

    Keys that came before anything took them are lost, so one is pressed again and again.

    Raises:
        TimeoutError: none was shown.
    """
    deadline = time.perf_counter() + within_s
    echo = Finder(LETTERS[0].encode())
    while time.perf_counter() < deadline:
        terminal.press(LETTERS[0])
        if (at := terminal.watch(echo, every_s)) is not None:
            return at
    raise TimeoutError(f"no key was shown within {within_s} s")

"""What the gate lets through to a terminal: alone, in an app, and in a real tmux pane."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual.app import App, ComposeResult
from textual.strip import Strip
from textual.widgets import Static

from mato_panes import gate

CONTROL = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u202a-\u202e\u2066-\u2069\U000e0000-\U000e0fff]"
)
# What Textual itself writes: colours, cursor moves, modes, its queries, clearing.
OWN = re.compile(
    r"\x1b\[[0-9;]*m|\x1b\[\d+;\d+H|\x1b\[\?(1000|1003|1004|1006|1015|1016|1049|2004|2026|2048|25|7)"
    r"[hl]|\x1b\[\?(2026|2048)\$p|\x1b\[>\d+u|\x1b\[<u|\x1b\[\?u|\x1b\]22;default\x07"
)


@pytest.fixture(autouse=True)
def gated() -> Iterator[None]:
    gate.install()
    yield
    gate.uninstall()


def terminal() -> Console:
    return Console(
        file=io.StringIO(),
        force_terminal=True,
        color_system="truecolor",
        width=80,
        legacy_windows=False,
    )


def found(output: str) -> list[str]:
    return CONTROL.findall(re.sub(r"\x1b\[[0-9;]*m", "", output))


def test_no_hostile_text_leaves_a_strip_and_its_width_stays(hostile_texts):
    for hostile in hostile_texts:
        for style in (None, Style(), Style(bold=True, color="red")):
            text = hostile.text[:2000]
            rendered = Strip([Segment(text, style), Segment("|", style)]).render(terminal())
            plain = re.sub(r"\x1b\[[0-9;]*m", "", rendered)
            assert not CONTROL.findall(plain), hostile.name
            assert cell_len(plain) == cell_len(text) + 1, hostile.name
            rendered.encode("utf-8")


def test_without_the_gate_the_same_texts_get_through(hostile_texts):
    gate.uninstall()
    leaked = [h for h in hostile_texts if found(Strip([Segment(h.text)]).render(terminal()))]
    assert len(leaked) > len(hostile_texts) * 0.7


def test_ordinary_strips_are_rendered_as_before():
    segments = [Segment("┌─ 中文 é", Style(color="blue")), Segment(" plain"), Segment("▌🎉")]
    rendered = Strip(segments).render(terminal())
    gate.uninstall()
    assert rendered == Strip(segments).render(terminal())


def test_a_strip_is_rendered_once():
    strip = Strip([Segment("text", Style(bold=True))])
    assert strip.render(terminal()) is strip.render(terminal())


@pytest.mark.parametrize(
    ("link", "passes"),
    [
        ("https://example.org/a?b=c", True),
        ("http://example.org", False),
        ("file:///etc/passwd", False),
        ("https://example.org/\x1b\\\x1b]0;x\x07", False),
        ("https://example.org/a b", False),
        ("https://exämple.org", False),
        ("https:example.org", False),
    ],
)
def test_hyperlinks_are_dropped_unless_their_scheme_was_allowed(link, passes):
    strip = [Segment("docs", Style(link=link, bold=True))]
    assert "]8;" not in Strip(strip).render(terminal())
    gate.install(link_schemes={"https"})
    assert ("]8;" in Strip(strip).render(terminal())) == passes
    gate.install()
    assert "]8;" not in Strip(strip).render(terminal())
    assert "docs" in Strip(strip).render(terminal())


def test_installing_twice_is_installing_once():
    first = Strip.render
    gate.install()
    assert Strip.render is first
    assert Strip([Segment("a\x1bb")]).render(terminal()) == "ab"


def test_what_rich_prints_is_gated_but_keeps_lines_and_its_own_controls(hostile_texts):
    for hostile in hostile_texts:
        console = terminal()
        console.print(Text(hostile.text[:500]), soft_wrap=True)
        assert isinstance(console.file, io.StringIO)
        assert not [c for c in found(console.file.getvalue()) if c not in "\n\t"], hostile.name
    console = terminal()
    console.print(Text("one\ntwo"))
    console.show_cursor(False)
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue() == "one\ntwo\n\x1b[?25l"


def test_a_traceback_with_hostile_words_is_gated():
    console = terminal()
    try:
        raise ValueError("\x1b]52;c;cm0=\x07 \u202e [/red]")
    except ValueError:
        console.print_exception(show_locals=True)
    assert isinstance(console.file, io.StringIO)
    assert not [c for c in found(console.file.getvalue()) if c != "\n"]


async def test_the_whole_screen_of_an_app_is_gated():
    class OneStatic(App[None]):
        def compose(self) -> ComposeResult:
            yield Static("\x1b]0;title\x07\x9b2J\u202eabc", markup=False)

    app = OneStatic()
    async with app.run_test(size=(40, 3)) as pilot:
        await pilot.pause()
        update = app.screen._compositor.render_full_update()
        assert update.render_segments(app.console).count("\x1b]") == 0
        assert "abc" in update.render_segments(app.console)


@pytest.mark.journey
@pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux")
@pytest.mark.parametrize("mode", ["gated", "open"])
def test_in_a_real_terminal_nothing_hostile_is_written(mode, tmp_path, hostile_texts):
    texts = [h.text[:2000] for h in hostile_texts if not h.name.startswith("kit/")]
    if mode == "open":
        # The negative control needs a few, and surrogates would end Textual's writer.
        texts = ["\x1b]0;owned\x07", "\x1b]52;c;cm0=\x07", "\x9b2J"]
    raw, title, buffers = run_in_tmux(tmp_path, texts, mode)
    rest = OWN.sub("", raw)
    controls = [c for c in CONTROL.findall(rest) if c not in "\r\n"]
    assert "owned" in raw, "the app has drawn the texts"
    assert "bye" in raw, "the app has ended as it should"
    if mode == "gated":
        assert controls == [], [
            rest[max(0, m.start() - 30) : m.end() + 30] for m in CONTROL.finditer(rest)
        ][:5]
        assert "\x1b[8m" not in raw, "nobody may conceal text"
        assert "owned" not in title
        assert buffers == ""
    else:
        assert "\x1b" in controls
        assert "owned" in title or buffers


def run_in_tmux(tmp_path: Path, texts: list[str], mode: str) -> tuple[str, str, str]:
    """The raw bytes that the app wrote into its pane, the pane's title and tmux's paste buffers."""
    data = tmp_path / "texts.json"
    data.write_text(json.dumps(texts))
    app = Path(__file__).with_name("gate_app.py")
    log = tmp_path / "raw"
    tmux = ["tmux", "-S", str(tmp_path / "t"), "-f", "/dev/null"]

    def run(*words: str) -> str:
        done = subprocess.run(
            [*tmux, *words], capture_output=True, text=True, timeout=90, check=True, env=env
        )
        return done.stdout

    env = {k: v for k, v in os.environ.items() if k not in ("TMUX", "TMUX_PANE", "NO_COLOR")}
    env |= {"LANG": "C.UTF-8", "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    program = (
        f"tmux wait-for go; {sys.executable} {app} {data} {mode} 2>{tmp_path}/errors;"
        f" cat {tmp_path}/errors; tmux wait-for -S done; tmux wait-for end"
    )
    run("new-session", "-d", "-x", "100", "-y", "50", "sh", "-c", program)
    try:
        run("set", "-s", "set-clipboard", "on")
        run("pipe-pane", f"cat > {log}")
        run("wait-for", "-S", "go")
        run("wait-for", "done")
        title = run("display", "-p", "#{pane_title}")
        buffers = run("list-buffers")
        run("pipe-pane")
    finally:
        run("kill-server")
    return log.read_bytes().decode("utf-8", "replace"), title, buffers

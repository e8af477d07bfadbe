"""A palette as a Textual theme, in a running app."""

from __future__ import annotations

import subprocess
import sys

from textual.app import App, ComposeResult
from textual.color import Color
from textual.widgets import Footer, Input, OptionList, Static

from mato_themes.catalog import builtin_palettes
from mato_themes.palette import tokens
from mato_themes.textual import css_variables, to_theme


class Gallery(App[None]):
    CSS = """
    Screen { background: $mato-surface-ground; }
    #card {
        background: $mato-surface-raised;
        color: $mato-state-blocked;
        border: round $mato-line-focus;
    }
    """

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return css_variables(builtin_palettes()["kaamos"])

    def compose(self) -> ComposeResult:
        yield Static("blocked", id="card")
        yield Input("text")
        yield OptionList("one", "two")
        yield Footer()

    def on_mount(self) -> None:
        for palette in builtin_palettes().values():
            self.register_theme(to_theme(palette))


async def test_css_uses_the_tokens_and_a_switch_of_theme_recolours_at_once():
    async with Gallery().run_test() as pilot:
        card = pilot.app.query_one("#card")
        for name, palette in builtin_palettes().items():
            pilot.app.theme = name
            await pilot.pause()
            assert card.styles.background == Color.parse(palette.surface.raised)
            assert card.styles.color == Color.parse(palette.state.blocked)
            assert card.styles.border_top[1] == Color.parse(palette.line.focus)
            assert pilot.app.screen.styles.background == Color.parse(palette.surface.ground)
            assert pilot.app.current_theme.dark == palette.dark


async def test_textuals_own_widgets_take_their_colours_from_the_palette():
    async with Gallery().run_test() as pilot:
        for name, palette in builtin_palettes().items():
            pilot.app.theme = name
            await pilot.pause()
            colours = dict(tokens(palette))
            for variable, value in to_theme(palette).variables.items():
                assert pilot.app.theme_variables[variable] == value, variable
                assert value in colours.values() or value == "bold", variable


def test_every_variable_that_is_not_ours_is_one_that_textual_knows():
    palette = builtin_palettes()["kaamos"]
    theme = to_theme(palette)
    theirs = set(theme.variables) - set(css_variables(palette))
    theme.variables = {}
    assert theirs <= set(theme.to_color_system().generate())


def test_only_the_converting_file_imports_textual_and_none_imports_the_engine():
    program = (
        "import sys, mato_themes.catalog, mato_themes.contrast;"
        "print(*{m.partition('.')[0] for m in sys.modules})"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert not set(run.stdout.split()) & {"textual", "rich", "mato", "mato_sessions", "mato_panes"}

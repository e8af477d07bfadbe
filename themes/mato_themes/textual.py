"""A palette becomes a Textual theme; the one file of this package that imports Textual.

Every colour is a variable for CSS: `$mato-surface-pane`, `$mato-ink-dim`, `$mato-state-blocked`.
Textual's own variables are set from the same colours, so that its widgets fit in.
"""

from __future__ import annotations

from textual.theme import Theme

from mato_themes.palette import Palette, tokens

PREFIX = "mato-"


def to_theme(palette: Palette) -> Theme:
    """The Textual theme of a palette, with the palette's name."""
    return Theme(
        name=palette.name,
        dark=palette.dark,
        primary=palette.ink.accent,
        secondary=palette.ink.dim,
        accent=palette.ink.accent,
        foreground=palette.ink.text,
        background=palette.surface.ground,
        surface=palette.surface.pane,
        panel=palette.surface.raised,
        success=palette.state.done,
        warning=palette.ink.warning,
        error=palette.state.failed,
        variables=css_variables(palette) | _widget_variables(palette),
    )


def css_variables(palette: Palette) -> dict[str, str]:
    """The palette's own tokens, as variables without the `$`.

    An app returns those of its default theme from `get_theme_variable_defaults()`: Textual parses
    the app's CSS once under its own theme, before the first of ours is set.
    """
    return {PREFIX + token: colour for token, colour in tokens(palette)}


def _widget_variables(palette: Palette) -> dict[str, str]:
    """Textual's variables (textual.design), for the widgets that Mato does not draw itself."""
    surface, ink, line = palette.surface, palette.ink, palette.line
    return {
        "text": ink.text,
        "text-muted": ink.dim,
        "text-disabled": ink.dim,
        "foreground-muted": ink.dim,
        "foreground-disabled": ink.dim,
        "text-primary": ink.accent,
        "text-accent": ink.accent,
        "text-warning": ink.warning,
        "text-error": palette.state.failed,
        "text-success": palette.state.done,
        "border": line.focus,
        "border-blurred": line.border,
        "surface-active": surface.raised,
        "block-cursor-foreground": ink.text,
        "block-cursor-background": surface.selection,
        "block-cursor-text-style": "bold",
        "block-cursor-blurred-foreground": ink.text,
        "block-cursor-blurred-background": surface.raised,
        "block-hover-background": surface.raised,
        "input-cursor-background": ink.accent,
        "input-cursor-foreground": ink.on_accent,
        "input-selection-background": surface.selection,
        "input-selection-foreground": ink.text,
        "screen-selection-background": surface.selection,
        "screen-selection-foreground": ink.text,
        "scrollbar": line.border,
        "scrollbar-hover": ink.dim,
        "scrollbar-active": line.focus,
        "scrollbar-background": surface.pane,
        "scrollbar-background-hover": surface.pane,
        "scrollbar-background-active": surface.pane,
        "scrollbar-corner-color": surface.pane,
        "link-color": ink.link,
        "link-color-hover": ink.on_accent,
        "link-background-hover": ink.accent,
        "footer-foreground": ink.dim,
        "footer-background": surface.bar,
        "footer-key-foreground": ink.accent,
        "footer-description-foreground": ink.dim,
        "button-foreground": ink.text,
        "button-color-foreground": ink.on_accent,
        "markdown-h1-color": ink.accent,
        "markdown-h2-color": ink.accent,
        "markdown-h3-color": ink.text,
        "markdown-h6-color": ink.dim,
    }

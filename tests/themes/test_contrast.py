"""The built-in themes can be read, and the checker knows when one cannot."""

from __future__ import annotations

import dataclasses

import pytest

from mato_themes.catalog import builtin_palettes
from mato_themes.contrast import TEXT_RATIO, check, luminance, pairs, ratio
from mato_themes.palette import COLOUR, tokens

PALETTES = list(builtin_palettes().values())


def test_the_formula_agrees_with_the_published_examples():
    assert ratio("#000000", "#ffffff") == pytest.approx(21)
    assert ratio("#ffffff", "#ffffff") == 1
    # The greys that WCAG's own material gives as just passing and just failing on white.
    assert ratio("#767676", "#ffffff") == pytest.approx(4.54, abs=0.005)
    assert ratio("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)
    assert luminance("#ff0000") == pytest.approx(0.2126)


@pytest.mark.parametrize("palette", PALETTES, ids=lambda palette: palette.name)
def test_every_text_of_a_built_in_theme_has_enough_contrast(palette):
    assert check(palette) == []


@pytest.mark.parametrize("palette", PALETTES, ids=lambda palette: palette.name)
def test_every_ink_and_state_is_checked_on_every_surface(palette):
    checked = {(front, back) for front, back, needed in pairs(palette) if needed == TEXT_RATIO}
    names = [name for name, _ in tokens(palette)]
    for name in names:
        if name.startswith(("ink-", "state-")) and name != "ink-on-accent":
            backs = {back for front, back in checked if front == name}
            assert {n for n in names if n.startswith("surface-")} <= backs
    assert ("ink-on-accent", "ink-accent") in checked
    assert ("diff-added", "diff-added-ground") in checked
    assert ("diff-removed", "diff-removed-ground") in checked


@pytest.mark.parametrize("palette", PALETTES, ids=lambda palette: palette.name)
def test_text_is_on_the_side_of_its_ground_that_the_theme_claims(palette):
    assert palette.dark == (luminance(palette.ink.text) > luminance(palette.surface.pane))
    assert all(COLOUR.fullmatch(colour) for _, colour in tokens(palette))


@pytest.mark.parametrize("palette", PALETTES, ids=lambda palette: palette.name)
def test_states_that_need_a_person_look_unlike_all_others(palette):
    states = dataclasses.asdict(palette.state)
    assert len(set(states.values())) == len(states)


def test_a_text_that_is_too_pale_is_named_with_its_ground_and_ratio():
    palette = PALETTES[0]
    pale = dataclasses.replace(
        palette, ink=dataclasses.replace(palette.ink, dim=palette.surface.raised)
    )
    short = check(pale)
    assert {pair.front for pair in short} == {"ink-dim"}
    assert short[0].ratio == min(pair.ratio for pair in short) < 1.1
    assert any(pair.back == "surface-raised" and pair.ratio == 1 for pair in short)
    assert all(pair.needed == TEXT_RATIO for pair in short)


def test_a_focus_border_needs_less_than_text_but_must_be_seen():
    palette = PALETTES[0]
    hidden = dataclasses.replace(
        palette, line=dataclasses.replace(palette.line, focus=palette.surface.pane)
    )
    assert {(pair.front, pair.needed) for pair in check(hidden)} == {("line-focus", 3.0)}

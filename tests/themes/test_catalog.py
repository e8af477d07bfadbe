"""Theme files: the built-in ones, a person's own, and the sentences for bad ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from mato_themes.catalog import BUILTIN, builtin_palettes, load_catalog, read_palette
from mato_themes.palette import ThemeError, tokens

KAAMOS = (BUILTIN / "kaamos.toml").read_text()


def write(folder: Path, text: str, name: str = "mine.toml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_there_is_a_dark_and_a_light_theme_and_the_dark_one_comes_first():
    palettes = load_catalog().palettes
    assert [(name, p.dark) for name, p in palettes.items()] == [("kaamos", True), ("usva", False)]
    assert all(path.stem in palettes for path in BUILTIN.glob("*.toml"))


def test_a_theme_that_extends_another_says_only_what_differs(tmp_path):
    path = write(tmp_path, 'name = "mine"\nextends = "kaamos"\n[ink]\naccent = "#FFCC88"\n')
    mine, kaamos = read_palette(path), builtin_palettes()["kaamos"]
    assert (mine.name, mine.title, mine.dark) == ("mine", "mine", True)
    changed = {name for name, colour in tokens(mine) if dict(tokens(kaamos))[name] != colour}
    assert changed == {"ink-accent"}
    assert mine.ink.accent == "#ffcc88"


def test_a_theme_is_named_by_its_file_unless_it_says_a_name(tmp_path):
    (tmp_path / "dusk.toml").write_text('extends = "kaamos"\n')
    (tmp_path / "file.toml").write_text('name = "dawn"\nextends = "usva"\n')
    catalog = load_catalog(tmp_path)
    assert not catalog.problems
    assert catalog.find("dusk").ink == catalog.find("kaamos").ink
    assert not catalog.find("dawn").dark
    assert "file" not in catalog.palettes


def test_a_theme_of_ones_own_joins_the_built_in_ones_or_replaces_one(tmp_path):
    write(tmp_path, 'name = "mine"\nextends = "usva"\n', "a.toml")
    write(tmp_path, 'name = "usva"\ntitle = "My mist"\nextends = "usva"\n', "b.toml")
    catalog = load_catalog(tmp_path)
    assert list(catalog.palettes) == ["kaamos", "usva", "mine"]
    assert catalog.find("usva").title == "My mist"
    assert not catalog.problems


def test_a_bad_file_is_a_problem_and_the_others_are_still_there(tmp_path):
    write(tmp_path, "name = ", "bad.toml")
    write(tmp_path, 'name = "mine"\nextends = "usva"\n', "good.toml")
    catalog = load_catalog(tmp_path)
    assert "mine" in catalog.palettes
    assert list(catalog.problems) == ["bad"]
    assert "bad.toml" in str(catalog.problems["bad"])
    with pytest.raises(ThemeError, match=r"bad\.toml"):
        catalog.find("bad")


def test_a_folder_that_does_not_exist_has_no_themes(tmp_path):
    assert list(load_catalog(tmp_path / "none").palettes) == ["kaamos", "usva"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name = ", "is not valid TOML"),
        ("", "'dark' must be true or false"),
        ('name = "Mine!"', "'name' must be lower-case"),
        ('name = "mine"\nextends = "monokai"', "'extends' must be 'kaamos', 'usva'"),
        ('name = "mine"\nextends = ["kaamos"]', "'extends' must be"),
        ('name = "mine"', "'dark' must be true or false"),
        ('name = "mine"\ndark = true', "[surface] lacks 'ground'"),
        ('name = "mine"\nextends = "usva"\ntitle = 3', "'title' must be a text"),
        ('name = "mine"\nextends = "usva"\nink = "red"', "[ink] must be a table"),
        ('name = "mine"\nextends = "usva"\n[inks]\n', "'inks' is not known"),
        ('name = "mine"\nextends = "usva"\n[ink]\ntxt = "#000000"', "[ink] has no 'txt'"),
        ('name = "mine"\nextends = "usva"\n[ink]\ntext = "red"', "ink.text must be a colour"),
        ('name = "mine"\nextends = "usva"\n[ink]\ntext = 7', "ink.text must be a colour"),
        (KAAMOS.replace('pane = "#151920"\n', ""), "[surface] lacks 'pane'"),
    ],
)
def test_a_bad_theme_is_one_sentence_that_names_the_file_and_the_fault(tmp_path, text, says):
    path = write(tmp_path, text)
    with pytest.raises(ThemeError) as caught:
        read_palette(path)
    assert str(path) in str(caught.value)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_no_readable_text_is_refused_too(tmp_path):
    for data in (b"\xff\xfe", b"#" * 70_000):
        path = tmp_path / "mine.toml"
        path.write_bytes(data)
        with pytest.raises(ThemeError, match=r"mine\.toml"):
            read_palette(path)
    with pytest.raises(ThemeError, match="cannot be read"):
        read_palette(tmp_path / "none.toml")


def test_an_unknown_name_gets_the_nearest_one():
    with pytest.raises(ThemeError, match="did you mean 'kaamos'"):
        load_catalog().find("kamos")
    with pytest.raises(ThemeError, match="there are 'kaamos', 'usva'"):
        load_catalog().find("zzz")

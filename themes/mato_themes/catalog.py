"""Which themes there are: the built-in ones, and the TOML files of a person's own folder.

A file says `title`, `dark` and the groups of `mato_themes.palette`, each a table of tokens. With
`extends = "kaamos"` it only says what differs. A theme is named by its file, unless it says a
`name` of its own; one of a person's own replaces a built-in one of the same name.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any, cast

from mato_themes.palette import (
    COLOUR,
    GROUPS,
    Diffs,
    Inks,
    Lines,
    Palette,
    States,
    Surfaces,
    ThemeError,
)

BUILTIN = Path(__file__).parent / "builtin"
DARK = "kaamos"
LIGHT = "usva"
MAX_BYTES = 65_536
"""A theme file is about 2 kB; what is larger is not one."""

_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")


@dataclass(frozen=True, slots=True)
class Catalog:
    """The themes that can be chosen, and what kept others out."""

    palettes: Mapping[str, Palette]
    """By name; built-in ones first."""
    problems: Mapping[str, ThemeError]
    """One for each file that could not be used, by the name that the file has."""

    def find(self, name: str) -> Palette:
        """The theme of that name.

        Raises:
            ThemeError: its file could not be used, or there is none and the nearest is offered.
        """
        if (palette := self.palettes.get(name)) is not None:
            return palette
        if (problem := self.problems.get(name)) is not None:
            raise problem
        near = difflib.get_close_matches(name, self.palettes, n=1)
        offer = f"did you mean {near[0]!r}?" if near else f"there are {_listing(self.palettes)}."
        raise ThemeError(f"no theme is called {name!r}; {offer}")


def load_catalog(folder: Path | None = None) -> Catalog:
    """The built-in themes and those in `folder`; a bad file there is a problem, never an end."""
    palettes = dict(builtin_palettes())
    problems: dict[str, ThemeError] = {}
    # sorted: of two files with one name the last wins, the same one on every machine.
    for path in sorted(folder.glob("*.toml")) if folder is not None else ():
        try:
            palette = read_palette(path)
        except ThemeError as problem:
            problems[path.stem] = problem
        else:
            palettes[palette.name] = palette
    return Catalog(palettes, problems)


@cache
def builtin_palettes() -> Mapping[str, Palette]:
    """The themes that come with Mato, the dark default first."""
    names = [DARK, LIGHT]
    return {name: read_palette(BUILTIN / f"{name}.toml") for name in names}


def read_palette(path: Path) -> Palette:
    """The theme in one TOML file.

    Raises:
        ThemeError: the file cannot be read, is no TOML, or does not describe a whole theme.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise ThemeError(f"theme {str(path)!r} is larger than {MAX_BYTES} bytes.")
        document = tomllib.loads(data.decode("utf-8"))
    except OSError as error:
        raise ThemeError(f"theme {str(path)!r} cannot be read: {error.strerror}.") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ThemeError(f"theme {str(path)!r} is not valid TOML: {error}.") from error
    except RecursionError as error:
        raise ThemeError(f"theme {str(path)!r} nests lists too deep.") from error
    try:
        return _palette(document, path.stem)
    except ThemeError as error:
        raise ThemeError(f"theme {str(path)!r}: {error}") from error


def _palette(document: dict[str, Any], file: str) -> Palette:
    known = {"name", "title", "dark", "extends", *GROUPS}
    if extra := sorted(set(document) - known):
        raise ThemeError(f"{extra[0]!r} is not known; it may hold {_listing(sorted(known))}.")
    base = _base(document.get("extends"))
    name = document.get("name", file)
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ThemeError(f"'name' must be lower-case letters, digits and hyphens, not {name!r}.")
    title = document.get("title", name)
    dark = document.get("dark", base.dark if base is not None else None)
    if not isinstance(title, str):
        raise ThemeError(f"'title' must be a text, not {title!r}.")
    if not isinstance(dark, bool):
        raise ThemeError(f"'dark' must be true or false, not {dark!r}.")
    group = {key: _group(key, document.get(key, {}), base) for key in GROUPS}
    return Palette(
        name=name,
        title=title,
        dark=dark,
        surface=Surfaces(**group["surface"]),
        ink=Inks(**group["ink"]),
        line=Lines(**group["line"]),
        state=States(**group["state"]),
        diff=Diffs(**group["diff"]),
    )


def _base(name: object) -> Palette | None:
    if name is None:
        return None
    # Only built-in themes: no chains, no loops, and no file decides what another one looks like.
    palette = builtin_palettes().get(name) if isinstance(name, str) else None
    if palette is None:
        raise ThemeError(f"'extends' must be {_listing((DARK, LIGHT))}, not {name!r}.")
    return palette


def _group(key: str, table: object, base: Palette | None) -> dict[str, str]:
    if not isinstance(table, dict):
        raise ThemeError(f"[{key}] must be a table, not {table!r}.")
    given = cast("dict[str, object]", table)
    wanted = [field.name for field in fields(GROUPS[key])]
    if extra := sorted(set(given) - set(wanted)):
        raise ThemeError(f"[{key}] has no {extra[0]!r}; it may hold {_listing(wanted)}.")
    colours: dict[str, str] = {}
    for token in wanted:
        colour = given.get(token)
        if colour is None and base is not None:
            colour = getattr(getattr(base, key), token)
        if colour is None:
            raise ThemeError(f"[{key}] lacks {token!r}; add it, or extend a built-in theme.")
        if not isinstance(colour, str) or not COLOUR.fullmatch(colour.lower()):
            raise ThemeError(f"{key}.{token} must be a colour like '#8ab8e0', not {colour!r}.")
        colours[token] = colour.lower()
    return colours


def _listing(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names))

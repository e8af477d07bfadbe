"""What README and documents list is what there is."""

from __future__ import annotations

from pathlib import Path

import pytest

from mato.cli.commands import app
from mato.config.load import VARIABLES
from mato.protocol.methods import METHODS
from mato_panes.bindings import markdown
from mato_sessions.events import KINDS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_the_keys_in_the_readme_are_the_key_table() -> None:
    begin, end = "mato_panes.bindings -->\n", "\n<!-- end of keys -->"
    assert README.partition(begin)[2].partition(end)[0] == markdown()


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_of_event_is_in_its_document(kind: str) -> None:
    assert f"`{kind}`" in (ROOT / "docs" / "journal.md").read_text()


@pytest.mark.parametrize("method", sorted(METHODS))
def test_every_method_is_in_its_document(method: str) -> None:
    assert method in (ROOT / "docs" / "protocol.md").read_text()


def test_every_command_is_in_the_readme() -> None:
    commands = [command for command in app.registered_commands if command.callback]
    names = {each.name or getattr(each.callback, "__name__", "") for each in commands}
    table = README.partition("## Command line")[2].partition("\n## ")[0]
    missing = {name for name in names if name not in table}
    assert not missing


@pytest.mark.parametrize("variable", sorted(VARIABLES))
def test_every_variable_of_the_configuration_is_in_the_readme(variable: str) -> None:
    assert variable in README

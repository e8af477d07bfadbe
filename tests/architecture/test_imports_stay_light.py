"""Imports are an architecture: what a command loads decides how fast it is."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("textual", "litellm", "xllamacpp", "libtmux")


def modules_after(code: str) -> set[str]:
    """Top-level and dotted names of the modules that a fresh Python has loaded after `code`."""
    script = f"{code}\nimport sys\nprint('\\n'.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_the_heavy_modules_can_be_seen_at_all() -> None:
    assert "textual" in modules_after("import textual")


@pytest.mark.parametrize("argv", [["--help"], ["new", "--help"], ["daemon", "--help"]])
def test_help_loads_neither_the_screen_nor_a_model(argv: list[str]) -> None:
    loaded = modules_after(f"from mato.entry import run\nrun({argv!r})")
    assert "typer" in loaded
    assert not loaded & set(HEAVY)


def test_ls_loads_neither_typer_nor_the_screen_nor_a_model(running_daemon: dict[str, str]) -> None:
    environment = f"import os\nos.environ.update({running_daemon!r})"
    loaded = modules_after(f"{environment}\nfrom mato.entry import run\nassert run(['ls']) == 0")
    assert "mato.cli.requests" in loaded
    assert not loaded & {*HEAVY, "typer", "rich", "asyncio", "msgspec"}


def test_the_record_and_the_engine_load_no_screen() -> None:
    code = "import mato.daemon.__main__, mato_sessions.journal, mato.cli.commands"
    assert not modules_after(code) & {"textual", "litellm", "xllamacpp"}

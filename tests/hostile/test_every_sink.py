"""Every place where the command line writes, by inspection, and all that it goes through."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

import mato
from mato.cli import output
from mato.text import display
from tests.hostile.sequences import sequences
from tests.journeys.conftest import COMMAND, Machine

ACTING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\U000e0000-\U000e0fff\ud800-\udfff\ufffe]"
)
CLEANERS = {"display", "harmless_json", "fit", "dumps"}
"""What makes text fit to be printed; `table` and `say` print by themselves, through these."""
TEXTS = [text for _, text in sequences()]
TYPED = "".join(TEXTS).replace("\0", "").encode("utf-8", "replace").decode()
"""All of them as one argument, which cannot hold a NUL."""


def found(text: str) -> str:
    """What acts, with what stands before it; "" where nothing does."""
    match = ACTING.search(text.replace("\n", "").replace("\t", ""))
    return "" if match is None else f"U+{ord(match[0]):04X} in {match.string[:200]!r}"


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path)
    try:
        yield made
    finally:
        made.close()


# ------------------------------------------------------------------ by reading the source


def bare(source: str) -> list[str]:
    """Writes to a terminal of which an argument is neither constant nor cleaned."""
    tree = ast.parse(source)
    return [
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and _writes(ast.unparse(node.func))
        for argument in node.args
        if not _harmless(argument)
    ]


def _writes(name: str) -> bool:
    return name in ("print", "typer.echo", "typer.secho", "click.echo") or bool(
        re.fullmatch(r"sys\.(__)?(stdout|stderr)(__)?(\.buffer)?\.(write|writelines)", name)
    )


def _harmless(node: ast.expr) -> bool:
    match node:
        case ast.Constant():
            return True
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)) if name in CLEANERS:
            return True
        # Methods of cleaned text that only take from it, or join pieces of it.
        case ast.Call(func=ast.Attribute(value=inner, attr="rstrip" | "strip" | "ljust")):
            return _harmless(inner)
        case ast.Call(func=ast.Attribute(value=inner, attr="join"), args=[ast.GeneratorExp() as a]):
            return _harmless(inner) and _harmless(a.elt)
        case ast.JoinedStr(values=values):
            return all(map(_harmless, values))
        case ast.FormattedValue(value=value):
            return _harmless(value)
        case _:
            return False


KNOWN = {
    # Texts of this program and of the machine's own kernel and Python.
    "print(f'mato {__version__} (Python {sys.version.split()[0]})')",
    "print(f'mato: cannot write the output: {error.strerror}', file=sys.stderr)",
    # Of `mato run`: the narrator's only call of it cleans the line.
    "sys.stdout.write(text)",
}


def test_no_write_to_the_terminal_is_without_a_cleaner() -> None:
    top = Path(mato.__file__).parent
    files = [top / "entry.py", *sorted((top / "cli").rglob("*.py"))]
    assert len(files) > 20
    left = {f"{file.name}: {call}" for file in files for call in bare(file.read_text())}
    assert {one for one in left if one.partition(": ")[2] not in KNOWN} == set()


@pytest.mark.parametrize(
    "planted",
    ["print(name)", "print(f'{name} ended')", "sys.stderr.write(str(error))", "typer.echo(a + b)"],
)
def test_a_planted_bare_write_is_found(planted: str) -> None:
    assert bare(f"import sys\ndef f(name, error, a, b):\n    {planted}\n")


# ------------------------------------------------------------------ what all of them go through


def test_each_sequence_alone_leaves_no_way_of_printing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert len(set(TEXTS)) >= 400
    assert len({cls for cls, _ in sequences()}) >= 13
    monkeypatch.setenv("COLUMNS", "80")
    for text in TEXTS:
        output.say(text)
        output.note(text)
        output.say_json({text: [text]})
        output.table(["A", "B"], [[text, f"{text}{text}"]], give=1)
        out = capsys.readouterr()
        assert not found(out.out + out.err), repr(text)
        # Cut anywhere, or against its neighbour, it is no more than it is alone.
        assert not found(display(text[1:]) + display(text[:-1]))


def test_a_printer_that_only_takes_colours_away_is_found() -> None:
    """The control: what is left by those who think of colours only."""
    leaked = [text for text in TEXTS if found(re.sub(r"\x1b\[[0-9;]*m", "", text))]
    assert len(leaked) > len(TEXTS) * 0.8


# ------------------------------------------------------------------ by running the real program


def shown(machine: Machine, line: Sequence[str]) -> tuple[list[str], int, str]:
    """Exit code and all bytes of one command on stdout and stderr."""
    done = subprocess.run(
        [*COMMAND, *line], env=machine.env, cwd=machine.project, timeout=90, check=False,
        stdin=subprocess.DEVNULL, capture_output=True,
    )  # fmt: skip
    return list(line), done.returncode, (done.stdout + b"\n" + done.stderr).decode(errors="replace")


@pytest.mark.journey
def test_the_errors_of_the_workspace_s_settings_are_cleaned(machine: Machine) -> None:
    for variable in ("MATO_THEME", "MATO_MODE", "MATO_PREFIX", "MATO_MODEL", "MATO_BASE_URL"):
        machine.env[variable] = TYPED
        _, code, text = shown(machine, ["new", "x"])
        assert not found(text), variable
        assert "Traceback" not in text, variable
        assert 0 <= code <= 7
        del machine.env[variable]


@pytest.mark.journey
@pytest.mark.parametrize("command", ["backup", "restore", "trust"])
def test_a_name_that_no_file_can_have_is_refused_in_a_sentence(
    machine: Machine, command: str
) -> None:
    _, code, text = shown(machine, [command, TYPED])
    assert code in (1, 2, 3), text
    assert not found(text)
    assert "Traceback" not in text

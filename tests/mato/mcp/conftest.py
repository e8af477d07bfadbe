"""Real servers of the official SDK: programs on pipes, and one on loopback HTTP."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mato.config.paths import Paths, find
from mato.mcp.toolbox import Place, Toolbox
from mato.sandbox.sandbox import Sandbox
from mato.sandbox.tier import Offer, probe

SERVER = '''
import os, sys, time
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError

server = MCPServer("sums", version="1.0", instructions="Sums only.")

@server.tool()
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b

@server.tool()
def fail() -> str:
    """Always fails."""
    raise ToolError("no sum today")

@server.tool()
def long() -> str:
    """Says much."""
    return "line\\n" * 20_000

@server.tool()
def sleepy() -> str:
    """Takes its time."""
    time.sleep(600)
    return "late"

@server.tool()
def die() -> str:
    """Ends the server."""
    print("a last word", file=sys.stderr, flush=True)
    os._exit(3)

@server.tool()
def see(path: str) -> str:
    """Read a file."""
    try:
        return open(path).read()
    except OSError as error:
        raise ToolError(str(error)) from error

@server.tool()
def tell(name: str) -> str:
    """Tell a variable."""
    return os.environ.get(name, "(not there)")

@server.resource("note://one", name="One")
def one() -> str:
    """The first note."""
    return "what is in the first note"

@server.prompt()
def greet(name: str) -> str:
    """Greet somebody."""
    return f"Say hello to {name}."

MORE
'''


@pytest.fixture(scope="session")
def offer() -> Offer:
    return probe()


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    found = find({"MATO_HOME": str(tmp_path / "home")})
    found.config.mkdir(parents=True, mode=0o700)
    found.state.mkdir(parents=True, mode=0o700)
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "ws"
    made.mkdir()
    return made


@pytest.fixture
def program(folder: Path) -> Callable[..., str]:
    """Writes a server into the workspace; returns its command line."""

    def write(more: str = "", ends: str = "server.run()", name: str = "sums.py") -> str:
        (folder / name).write_text(SERVER.replace("MORE", f"{more}\n{ends}"))
        return f"{sys.executable} {name}"

    return write


@pytest.fixture
def children() -> dict[str, str]:
    """Records that are kept now: marker → purpose."""
    return {}


@pytest.fixture
def toolbox(paths: Paths, offer: Offer, tmp_path: Path, children: dict[str, str]) -> Toolbox:
    """Not entered: that belongs to the task of the test."""
    sandbox = Sandbox.of(offer, (paths.state, paths.config), tmp_path / "aside")

    def started(pid: int | None, purpose: str, marker: str) -> Callable[[], None]:
        children[marker] = purpose
        return lambda: children.pop(marker, None) and None

    return Toolbox(paths, sandbox, started)


@pytest.fixture
def place(folder: Path) -> Place:
    return Place(folder, lambda: {**os.environ, "NAMED": "given", "OTHER": "kept"}, "auto")

"""A workspace on disk and the surroundings of a call, which write down what a tool does."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mato.tools.workspace import Workspace
from mato_sessions.events.base import BlobRef, Body
from mato_sessions.ids import Ids


class Around:
    """Surroundings that keep everything in memory, in the order in which it came."""

    def __init__(self, workspace: Workspace) -> None:
        self.call = Ids(lambda: 1_700_000_000_000_000).call()
        self.workspace = workspace
        self.env = {"PATH": os.environ["PATH"], "HOME": str(workspace.root)}
        self.emitted: list[str] = []
        self.checkpoints: list[tuple[str, bytes | None, int]] = []
        self.on_disk_at_checkpoint: list[bytes | None] = []
        self.blobs: list[bytes] = []
        self.recorded: list[Body] = []
        self.children: dict[int | None, str] = {}
        self.on_child: Callable[[int], None] = lambda pid: None
        self.on_emit: Callable[[str], None] = lambda text: None
        self.on_checkpoint: Callable[[], None] = lambda: None

    def emit(self, text: str) -> None:
        self.emitted.append(text)
        self.on_emit(text)

    async def checkpoint(
        self, path: str, before: bytes | None, permissions: int, after: bytes
    ) -> None:
        self.checkpoints.append((path, before, permissions))
        file = self.workspace.root / path
        self.on_disk_at_checkpoint.append(file.read_bytes() if file.exists() else None)
        self.on_checkpoint()

    async def blob(self, data: bytes) -> BlobRef:
        self.blobs.append(data)
        return BlobRef(hashlib.sha256(data).hexdigest(), len(data))

    async def record(self, body: Body) -> None:
        self.recorded.append(body)

    def child_started(self, pid: int | None, purpose: str) -> Callable[[], None]:
        self.children[pid] = purpose
        if pid is not None:
            self.on_child(pid)
        return lambda: self.children.pop(pid, None) and None


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """A folder with a workspace and, outside of it, a secret."""
    (tmp_path / "ws").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret").write_text("SECRET")
    return tmp_path


@pytest.fixture
def workspace(top: Path) -> Iterator[Workspace]:
    with Workspace(top / "ws") as opened:
        yield opened


@pytest.fixture
def around(workspace: Workspace) -> Around:
    return Around(workspace)

"""A workspace's door as a plain function, for checkers that open paths one by one."""

from __future__ import annotations

from pathlib import Path

from mato.tools.workspace import Workspace
from mato_sessions.errors import PathRefused


def open_inside(workspace: str, path: str) -> int:
    """A descriptor of the plain file or folder `path` of `workspace`; the caller closes it.

    Raises:
        PermissionError: refused, with the sentence of `PathRefused`.
    """
    try:
        with Workspace(Path(workspace)) as opened:
            return opened.open(path)
    except PathRefused as error:
        raise PermissionError(str(error)) from error

"""How a long fetch shows itself: a bar on a terminal, a line every tenth elsewhere."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self, TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

MEGABYTE = 1_000_000


class FetchProgress(Protocol):
    """Hears how a fetch goes on."""

    def say(self, text: str) -> None:
        """A line for people."""
        ...

    def at(self, done_bytes: int, total_bytes: int) -> None:
        """So much of the file is here. Called often; may go back when a source starts over."""
        ...


class Lines:
    """For pipes and logs."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._tenth = -1

    def say(self, text: str) -> None:
        print(text, file=self._stream, flush=True)

    def at(self, done_bytes: int, total_bytes: int) -> None:
        tenth = done_bytes * 10 // total_bytes
        if tenth != self._tenth:
            self._tenth = tenth
            self.say(
                f"  {tenth * 10:3d} %  {done_bytes // MEGABYTE} of {total_bytes // MEGABYTE} MB"
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None


class Bar:
    """For terminals."""

    def __init__(self, stream: TextIO) -> None:
        self._bar = Progress(
            TextColumn("  "),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=Console(file=stream, highlight=False),
        )
        self._task = self._bar.add_task("", total=None, visible=False)

    def say(self, text: str) -> None:
        self._bar.console.print(text, markup=False)

    def at(self, done_bytes: int, total_bytes: int) -> None:
        self._bar.update(self._task, completed=done_bytes, total=total_bytes, visible=True)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()


def progress_on(stream: TextIO) -> Lines | Bar:
    """What fits `stream`; a context manager."""
    return Bar(stream) if stream.isatty() else Lines(stream)

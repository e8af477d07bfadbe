"""The tool that searches files for a pattern, in a thread that a cancelled call leaves soon."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Annotated, Any

import msgspec
import regex
from msgspec import Meta

from mato.tools.base import Surroundings, ToolError, ToolResult
from mato.tools.disk import Crew
from mato.tools.listing import NOT_ENTERED
from mato.tools.workspace import Entry, PathMissing, Workspace
from mato_sessions.errors import PathRefused
from mato_sessions.events.permission import Action
from mato_sessions.events.tool import RecoveryPolicy

_FILE_BYTES = 4 * 1024 * 1024
_FILES = 20_000
_MATCHES = 200
_CONTENT_BYTES = 24 * 1024
_SHOWN_CHARACTERS = 240
_SNIFFED = 8 * 1024
_LIMIT_S = 20.0
_LINE_S = 1.0
"""Longest time a pattern may take on one line; one that needs more needs forever."""
_CREW = Crew("mato-search", 4, stop_s=0.0)
"""Their own, as they take long; they write nothing, so a cancelled one is not waited for."""


class SearchArguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pattern: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=1000,
            description="Regular expression (Python syntax), matched within single lines.",
        ),
    ]
    path: Annotated[str, Meta(description="File or folder, relative to the workspace.")] = "."
    literal: Annotated[bool, Meta(description="Take pattern as plain text.")] = False
    ignore_case: Annotated[bool, Meta(description="Let upper and lower case match.")] = False
    files: Annotated[
        str, Meta(max_length=200, description="Only files with such a name, like *.py.")
    ] = ""


class Search:
    name: str = "search"
    description: str = "Search the files of the workspace for a pattern; gives path:line: text."
    Arguments: type[msgspec.Struct] = SearchArguments
    action: Action = "read"
    policy: RecoveryPolicy = "idempotent"

    def title(self, arguments: SearchArguments) -> str:
        where = "" if arguments.path == "." else f" in {arguments.path}"
        return f"search {arguments.pattern}{where}"

    def resource(self, arguments: SearchArguments) -> str:
        return arguments.path

    async def preview(self, arguments: SearchArguments, workspace: Any) -> str:
        return ""

    async def run(self, arguments: SearchArguments, around: Surroundings) -> ToolResult:
        hunt = _Hunt(arguments, around.workspace)
        try:
            return await _CREW.run(hunt.run)
        except PathRefused as error:
            raise ToolError(str(error)) from error
        finally:
            hunt.stop.set()


class _Hunt:
    """One search, in its thread."""

    def __init__(self, arguments: SearchArguments, workspace: Workspace) -> None:
        self.stop = threading.Event()
        self._arguments = arguments
        self._workspace = workspace
        self._lines: list[str] = []
        self._bytes = 0
        self._too_large = 0
        self._end = 0.0

    def run(self) -> ToolResult:
        self._end = time.monotonic() + _LIMIT_S
        pattern = self._compile()
        searched = matching = 0
        cut = ""
        for path in self._paths():
            cut = self._cut(searched)
            if cut:
                break
            text = self._text(path)
            if text is None:
                continue
            searched += 1
            before = len(self._lines)
            for number, line in enumerate(text.split("\n"), 1):
                if self._cut(0):
                    break
                found = self._match(pattern, line, path, number)
                if found is not None:
                    self._add(f"{path}:{number}: {_excerpt(line, *found)}")
            matching += len(self._lines) > before
        count = len(self._lines)
        notes = [cut or self._cut(0)]
        if self._too_large:
            notes.append(f"[{self._too_large} files over {_FILE_BYTES:,} bytes were not searched]")
        if not count:
            notes.insert(0, f"[no match in {searched} files]")
        content = "\n".join([*self._lines, *filter(None, notes)])
        return ToolResult(
            content=content + "\n",
            summary=f"{count} match{'es' * (count != 1)} in {matching} file{'s' * (matching != 1)}",
        )

    def _compile(self) -> regex.Pattern[str]:
        text = self._arguments.pattern
        flags = regex.IGNORECASE if self._arguments.ignore_case else 0
        try:
            return regex.compile(regex.escape(text) if self._arguments.literal else text, flags)
        except (regex.error, RecursionError, OverflowError) as error:
            raise ToolError(
                f"{text!r} is no regular expression ({error}); for plain text set literal to true"
            ) from error

    def _cut(self, searched: int) -> str:
        if len(self._lines) >= _MATCHES or self._bytes > _CONTENT_BYTES:
            return f"[stopped at {len(self._lines)} matches; narrow path, files or pattern]"
        if searched >= _FILES:
            return f"[stopped after {searched} files; narrow path or files]"
        if time.monotonic() > self._end or self.stop.is_set():
            return f"[stopped after {_LIMIT_S:.0f} s; narrow path, files or pattern]"
        return ""

    def _paths(self) -> Iterator[str]:
        wanted = self._arguments.files
        try:
            entries = self._workspace.walk(self._arguments.path, skip=NOT_ENTERED)
            first = next(entries, None)
        except PathMissing:
            raise
        except PathRefused:
            self._workspace.open_read(self._arguments.path).close()  # else it says why not
            yield self._workspace.relative(self._arguments.path)
            return
        if first is not None and _wanted(first, wanted):
            yield first.path
        for entry in entries:
            if _wanted(entry, wanted):
                yield entry.path
            elif self._cut(0):
                return

    def _text(self, path: str) -> str | None:
        try:
            if self._workspace.stat(path).st_size > _FILE_BYTES:
                self._too_large += 1
                return None
            data = self._workspace.read_bytes(path, _FILE_BYTES)
        except PathRefused:  # gone by now, or not ours to read
            return None
        return None if b"\0" in data[:_SNIFFED] else data.decode(errors="replace")

    def _match(
        self, pattern: regex.Pattern[str], line: str, path: str, number: int
    ) -> tuple[int, int] | None:
        try:
            # concurrent: without the interpreter's lock, so that the loop goes on meanwhile.
            found = pattern.search(line, timeout=_LINE_S, concurrent=True)
        except TimeoutError as error:
            raise ToolError(
                f"the pattern takes too long on line {number} of {path!r}; use a simpler one"
            ) from error
        return found.span() if found else None

    def _add(self, line: str) -> None:
        if self._bytes <= _CONTENT_BYTES:
            self._lines.append(line)
            self._bytes += len(line.encode()) + 1


def _wanted(entry: Entry, files: str) -> bool:
    if entry.kind != "file":
        return False
    return not files or fnmatchcase(entry.path if "/" in files else entry.name, files)


def _excerpt(line: str, start: int, end: int) -> str:
    """The line, or where it is long the part around the match."""
    line = line.rstrip("\r")
    if len(line) <= _SHOWN_CHARACTERS:
        return line
    left = max(min(start - 60, len(line) - _SHOWN_CHARACTERS), 0)
    right = left + _SHOWN_CHARACTERS
    return f"{'…' * bool(left)}{line[left:right]}{'…' * (right < len(line))}"

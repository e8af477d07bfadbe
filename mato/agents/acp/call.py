"""One tool call of an ACP agent as it is known so far, and what can be read out of that; pure."""

from __future__ import annotations

import posixpath
import shlex
from typing import Any, Literal

import msgspec

from mato.agents.acp import raw
from mato.tools.difference import unified
from mato_sessions.events.permission import Action

KINDS: dict[str, Action] = {
    "read": "read",
    "search": "read",
    "think": "note",
    "edit": "write",
    "delete": "write",
    "move": "write",
    "execute": "execute",
    "fetch": "execute",
    "switch_mode": "execute",
    "other": "execute",
}
"""ACP ToolKind, and what such a call does to the world; one that is unknown counts as the worst."""
HARMLESS = ("read", "note")
_TITLE = 500
_OUTPUTS = ("formatted_output", "aggregated_output", "output", "stdout", "content", "error")


class Call(msgspec.Struct, kw_only=True):
    """What is known of one call."""

    call: str
    """Mato's own id: an agent's are its own affair, and come again."""
    foreign: str
    title: str = ""
    kind: str = "other"
    state: Literal["held", "proposed", "started", "ended"] = "held"
    """held: heard of, and not yet worth a fact: most agents say what it is a moment later."""
    asked: bool = False
    """It was decided about, by a person or by a rule."""
    refused: bool = False
    content: list[Any] = []
    places: tuple[str, ...] = ()
    given: Any = None
    made: Any = None
    shown: str = ""
    began_us: int = 0

    @property
    def action(self) -> Action:
        """What it does to the world."""
        return KINDS.get(self.kind, "execute")

    @property
    def command(self) -> str:
        """The command line of a call that runs one, as far as the agent says it; else ""."""
        given = raw.mapping(self.given)
        for name in ("command", "cmd", "script"):
            value = given.get(name)
            if isinstance(value, str) and value.strip():
                return value
            words = [word for word in raw.items(value) if isinstance(word, str)]
            if len(words) == 3 and words[0].endswith("sh") and words[1] in ("-c", "-lc"):
                return words[2]
            if words:
                return shlex.join(words)
        return ""

    @property
    def path(self) -> str:
        """The file that it is about, as far as the agent says it; else ""."""
        for each in self.content:
            if each_path := raw.text(raw.mapping(each).get("path")):
                return each_path
        if self.places:
            return self.places[0]
        given = raw.mapping(self.given)
        names = ("path", "file_path", "filePath", "filepath", "absolute_path", "abs_path")
        return next((found for name in names if (found := raw.text(given.get(name)))), "")

    @property
    def resource(self) -> str:
        """What a permission for it is about: the command line, the path, or what it calls it."""
        if self.action == "execute":
            return self.command or self.name
        return self.path or self.name

    @property
    def name(self) -> str:
        """A few words for people."""
        if self.kind == "execute" and self.command:
            return raw.cut(f"$ {self.command}", _TITLE)
        return raw.cut(self.title.strip("` \n") or self.kind, _TITLE)

    @property
    def arguments(self) -> dict[str, Any]:
        """For the record and for rules: what it was given, with command and path by those names."""
        given = raw.bounded(self.given)
        found = raw.mapping(given)
        if given is not None and not isinstance(given, dict):
            found = {"input": given}
        if self.action == "execute" and self.command:
            found = {**found, "command": raw.cut(self.command)}
        elif self.action != "execute" and self.path:
            found = {**found, "path": self.path}
        return found

    def diff(self, root: str) -> str:
        """What it changes or has changed, as one unified diff."""
        parts: list[str] = []
        for each in self.content:
            found = raw.mapping(each)
            if found.get("type") != "diff":
                continue
            old, new = found.get("oldText"), raw.text(found.get("newText"))
            path = raw.text(found.get("path"))
            if path.startswith("/"):
                path = posixpath.relpath(path, root) if path.startswith(f"{root}/") else path[1:]
            parts.append(unified(path or "file", old if isinstance(old, str) else None, new))
        return raw.cut("".join(parts), 2 * raw.TEXT)

    @property
    def said(self) -> str:
        """What it has printed or found, as text."""
        found = [
            raw.block(raw.mapping(each).get("content"))
            for each in self.content
            if raw.mapping(each).get("type") == "content"
        ]
        return "\n".join(part for part in found if part)

    @property
    def outcome(self) -> str:
        """What came of it, as text: its content, else what the agent calls its raw output."""
        if self.said:
            return self.said
        if isinstance(self.made, str):
            return self.made
        made = raw.mapping(self.made)
        for name in _OUTPUTS:
            if found := raw.text(made.get(name)):
                return found
        return raw.dumped(self.made) if self.made not in (None, {}) else ""

    @property
    def exit_code(self) -> int | None:
        """Of a command that has ended, where the agent says it."""
        found = raw.mapping(self.made)
        for place in (found, raw.mapping(found.get("metadata"))):
            for name in ("exit_code", "exitCode", "exit"):
                value = place.get(name)
                if isinstance(value, int) and not isinstance(value, bool) and -256 < value < 256:
                    return value
        return None

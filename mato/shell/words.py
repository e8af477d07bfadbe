"""The words of a command line, as far as they are certain (POSIX XCU §2, a small part of it).

Words, both kinds of quotes, pipes, `&&`, `||`, `;` and redirections to plain files are read.
Whatever else a shell would give a meaning to (expansion, globs, assignments, compound commands,
control characters …) is not guessed at.
"""

from __future__ import annotations

import re
import unicodedata

import msgspec


class Simple(msgspec.Struct, frozen=True):
    """One command of a line."""

    argv: tuple[str, ...]
    reads: tuple[str, ...] = ()
    """Files that its input is taken from."""
    writes: tuple[str, ...] = ()
    """Files that its output goes to."""


class Unclear(Exception):
    """The line has something in it that is not read for certain."""


_PLAIN = re.compile(r"[A-Za-z0-9_./:=,@%+^~-]")
_ESCAPABLE = frozenset("()[]{}.*+?^$|!;&<>\"'\\# ")
_NULL = "/dev/null"


def parse(command: str) -> tuple[Simple, ...]:
    """The commands of a line, with their words as a shell would see them.

    Raises:
        Unclear: A character or an order of words is not read for certain.
    """
    for character in command:
        _readable(character)
    commands: list[Simple] = []
    current = _Building()
    joined = True
    for text, quoted in _tokens(command):
        if not quoted and text in _JOINS:
            commands.append(current.done())
            current = _Building()
            joined = text != ";"
        else:
            current.take(text, quoted)
    if current.empty and commands and not joined:
        return tuple(commands)  # a line may end with ;
    commands.append(current.done())
    return tuple(commands)


_JOINS = frozenset(("|", "&&", "||", ";"))
_REDIRECTION = re.compile(r"[012]?(>>|>|<)")


class _Building:
    """A command whose words are still coming."""

    def __init__(self) -> None:
        self._argv: list[str] = []
        self._reads: list[str] = []
        self._writes: list[str] = []
        self._target: list[str] | None = None

    @property
    def empty(self) -> bool:
        return not (self._argv or self._reads or self._writes or self._target is not None)

    def take(self, token: str, quoted: bool) -> None:
        if not quoted and token in ("2>&1", ">&2", "1>&2"):
            if self._target is not None:
                raise Unclear("a redirection without a file")
            return
        if not quoted and _REDIRECTION.fullmatch(token):
            if self._target is not None:
                raise Unclear("a redirection without a file")
            self._target = self._reads if token.endswith("<") else self._writes
            return
        if self._target is not None:
            if token != _NULL:
                self._target.append(token)
            self._target = None
            return
        if not self._argv and (quoted or not re.fullmatch(r"[a-z][a-z0-9_.+-]*", token)):
            raise Unclear(f"{token!r} is not the plain name of a command")
        self._argv.append(token)

    def done(self) -> Simple:
        if self._target is not None or not self._argv:
            raise Unclear("a command is missing its words")
        return Simple(tuple(self._argv), tuple(self._reads), tuple(self._writes))


def _readable(character: str) -> None:
    if character in " \t":
        return
    category = unicodedata.category(character)
    if character == "\n" or category[0] in "CZ":
        raise Unclear(f"the character U+{ord(character):04X} is in it")


def _tokens(line: str) -> list[tuple[str, bool]]:
    """Words and operators, each with whether quotes made some of it."""
    tokens: list[tuple[str, bool]] = []
    at = 0
    while at < len(line):
        if line[at] in " \t":
            at += 1
        elif operator := _OPERATOR.match(line, at):
            text = operator.group()
            if text not in _OPERATORS:
                raise Unclear(f"{text!r} is not followed further")
            at = operator.end()
            if text[-1].isdigit() and line[at : at + 1] not in ("", " ", "\t", *"|&;"):
                raise Unclear(f"{text!r} is not followed by a space")
            tokens.append((text, False))
        else:
            start = at
            word, quoted, at = _word(line, at)
            if line[start:at].isdigit() and line[at : at + 1] in ("<", ">"):
                raise Unclear("a file descriptor is redirected")
            tokens.append((word, quoted))
    return tokens


_OPERATOR = re.compile(r"[012]?[<>](?:&[0-9-]*|[<>|(&]*)|[|&;()]+[<>]*")
_OPERATORS = frozenset((
    "|", "&&", "||", ";", ">", ">>", "<", "1>", "2>", "1>>", "2>>", "0<", "2>&1", ">&2", "1>&2",
))  # fmt: skip


def _word(line: str, at: int) -> tuple[str, bool, int]:
    start = at
    made: list[str] = []
    quoted = False
    while at < len(line) and line[at] not in " \t|&;()<>":
        character = line[at]
        if character == "'":
            end = line.find("'", at + 1)
            if end < 0:
                raise Unclear("a quote is not closed")
            made.append(line[at + 1 : end])
            quoted = True
            at = end + 1
        elif character == '"':
            text, at = _double(line, at + 1)
            made.append(text)
            quoted = True
        elif character == "\\":
            if at + 1 >= len(line) or line[at + 1] not in _ESCAPABLE:
                raise Unclear("a backslash outside quotes")
            made.append(line[at + 1])
            quoted = True
            at += 2
        elif character == "~" and (at == start or line[at - 1] in "=:"):
            raise Unclear("~ stands for a home directory")
        elif _PLAIN.match(character):
            made.append(character)
            at += 1
        else:
            raise Unclear(f"{character!r} outside quotes has a meaning of its own")
    return "".join(made), quoted, at


def _double(line: str, at: int) -> tuple[str, int]:
    made: list[str] = []
    while at < len(line):
        character = line[at]
        if character == '"':
            return "".join(made), at + 1
        if character == "\\":
            following = line[at + 1 : at + 2]
            if following in ("", "\n", "$", "`", "!"):
                raise Unclear("an escaped expansion")
            if following in '"\\':
                made.append(following)
            else:
                made.append(character + following)
            at += 2
            continue
        if character in "$`!":
            raise Unclear(f"{character!r} inside quotes is expanded")
        made.append(character)
        at += 1
    raise Unclear("a quote is not closed")

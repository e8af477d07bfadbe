"""Colours for a finished code fence, where its language is known and it is not long."""

from __future__ import annotations

from functools import cache

from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name  # pyright: ignore[reportUnknownVariableType] - **options are untyped
from pygments.token import Comment, Keyword, Name, Number, String, Token
from pygments.util import ClassNotFound

from mato_panes.rendering.line import Role, Span

LIMIT_CHARACTERS = 12_000
LIMIT_LINE = 500
"""Lexers are regular expressions, some of them quadratic in a hostile line."""

_LANGUAGES = {
    "bash": "bash",
    "c": "c",
    "c++": "cpp",
    "cpp": "cpp",
    "css": "css",
    "diff": "diff",
    "go": "go",
    "html": "html",
    "java": "java",
    "javascript": "javascript",
    "js": "javascript",
    "json": "json",
    "jsx": "jsx",
    "kotlin": "kotlin",
    "py": "python",
    "python": "python",
    "rb": "ruby",
    "rs": "rust",
    "ruby": "ruby",
    "rust": "rust",
    "sh": "bash",
    "shell": "bash",
    "sql": "sql",
    "toml": "toml",
    "ts": "typescript",
    "tsx": "tsx",
    "typescript": "typescript",
    "xml": "xml",
    "yaml": "yaml",
    "yml": "yaml",
}
"""What models write after a fence → Pygments' name; a list, so that no name from outside is looked
up among several hundred lexers of unknown temper."""

_ROLES: tuple[tuple[object, Role], ...] = (
    (Keyword, "keyword"),
    (String, "string"),
    (Comment, "comment"),
    (Number, "number"),
    (Name.Function, "name"),
    (Name.Class, "name"),
    (Name.Decorator, "name"),
    (Name.Tag, "name"),
    (Name.Builtin, "name"),
    (Name.Attribute, "name"),
    (Token.Generic.Deleted, "removed"),
    (Token.Generic.Inserted, "added"),
)


@cache
def _lexer(name: str) -> Lexer | None:
    try:
        return get_lexer_by_name(name, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return None


@cache
def _role(token: object) -> Role:
    for kind, role in _ROLES:
        if token in kind:  # type: ignore[operator]
            return role
    return "fence"


def highlighted(source: list[str], language: str) -> list[list[Span]] | None:
    """Spans for each line of the source; None where it stays plain.

    The text of the spans is exactly the source's: nothing moves when colour comes.
    """
    name = _LANGUAGES.get(language.lower())
    if name is None or sum(map(len, source)) > LIMIT_CHARACTERS:
        return None
    if any(len(line) > LIMIT_LINE for line in source):
        return None
    lexer = _lexer(name)
    if lexer is None:
        return None
    lines: list[list[Span]] = [[]]
    for token, text in lexer.get_tokens("\n".join(source)):
        role = _role(token)
        for index, part in enumerate(text.split("\n")):
            if index:
                lines.append([])
            if part:
                lines[-1].append((part, role))
    if ["".join(text for text, _ in line) for line in lines] != source:
        return None
    return lines

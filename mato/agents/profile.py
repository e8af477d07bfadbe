"""Agent profiles: Markdown files whose head says what the agent is and whose body instructs it.

::

    +++
    description = "Reads and explains; changes nothing."
    tools = ["read", "list", "search", "plan"]
    mode = "read"
    +++
    You explain code to people who are new to it. …

The head is TOML between two lines of ``+++``; its keys are the fields of `_Head`. A profile is
named by its file, and one found later replaces one found before: built-in, then the user's folder,
then ``.mato/agents`` of a folder that the person trusts. A file that is no profile stops nobody but
who asks for it.
"""

from __future__ import annotations

import difflib
import re
import shlex
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from mato.models.base import ModelChoice
from mato.models.keys import VARIABLES
from mato.sandbox import hole
from mato.tools.registry import NAMES, USUAL
from mato_sessions.errors import ConfigError, UnknownName
from mato_sessions.events.agent import AgentKind, Hole, LaunchSpec, Limits
from mato_sessions.events.session import Mode

DEFAULT = "coder"
"""The profile of an agent that nobody chose one for."""
PROJECT_FOLDER = Path(".mato/agents")
_OWN = ("built-in", "user")
"""Origins of profiles that may hand a person's variables to an agent."""
_BUILTIN = Path(__file__).parent / "builtin"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_LARGEST_BYTES = 256 * 1024

FLAGS = {
    "no-fs": "Mato offers it no reading and writing of files: it does that worse than alone",
    "no-terminal": "Mato offers it no terminals",
    "no-load": "its session/load fails, whatever it says",
    "answer-first": "on cancel, open questions are answered a moment before, not after",
    "not-tried": "this profile was never run by who wrote it",
}
"""What may be said of a program with an agent of its own."""

_SURROUNDINGS = (
    *("HOME", "LANG", "LC_ALL", "LOGNAME", "PATH", "SHELL", "TZ", "USER"),
    *("VIRTUAL_ENV", "CONDA_PREFIX", "NODE_PATH", "JAVA_HOME", "GOPATH"),
    *("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CARGO_HOME", "RUSTUP_HOME"),
)
"""What commands need of the terminal from which the agent was started: places, and no way out.

Not the socket of an ssh agent, nor proxies: a person names them in ``[tools] env``.
"""


class _Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What may stand in the head."""

    kind: AgentKind = "native"
    description: str = ""
    command: str = ""
    """Of the other kinds: the command line of the program, split as a shell splits words."""
    install: str = ""
    """How one gets that program: a command, for people."""
    flags: tuple[str, ...] = ()
    """What is to be known about that program (`mato.agents.profile.FLAGS`)."""
    tried: str = ""
    """The version of the program that this profile was tried with."""
    model: str = ""
    """Empty: the default choice."""
    tools: tuple[str, ...] = USUAL
    mode: Mode | None = None
    """None: the session's."""
    limits: Limits | None = None
    """None: those of the config."""
    env: tuple[str, ...] = ()
    """More variables that clients hand over."""
    mcp: tuple[str, ...] | None = None
    """Names of MCP servers. None: all that the person agreed to, where `tools` is left out too."""
    sandbox: Hole = Hole()
    """What is opened to its processes. Not for a profile that comes with a folder."""


class Profile(msgspec.Struct, frozen=True):
    """What kind of agent to start."""

    name: str
    kind: AgentKind
    description: str
    command: tuple[str, ...]
    """The program of the other kinds, and its arguments."""
    install: str
    flags: tuple[str, ...]
    tried: str
    model: str
    tools: tuple[str, ...]
    mode: Mode | None
    limits: Limits | None
    variables: tuple[str, ...]
    """Names of all variables that a client hands over where it has them."""
    hole: Hole
    """What of the machine is open to its processes."""
    mcp: tuple[str, ...] | None
    """Names of the MCP servers whose tools it has; None: all."""
    prompt: str
    origin: str
    """built-in, user, or the file."""

    def launch(self, choice: ModelChoice, mode: Mode, cwd: str, limits: Limits) -> LaunchSpec:
        """All that is needed to start an agent of this profile, now and after a restart.

        `mode` and `limits` are those of session and config; the profile's own go before them.
        """
        return LaunchSpec(
            profile=self.name,
            model=choice.model,
            base_url=choice.base_url,
            model_source=choice.source,
            mode=self.mode or mode,
            cwd=cwd,
            env_names=self.variables,
            limits=self.limits or limits,
            prompt=self.prompt,
            tools=self.tools,
            argv=self.command,
            flags=self.flags,
            hole=self.hole,
            mcp=self.mcp,
        )


class Profiles(msgspec.Struct, frozen=True):
    """What the folders hold, by name; a name is in one of the two."""

    sound: dict[str, Profile]
    broken: dict[str, str]
    """Why the file is no profile: one sentence with file and reason."""

    def get(self, name: str) -> Profile:
        """The profile of this name.

        Raises:
            ConfigError: its file is no profile.
            UnknownName: there is none; offers the nearest.
        """
        if found := self.sound.get(name):
            return found
        if why := self.broken.get(name):
            raise ConfigError(why)
        near = difflib.get_close_matches(name, self.sound, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(self.sound)}"
        raise UnknownName(f"there is no agent profile {name!r}; {hint}")


def load(user: Path | None = None, project: Mapping[str, bytes] | None = None) -> Profiles:
    """All profiles: built-in ones, the user's folder `user`, and those among a workspace's files.

    Give `project` (content by path, as it was looked at) only when the person trusts it.
    """
    found = Profiles({}, {})
    for folder, origin in ((_BUILTIN, "built-in"), (user, "user")):
        for file in _files(folder):
            _add(found, file, origin, lambda file=file: _read(file))
    for path, content in sorted((project or {}).items()):
        file = Path(path)
        if file.parent == PROJECT_FOLDER and file.suffix == ".md":
            _add(found, file, path, lambda content=content, path=path: _decoded(content, path))
    return found


def _add(found: Profiles, file: Path, origin: str, read: Callable[[], str]) -> None:
    try:
        found.sound[file.stem] = parse(file.stem, read(), str(file), origin)
        found.broken.pop(file.stem, None)
    except ConfigError as error:
        # What the file was meant to replace must not come in its stead.
        found.sound.pop(file.stem, None)
        found.broken[file.stem] = str(error)


def parse(name: str, text: str, where: str, origin: str) -> Profile:
    """The profile in a file's text.

    Raises:
        ConfigError: it is none; the message names file and reason.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"{where}: a profile is named by its file, and {name!r} is no name; use small letters, "
            "digits, - and _"
        )
    head, body = _split(text, where)
    try:
        data: dict[str, Any] = tomllib.loads(head)
        found = msgspec.convert(data, _Head)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{where}: its head is not TOML: {error}") from error
    except RecursionError as error:
        raise ConfigError(f"{where}: its head nests lists too deep") from error
    except msgspec.ValidationError as error:
        keys = ", ".join(_Head.__struct_fields__)
        raise ConfigError(f"{where}: {error}; a head may hold {keys}") from error
    if found.env and origin not in _OWN:
        raise ConfigError(
            f"{where}: a project's profile names no variables; name {', '.join(found.env)} under "
            "[tools] env in your config.toml"
        )
    unknown = [tool for tool in found.tools if tool not in NAMES]
    if unknown:
        raise ConfigError(
            f"{where}: no tool is called {unknown[0]!r}; there are {', '.join(NAMES)}"
        )
    if found.sandbox != Hole() and origin not in ("built-in", "user"):
        raise ConfigError(
            f"{where}: a profile that comes with a folder opens nothing in the sandbox; copy it to "
            "your own profiles if you want that"
        )
    hole.check(found.sandbox, where)
    if found.kind != "native" and origin not in ("built-in", "user"):
        raise ConfigError(
            f"{where}: a profile that comes with a folder starts no program; copy it to your own "
            "profiles if you want that"
        )
    return Profile(
        name=name,
        kind=found.kind,
        description=found.description,
        command=_command(found, where),
        install=found.install,
        flags=found.flags,
        tried=found.tried,
        model=found.model,
        tools=found.tools,
        mode=found.mode,
        limits=found.limits,
        variables=_variables(found),
        hole=found.sandbox,
        mcp=found.mcp if found.mcp is not None or found.tools == USUAL else (),
        prompt=body,
        origin=origin,
    )


def _variables(head: _Head) -> tuple[str, ...]:
    # A program of its own gets the keys that its profile names, and nobody else's.
    keys = VARIABLES if head.kind == "native" else ()
    return tuple(dict.fromkeys((*_SURROUNDINGS, *keys, *head.env, *head.sandbox.env)))


def _command(head: _Head, where: str) -> tuple[str, ...]:
    if head.kind == "native":
        if head.command or head.flags:
            raise ConfigError(
                f"{where}: an agent of Mato's own has no command and no flags; "
                'say kind = "acp" for a program that speaks the Agent Client Protocol'
            )
        return ()
    unknown = [flag for flag in head.flags if flag not in FLAGS]
    if unknown:
        raise ConfigError(
            f"{where}: no flag is called {unknown[0]!r}; there are {', '.join(FLAGS)}"
        )
    try:
        words = tuple(shlex.split(head.command))
    except ValueError as error:
        raise ConfigError(
            f"{where}: its command {head.command!r} cannot be split: {error}"
        ) from error
    if not words or not words[0]:
        raise ConfigError(f"{where}: an agent of kind {head.kind!r} needs a command")
    return words


def _split(text: str, where: str) -> tuple[str, str]:
    lines = text.splitlines()
    if not lines or lines[0].strip() != "+++":
        raise ConfigError(f"{where}: it begins with a line of +++, then TOML, then +++ again")
    for number, line in enumerate(lines[1:], start=1):
        if line.strip() == "+++":
            return "\n".join(lines[1:number]), "\n".join(lines[number + 1 :]).strip()
    raise ConfigError(f"{where}: the second line of +++ is missing")


def _files(folder: Path | None) -> Iterator[Path]:
    if folder is not None and folder.is_dir():
        yield from sorted(file for file in folder.glob("*.md") if file.is_file())


def _read(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            content = opened.read(_LARGEST_BYTES + 1)
        if len(content) > _LARGEST_BYTES:
            raise ConfigError(f"{str(file)!r} is too large for a profile")
    except OSError as error:
        raise ConfigError(f"{str(file)!r} cannot be read: {error}") from error
    return _decoded(content, str(file))


def _decoded(content: bytes, where: str) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{where!r} cannot be read: {error}") from error

"""One command's confinement: made before it starts, undone and checked after its last process.

The same for a tool's command line, for a program that speaks on pipes for hours, and for one that
owns a terminal of its own.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from mato.config import hosts
from mato.sandbox import bubblewrap, protected, seccomp, trees, visible, worktree
from mato.sandbox.hole import Opened, opened
from mato.sandbox.line import Line, Traffic
from mato.sandbox.protected import Found
from mato.sandbox.standins import StandIns
from mato.sandbox.tier import Offer, Tier, command_of
from mato_sessions.errors import PathRefused
from mato_sessions.events.agent import Hole

_PASSED = frozenset(
    {"PATH", "HOME", "LANG", "LANGUAGE", "TZ", "TERM", "USER", "LOGNAME", "SHELL", "EDITOR"}
)
_CLOSED = Hole()
_AT_ONCE = {
    "npm_config_fetch_retries": "0",
    "npm_config_update_notifier": "false",
    "PIP_RETRIES": "0",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "CARGO_NET_RETRY": "0",
}
"""Without a network, programs that fetch would try for a minute or two before they say so."""
_NINTH = 9
"""A descriptor that every shell can name."""
_SYSTEM = frozenset({"/", "/etc", *visible.SYSTEM})


class Start(msgspec.Struct, frozen=True):
    """How a confined command is started: its whole command line and environment."""

    command: tuple[str, ...]
    env: dict[str, str]
    handles: tuple[int, ...] = ()
    """Descriptors that it inherits."""


class Confinement:
    """For one command. `begin` and `end` block and touch the disk: both are for a thread.

    `end` may be called whatever became of `begin`, waits for it, and is idempotent. What holds the
    command is around it until then, so it comes after the end of its last process.
    """

    def __init__(
        self,
        offer: Offer,
        tier: Tier,
        hidden: Sequence[Path],
        aside: Path,
        stand_ins: StandIns,
        named: Sequence[str] = (),
        hole: Hole = _CLOSED,
    ) -> None:
        self.tier: Tier = tier
        self._offer = offer
        self._hidden = hidden
        self._aside = aside
        self._stand_ins = stand_ins
        self._named = frozenset((*named, *hole.env))
        self._hole = hole
        self._lock = threading.Lock()
        self._ended = False
        self._undo = contextlib.ExitStack()
        self._before: Found | None = None
        self._folder = Path()
        self._copies: Path | None = None
        self._line: Line | None = None

    def begin(
        self,
        folder: Path,
        env: Mapping[str, str],
        command: Sequence[str],
        *,
        terminal: bool = False,
    ) -> Start | None:
        """What to start for `command` in `folder`; None where `end` came first.

        Of `env` only the named variables are handed on. Standard input and output are whatever the
        start is given: pipes work. With `terminal` it keeps the terminal that it is started on,
        and `handles` is empty, as a terminal multiplexer passes none on: for a terminal of its own
        only, never for one that a person types into.

        Raises:
            PathRefused: the folder is the system's own.
            ConfigError: the hole leads to what is never shown.
        """
        with self._lock:
            if self._ended:
                return None
            if self.tier == "none":
                return Start(tuple(command), dict(env))
            if str(folder) in _SYSTEM or folder.parts[1:2] in (("proc",), ("sys",), ("dev",)):
                raise PathRefused(
                    f"{str(folder)!r} belongs to the system and cannot be a sandboxed workspace; "
                    "open the session in a folder of its own"
                )
            self._folder = folder
            self._before = protected.find(folder)
            if self.tier == "full":
                return self._in_namespaces(folder, env, command, terminal)
            return self._by_rules(folder, env, command, terminal)

    def end(self) -> list[str]:
        """Undo what `begin` made; gives the protected paths that the command had changed."""
        with self._lock:
            self._ended = True
            before, self._before = self._before, None
            try:
                if before is None:
                    return []
                # Stand-ins are no places, so they may go before or after the look.
                return protected.restore(self._folder, before, self._copies, self._aside)
            finally:
                self._undo.close()

    def traffic(self) -> Traffic:
        """What went over the network that the hole opens."""
        return self._line.traffic() if self._line else Traffic()

    def _in_namespaces(
        self, folder: Path, env: Mapping[str, str], command: Sequence[str], terminal: bool
    ) -> Start:
        view = visible.view(folder, env, self._hidden)
        held = self._stand_ins.hold(folder)
        self._undo.callback(self._stand_ins.let_go, held)
        before = self._before
        outer = self._outside(view)
        fixed = [
            place.path
            for place in (before.places.values() if before else ())
            if place.kind in ("file", "folder") and (outer or place.path.is_relative_to(folder))
        ]
        hooks: list[tuple[Path, bool]] = []
        whole: set[Path] = set()
        for git in before.repositories if before else ():
            if outer is None and not git.is_relative_to(folder):
                continue  # it is hidden
            # A mount keeps its name: neither it nor a folder above it can be moved away.
            whole |= {git, *_between(folder, git)}
            if not os.path.lexists(git / "hooks") and not (git / "commondir").exists():
                with contextlib.suppress(OSError):
                    (git / "hooks").mkdir(mode=0o755)  # what every repository has
            hooks.append((git / "hooks", True))
        fixed += [path for path, _ in hooks if path not in fixed and path.is_dir()]
        for path in fixed:
            whole |= set(_between(folder, path)) if path.parent != folder else set()
        fixed = [path for path in fixed if not path.is_symlink()]
        found = opened(self._hole, view.home, self._hidden)
        if outer is not None:
            found = Opened((*found.read, (outer.seen, outer.seen)), found.write)
            whole |= set(outer.written)
            fixed += outer.fixed
        if allowed := hosts.parse(self._hole.network, "the sandbox"):
            self._line = Line(allowed)
            self._undo.callback(self._line.close)
        mounts = bubblewrap.Mounts(
            folder,
            view,
            tuple(whole),
            tuple(dict.fromkeys(fixed)),
            held,
            found,
            self._line.shown() if self._line else (),
        )
        handle, before_it = self._filter(terminal)
        inside = self._environment(env, view, "/tmp")  # noqa: S108 (its own)
        if self._line is not None:
            command = self._line.command(command)
            inside |= self._line.variables()
        said = bubblewrap.arguments(
            self._offer.bubblewrap,
            mounts,
            handle,
            command,
            disable_userns=self._offer.disable_userns,
            terminal=terminal,
        )
        return Start((*before_it, *said), inside, () if terminal else (handle,))

    def _filter(self, terminal: bool) -> tuple[int, tuple[str, ...]]:
        """The descriptor of the filter of system calls, and what must go before the command."""
        program = seccomp.program(sockets=True)
        if not terminal:
            handle = os.memfd_create("filter")
            self._undo.callback(os.close, handle)
            os.write(handle, program)
            os.lseek(handle, 0, os.SEEK_SET)
            return handle, ()
        place, name = tempfile.mkstemp(prefix="mato-filter-")
        self._undo.callback(lambda: Path(name).unlink(missing_ok=True))
        with os.fdopen(place, "wb") as file:
            file.write(program)
        return _NINTH, ("/bin/sh", "-c", f'exec "$@" {_NINTH}<"$0"', name)

    def _by_rules(
        self, folder: Path, env: Mapping[str, str], command: Sequence[str], terminal: bool
    ) -> Start:
        view = visible.view(folder, env, self._hidden)
        own = Path(tempfile.mkdtemp(prefix="mato-command-"))
        self._undo.callback(trees.remove, own)
        self._copies = Path(tempfile.mkdtemp(prefix="mato-kept-"))
        self._undo.callback(trees.remove, self._copies)
        if self._before is not None:
            protected.keep(self._before, self._copies)
        hole = opened(self._hole, view.home, self._hidden)
        outer = self._outside(view)
        devices = ("null", "zero", "full", "random", "urandom", "shm", "fd")
        devices += ("tty",) if terminal else ()
        spec: dict[str, object] = {
            "read": [
                *visible.SYSTEM,
                *(f"/etc/{name}" for name in visible.ETC),
                "/proc",
                *map(str, view.programs),
                *(str(there) for there, _ in hole.read),
                *([str(outer.seen)] if outer else []),
            ],
            "write": [
                *(str(folder), str(own)),
                *(f"/dev/{name}" for name in devices),
                *(str(there) for there, _ in hole.write),
                *(map(str, outer.written) if outer else ()),
            ],
            "seccomp": seccomp.program(sockets=False).hex(),
        }
        inside = self._environment(env, view, str(own))
        if not (hole.read or hole.write):  # else it must find what was opened in its home
            inside["HOME"] = str(own)
        return Start((*command_of(spec), *command), inside)

    def _outside(self, view: visible.View) -> worktree.Outside | None:
        """The repository of which the workspace is a work tree."""
        found = self._before.outside if self._before else None
        if found is None or any(found.seen.is_relative_to(away) for away in view.hidden):
            return None
        return found

    def _environment(
        self, env: Mapping[str, str], view: visible.View, temporary: str
    ) -> dict[str, str]:
        """Only variables that are named; a token in any other stays outside."""
        passed = {
            name: value
            for name, value in env.items()
            if name in _PASSED or name in self._named or name.startswith(("LC_", "MATO_CALL"))
            if not name.lower().endswith("_proxy")  # of no use without a network, and may hold keys
        }
        passed.setdefault("PATH", os.defpath)
        authored = visible.author(view.home)
        alone = {} if self._hole.network else _AT_ONCE
        return {**alone, **authored, **passed, "HOME": str(view.home), "TMPDIR": temporary}


def _between(folder: Path, path: Path) -> list[Path]:
    """The folders from below `folder` down to the one that `path` is in."""
    return [above for above in path.parents if above != folder and above.is_relative_to(folder)]

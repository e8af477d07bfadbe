"""The checks of `mato doctor --sandbox`: each tries to get out of a tier, and somebody looks.

They run in a scratch folder with a home, a workspace, a secret outside and listeners of their own;
what counts is what the outside saw, where it can see it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Mapping
from pathlib import Path

import msgspec

from mato.processes import MARKER, kill_tree
from mato.sandbox import attempts
from mato.sandbox.confinement import Confinement, Start
from mato.sandbox.sandbox import Sandbox
from mato.sandbox.tier import Tier

_LIMIT_S = 20.0
_PRIVATE = "private\n"
_CLEAN = {".git/config": "[core]\n\tbare = false\n", ".git/HEAD": "ref: refs/heads/main\n"}


class Result(msgspec.Struct, frozen=True):
    """How one check went."""

    name: str
    blocked: bool
    detail: str
    """What the attempt said, or what was seen."""


class Scene(msgspec.Struct, frozen=True):
    """Where the attempts are made."""

    top: Path
    tcp: int
    udp: socket.socket
    victim: int
    """A process outside."""

    @property
    def work(self) -> Path:
        return self.top / "work"

    @property
    def hidden(self) -> Path:
        return self.top / "state"


class Check(msgspec.Struct, frozen=True):
    """One attempt, what it is told, and where it is looked at from outside."""

    name: str
    attempt: str
    what: Callable[[Scene], str] = lambda scene: ""
    escaped: Callable[[Scene], bool] | None = None
    """Whether the outside shows that it worked; None: its own word counts."""
    undone: bool = False
    """Whether a tier may also undo it when the command has ended."""


def _file(name: str, attempt: str, path: str, shown: str = "") -> Check:
    """An attempt on a file outside: ``top/path``."""
    seen = shown or path
    return Check(
        name,
        attempt,
        lambda scene: str(scene.top / path),
        (lambda scene: "planted" in _text(scene.top / seen)) if "write" in attempt else None,
    )


def _planted(name: str, path: str, attempt: str = "write", told: str = "") -> Check:
    """An attempt on a protected path of the workspace; it must be as before in the end.

    `told` is the path that the attempt is told, where it is another.
    """
    before = _CLEAN.get(path, "")
    return Check(
        name,
        attempt,
        lambda scene: told or path,
        lambda scene: _text(scene.work / path) != before or (scene.work / path).is_symlink(),
        undone=True,
    )


CHECKS: tuple[Check, ...] = (
    _file("write outside the workspace", "write", "outside/file"),
    _file("write outside through a link", "write_through_link", "outside", "outside/through-link"),
    _file("write into the home", "write", "home/.bashrc"),
    Check("write into the system", "write", lambda _: "/usr/lib/mato-check",
          lambda _: _gone("/usr/lib/mato-check")),
    _file("read ~/.ssh", "read", "home/.ssh/id_ed25519"),
    _file("read another project", "read", "outside/secret"),
    _file("read the journal", "read", "state/journal.db"),
    Check("connect to the daemon", "connect_unix", lambda s: str(s.hidden / "daemon.sock")),
    Check("connect to an abstract socket", "connect_unix", lambda s: f"@mato-check-{s.tcp}"),
    Check("connect to this machine", "connect_tcp", lambda s: str(s.tcp)),
    Check("send a datagram", "send_udp", lambda s: str(s.udp.getsockname()[1]),
          lambda s: _received(s.udp)),
    Check("raw socket", "raw_socket"),
    Check("socket to the hypervisor", "vsock"),
    Check("signal a process outside", "send_signal", lambda s: str(s.victim)),
    Check("trace a process outside", "trace", lambda s: str(s.victim)),
    Check("read a process's environment", "environ", lambda s: str(s.victim)),
    Check("tokens in the own environment", "own_environ"),
    Check("type into a terminal (TIOCSTI)", "type_into_terminal"),
    Check("open the terminal", "open_terminal"),
    Check("nested user namespace", "unshare_user"),
    Check("nested network namespace", "unshare_net"),
    Check("mount", "mount"),
    Check("make a device", "make_device"),
    Check("io_uring", "io_uring"),
    Check("keys of the kernel", "keys"),
    Check("gain rights by setuid", "gain_rights"),
    Check("keep capabilities", "capabilities"),
    _planted("plant a git hook", ".git/hooks/pre-commit"),
    _planted("change .git/config", ".git/config"),
    _planted("exchange .git", ".git/hooks/pre-commit", "replace_folder", ".git"),
    _planted("redirect .git", ".git/commondir"),
    _planted("plant .envrc", ".envrc"),
    _planted("plant .mcp.json", ".mcp.json"),
    _planted("plant editor settings", ".vscode/settings.json"),
    _planted("plant editor settings by a link", ".idea", "link_planted"),
    _planted("plant agent settings", ".claude/settings.json"),
    _planted("plant AGENTS.md", "AGENTS.md"),
    _planted("plant in a folder below", "deep/below/.envrc"),
    _planted("plant hooks beside .git", ".husky/pre-commit"),
    _planted("plant a repository", "deep/own/.git/hooks/pre-commit"),
)  # fmt: skip


def run(sandbox: Sandbox, tier: Tier) -> list[Result]:
    """Try everything in `tier`; takes some seconds."""
    return [_try(check, sandbox, tier) for check in CHECKS]


def _try(check: Check, sandbox: Sandbox, tier: Tier) -> Result:
    with _scene() as scene:
        inside = Sandbox.of(sandbox.offer(), (scene.hidden,), scene.top / "aside")
        confinement = inside.confine(tier)
        try:
            said = _run(check, confinement, scene)
        finally:
            confinement.end()
        worked = "\ndone\n" in f"\n{said}"
        escaped = worked if check.escaped is None else check.escaped(scene)
        blocked = "tried" in said and not escaped
        detail = said.strip().splitlines()[-1][:120] if said.strip() else "nothing was tried"
        if worked and blocked:
            detail = "undone afterwards" if check.undone else "it never arrived"
    return Result(check.name, blocked, detail)


def _run(check: Check, confinement: Confinement, scene: Scene) -> str:
    python = _interpreter()
    mark = f"check-{scene.tcp}"
    home = scene.top / "home"
    env = {
        "PATH": f"{python.parent}:{os.defpath}",
        "HOME": str(home),
        "CHECK_TOKEN": _PRIVATE,
        MARKER: mark,
    }
    command = (str(python), "-I", "-S", "attempts.py", check.attempt, check.what(scene))
    start = confinement.begin(scene.work, env, command) or Start((), {})
    # A terminal of its own, as whoever started the daemon has one: it must not be reached.
    process = subprocess.Popen(
        start.command,
        cwd=scene.work,
        env=start.env,
        pass_fds=start.handles,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        return process.communicate(timeout=_LIMIT_S)[0].decode(errors="replace")
    except subprocess.TimeoutExpired:
        return ""
    finally:
        kill_tree(process.pid, mark)
        process.wait()


def _interpreter() -> Path:
    """A Python that runs inside: an installation, not an environment on top of one."""
    own = Path(getattr(sys, "_base_executable", "") or sys.executable).resolve()
    for candidate in (own, Path("/usr/bin/python3")):
        if os.access(candidate, os.X_OK):
            return candidate
    return own


@contextlib.contextmanager
def _scene() -> Generator[Scene]:
    top = Path(tempfile.mkdtemp(prefix="mato-check-")).resolve()
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, top, ignore_errors=True)
        files: Mapping[str, str] = {
            "home/.ssh/id_ed25519": _PRIVATE,
            "outside/secret": _PRIVATE,
            "state/journal.db": _PRIVATE,
            **{f"work/{path}": text for path, text in _CLEAN.items()},
        }
        for name, text in files.items():
            (top / name).parent.mkdir(parents=True, exist_ok=True)
            (top / name).write_text(text)
        shutil.copy(attempts.__file__, top / "work/attempts.py")
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        udp.bind(("127.0.0.1", 0))
        udp.setblocking(False)
        port: int = tcp.getsockname()[1]
        for address in (str(top / "state/daemon.sock"), f"\0mato-check-{port}"):
            listening = stack.enter_context(socket.socket(socket.AF_UNIX))
            listening.bind(address)
            listening.listen()
        victim = subprocess.Popen(
            ["/bin/sleep", "60"], env={"CHECK_TOKEN": _PRIVATE.strip()}, start_new_session=True
        )
        stack.callback(victim.wait)
        stack.callback(victim.kill)
        yield Scene(top, port, udp, victim.pid)


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def _received(udp: socket.socket) -> bool:
    try:
        return bool(udp.recv(100))
    except BlockingIOError:
        return False


def _gone(path: str) -> bool:
    """Whether the file was there; it is removed."""
    there = Path(path).exists()
    if there:
        Path(path).unlink()
    return there

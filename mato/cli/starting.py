"""Opening sessions: `mato [PATH]`, `mato new`, `mato attach`."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable
from importlib.metadata import entry_points
from typing import Any, NamedTuple

from mato.cli import output, trusting
from mato.cli.target import folder
from mato.client import quick
from mato.config.load import load
from mato.config.paths import Paths, find
from mato.text import display
from mato_sessions.errors import UnknownName, UsageError

Data = dict[str, Any]


class Wish(NamedTuple):
    """What `mato new` and `mato run` were asked for, as given."""

    task: str = ""
    name: str = ""
    profiles: tuple[str, ...] = ()
    model: str = ""
    base_url: str = ""
    mode: str | None = None
    cwd: str = ""
    unconfined: bool = False
    budget: str | None = None


def open_path(path: str) -> int:
    """Attach to the last session of a folder, or to a new one."""
    _need_terminal()
    paths = find()
    cwd = folder(path)
    sessions = _sessions(paths)
    here = [one for one in sessions if one["cwd"] == cwd and not one.get("archived", False)]
    if here:
        return _show(paths, max(here, key=lambda session: session["last_us"])["id"])
    return _show(paths, create(paths, Wish(cwd=cwd))["session"])


def new(wish: Wish, *, detach: bool, as_json: bool) -> int:
    """Open a session; show it here unless detached, as JSON, or without a terminal."""
    paths = find()
    show = not detach and not as_json and sys.stdin.isatty() and sys.stdout.isatty()
    made = create(paths, wish)
    if as_json:
        output.say_json(
            {
                "session": made["session"],
                "name": made["name"],
                "agents": made["agents"],
                "turns": made["turns"],
            }
        )
    elif show:
        return _show(paths, made["session"])
    else:
        names = ", ".join(agent["name"] for agent in made["agents"])
        output.say(f"{made['name']}  {names}")
        output.note(f"`{opening(made)}` opens it")
    return 0


def opening(made: Data) -> str:
    """The command that opens a session which `create` has made, as a shell takes it."""
    import shlex

    name: str = made["name"]
    word = name if display(name, newline=False) == name else made["session"]
    return f"mato attach {'-- ' if word.startswith('-') else ''}{shlex.quote(word)}"


def attach(session: str) -> int:
    """Open a session in this terminal: the one named, else the one last active."""
    _need_terminal()
    paths = find()
    sessions = _sessions(paths)
    if not sessions:
        raise UnknownName("there is no session yet; `mato new TASK` starts one")
    if not session:
        last = max(sessions, key=lambda s: (not s.get("archived", False), s["last_us"]))
        return _show(paths, last["id"])
    return _show(paths, resolve(session, sessions)["id"])


def resolve(name: str, sessions: Iterable[Data]) -> Data:
    """The session with this name, id, or unique beginning of an id.

    Raises:
        UnknownName: none, or several; offers the nearest.
    """
    known = list(sessions)
    for key in ("id", "name"):
        if exact := [session for session in known if session[key] == name]:
            return exact[0]
    begun = [session for session in known if session["id"].startswith(name)]
    if len(begun) == 1:
        return begun[0]
    import difflib

    near = difflib.get_close_matches(name, [session["name"] for session in known], n=3)
    hint = f"did you mean {', '.join(near)}?" if near else "`mato ls` lists them"
    raise UnknownName(f"there is no session {name!r}; {hint}")


def create(paths: Paths, wish: Wish) -> Data:
    """Ask the daemon for a session; the result of ``session.new``."""
    cwd = folder(wish.cwd or ".")
    load(paths)  # a broken config is a sentence here, not a surprise in the daemon
    one: Data = {"model": wish.model, "base_url": wish.base_url}
    if wish.mode:  # of each agent too: what is said here goes before what its profile says
        one["mode"] = wish.mode
    if wish.unconfined:
        one["unconfined"] = True
    if wish.budget is not None:
        from mato.cli import allowance

        one["budget"] = allowance.parse(wish.budget)
    agents = [{"profile": profile, **one} for profile in wish.profiles or ("",)]
    params: Data = {
        "cwd": cwd,
        "task": wish.task,
        "name": wish.name,
        "agents": agents,
        "env": handed_over(paths, cwd, wish.profiles),
    }
    if wish.mode:
        params["mode"] = wish.mode
    made = quick.request(paths, "session.new", params, start=True, timeout_s=120)
    trusting.warn(paths, cwd)
    return made


def handed_over(paths: Paths, cwd: str, profiles: Iterable[str]) -> dict[str, str]:
    """The variables of this terminal that the profiles name, by name; see `Profiles`.

    Says what the profiles open in the sandbox: nothing has begun yet.
    """
    known = quick.request(paths, "profile.list", {"cwd": cwd}, start=True)["profiles"]
    wanted = set(profiles)
    for profile in known:
        if profile["name"] in wanted and (opens := profile.get("opens")):
            output.note(f"{profile['name']} {'; '.join(opens)} (its profile says so)")
    names = {
        name
        for profile in known
        if not wanted or profile["name"] in wanted
        for name in profile["env"]
    }
    return {name: os.environ[name] for name in sorted(names) if name in os.environ}


def _sessions(paths: Paths) -> list[Data]:
    return quick.request(paths, "session.list", {}, start=True)["sessions"]


def _need_terminal() -> None:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("the workspace needs a terminal; `mato run TASK` works without one")


def _show(paths: Paths, session: str) -> int:
    # By its entry point, so that the engine never imports the screen.
    [screen] = entry_points(group="mato.screens", name="workspace")
    run: Callable[..., int] = screen.load()
    started = time.monotonic()
    code = run(paths, load(paths), session)
    if time.monotonic() - started > 1.0 and code == 0:
        output.note("detached; the agents go on, `mato` opens them again")
    return code

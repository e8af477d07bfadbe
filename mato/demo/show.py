"""`make demo`: opens the workspace on three agents at work, or tells their work line by line."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sys
import tempfile
import threading
import time
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, NamedTuple

from mato.cli import headless, output, starting
from mato.cli.narrator import Narrator, seconds
from mato.client import quick
from mato.client.connection import Client
from mato.config.paths import Paths, find
from mato.models.embedded.fetch import fetch, locate
from mato.models.embedded.progress import progress_on
from mato.protocol.methods import Prompt
from mato_sessions.errors import DaemonError, TurnFailed, UsageError

Data = dict[str, Any]


class Part(NamedTuple):
    """What one agent of the demonstration does."""

    name: str
    profile: str
    prompts: tuple[str, ...]


READING = (
    Part("guide", "reader", ("Read the file README.md.", "List the files in the folder src.")),
    Part("scout", "reader", ("List the files in this folder.", "Read the file TODO.md.")),
    Part("seeker", "reader", ("Search for the word TODO.", "Read the file README.md.")),
)
ASKING = Part(
    "maker", "coder", ("Read the file README.md.", "Run the command: python3 -m unittest")
)
"""Takes the last place where somebody is there to answer: its command waits in the inbox."""


def main(argv: list[str]) -> int:
    """`mato demo [--plain]`: in the workspace where there is a terminal, else line by line."""
    if argv[1:] in (["--help"], ["-h"]):
        output.say("Usage: mato demo [--plain]")
        output.say(
            "  Three agents at work on a throwaway copy of a sample project, in the workspace;"
        )
        output.say("  with --plain, or without a terminal, their work is told line by line.")
        return 0
    if argv[1:] not in ([], ["--plain"]):
        raise UsageError("`mato demo` takes nothing but --plain, to tell the work line by line")
    return run(interactive=argv[1:] == [] and sys.stdin.isatty() and sys.stdout.isatty())


def run(*, interactive: bool) -> int:
    """Start the agents; in a terminal open the workspace, else wait for every turn's end."""
    paths = find()
    if locate() is None:
        with progress_on(sys.stderr) as progress:
            fetch(progress)
    started_here = not _runs(paths)
    parts = (*READING[:2], ASKING) if interactive else READING
    project = _copy()
    made = _open(paths, project, parts)
    if not interactive:
        try:
            return asyncio.run(_tell(paths, made, parts))
        finally:
            quick.request(paths, "agent.kill", {"session": made["session"]})
            if started_here:
                quick.request(paths, "daemon.stop", {}, start=False)
            shutil.rmtree(project.parent)
    # Each prompt is answered when its turn starts, so the later ones wait beside the workspace.
    prompting = threading.Thread(target=_prompt_beside, args=(paths, made, parts), daemon=True)
    prompting.start()
    code = starting.attach(made["session"])
    ends = f"`{output.command()} kill {made['name']}`"
    output.note(f"the sample project is in {project.parent}; {ends} ends its agents")
    return code


def _runs(paths: Paths) -> bool:
    try:
        quick.request(paths, "daemon.status", {}, start=False, timeout_s=10)
    except DaemonError:
        return False
    return True


def _copy() -> Path:
    target = Path(tempfile.mkdtemp(prefix="mato-demo-")) / "sample"
    with as_file(files("mato.demo") / "sample") as sample:
        shutil.copytree(sample, target, ignore=shutil.ignore_patterns("__pycache__"))
    return target


def _open(paths: Paths, project: Path, parts: tuple[Part, ...]) -> Data:
    listed = quick.request(paths, "session.list", {}, start=True)["sessions"]
    taken = {session["name"] for session in listed}
    name, number = "demo", 1
    while name in taken:
        number += 1
        name = f"demo-{number}"
    agents = [{"profile": p.profile, "name": p.name, "model": "embedded"} for p in parts]
    params = {
        "cwd": str(project),
        "name": name,
        "agents": agents,
        "env": starting.handed_over(paths, str(project), [part.profile for part in parts]),
    }
    return quick.request(paths, "session.new", params, timeout_s=120)


async def _tell(paths: Paths, made: Data, parts: tuple[Part, ...]) -> int:
    names = {agent["id"]: agent["name"] for agent in made["agents"]}
    turns = {a["id"]: len(p.prompts) for a, p in zip(made["agents"], parts, strict=True)}
    output.say(f"{len(parts)} agents on the embedded model, in a copy of the sample project")
    started = time.monotonic()
    async with asyncio.TaskGroup() as group:
        prompting = group.create_task(_prompt(paths, made, parts))
        narrator = Narrator(names, sys.stdout.write, answers_itself=True)
        ended = await headless.follow(paths, made["session"], turns, narrator, None)
        await prompting
    took = seconds(int((time.monotonic() - started) * 1e6))
    reasons = ", ".join(sorted({outcome.reason for outcome in ended}))
    output.say(f"{len(ended)} turns ended ({reasons}) in {took}")
    if bad := [outcome for outcome in ended if outcome.reason == "failed"]:
        raise TurnFailed(f"{len(bad)} turns failed: {bad[0].detail}; `mato daemon logs` says more")
    return 0


async def _prompt(paths: Paths, made: Data, parts: tuple[Part, ...]) -> None:
    async with await Client.connect(paths, client="demo", start=False) as client:

        async def send_all(agent: str, prompts: tuple[str, ...]) -> None:
            for text in prompts:
                await client.request(Prompt(session=made["session"], agent=agent, text=text))

        async with asyncio.TaskGroup() as group:
            for agent, part in zip(made["agents"], parts, strict=True):
                group.create_task(send_all(agent["id"], part.prompts))


def _prompt_beside(paths: Paths, made: Data, parts: tuple[Part, ...]) -> None:
    # A prompt that the person stopped before it began is no error: nothing is left to say.
    with contextlib.suppress(ExceptionGroup):
        asyncio.run(_prompt(paths, made, parts))

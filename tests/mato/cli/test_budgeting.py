"""What an agent may use, as a person writes it, and how `mato` says that it is used up."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mato.cli.allowance import parse
from mato.testing.daemon import running
from mato_sessions.errors import UsageError
from mato_sessions.events.agent import Allowance

LOOKS = """
[[answer]]
when = "look"
calls = [ { name = "read", arguments = { path = "readme.md" } } ]

[[answer]]
when = "stumble"
calls = [ { name = "read", arguments = { path = "nothing" } } ]
"""


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("cost=0.5", Allowance(cost_usd=0.5)),
        (
            " cost=.5 , tokens=20000,wall=10m,calls=50,depth=0",
            Allowance(cost_usd=0.5, tokens=20_000, wall_s=600, model_calls=50, depth=0),
        ),
        ("wall=90s", Allowance(wall_s=90)),
        ("wall=2h", Allowance(wall_s=7200)),
    ],
)
def test_a_budget_is_what_it_says(text: str, allowed: Allowance) -> None:
    assert msgspec.convert(parse(text), Allowance) == allowed


@pytest.mark.parametrize(
    "text",
    [
        "",
        ",",
        "cost",
        "cost=",
        "cost=0",
        "cost=-1",
        "cost=1e9",
        "cost=nan",
        "tokens=1.5",
        "tokens=1,tokens=2",
        "wall=10",
        "wall=0s",
        "calls=²",
        "calls=0",
        "depth=9",
        "x=1",
        "cost=1,",
        "a\x1b=1",
    ],
)
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="budget"):
        parse(text)


@given(st.text(max_size=40) | st.from_regex(r"(cost|tokens|wall|calls|depth)=\S{0,12}"))
def test_whatever_is_taken_the_daemon_takes_as_well(text: str) -> None:
    try:
        found = parse(text)
    except UsageError:
        return
    assert msgspec.convert(json.loads(json.dumps(found)), Allowance) != Allowance()


async def test_a_paused_agent_is_told_of_and_goes_on(tmp_path: Path) -> None:
    (folder := tmp_path / "project").mkdir()
    (folder / "readme.md").write_text("Hello.\n")
    script = tmp_path / "script.toml"
    script.write_text(LOOKS)
    async with running(tmp_path / "home", {"MATO_MODEL": f"scripted:{script}"}) as daemon:

        async def mato(*words: str) -> tuple[int, str, str]:
            done: subprocess.CompletedProcess[str] = await asyncio.to_thread(
                subprocess.run,
                [sys.executable, "-m", "mato", *words],
                cwd=folder, env=daemon.env, capture_output=True, text=True, timeout=60,
            )  # fmt: skip
            return done.returncode, done.stdout, done.stderr

        # Nobody is there to let it go on: `mato run` says so and does not wait.
        code, _, said = await mato("run", "look", "--mode", "read", "--budget", "calls=2")
        assert code == 7
        assert "did not finish (paused): the budget of the agent is used up: 2 of 2" in said
        code, _, said = await mato("run", "stumble", "--mode", "read")
        assert code == 7
        assert "(paused): loops: 'read nothing' failed the same way 3 times" in said

        code, _, said = await mato("ls")
        assert (code, max(map(len, said.splitlines())) <= 80) == (0, True)
        assert "paused: the budget of the agent is used up: 2 of 2 model requests" in said
        assert await _paused(mato, "look") == (
            "the budget of the agent is used up: 2 of 2 model requests; raise [budget.agent] in "
            "config.toml, or `mato resume --budget`"
        )
        code, _, said = await mato("resume", "look")
        assert (code, "stays paused: the budget of the agent" in said) == (2, True)
        code, told, _ = await mato("resume", "look", "--budget", "calls=4")
        assert (code, told) == (0, "look has another budget\nlook:coder goes on\n")
        code, _, said = await mato("resume", "--budget", "calls=4")
        assert (code, "name it" in said) == (2, True)
        code, _, said = await mato("new", "-d", "look", "--budget", "calls=many")
        assert (code, said) == (
            2,
            "mato: 'calls=many' is no budget; give a number of model requests from 1, as in "
            "calls=50\n",
        )


async def _paused(mato: Any, session: str) -> str:
    _, told, _ = await mato("ls", "--json")
    [found] = [each for each in json.loads(told) if each["name"] == session]
    return found["agents"][0]["paused"]

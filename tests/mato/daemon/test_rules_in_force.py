"""Rules as a daemon's agents meet them."""

from __future__ import annotations

from pathlib import Path

import pytest

from mato.protocol import methods as m
from mato.testing.daemon import running

ANSWERS = """
[[answer]]
when = "go"
after = 0
calls = [ { name = "write", arguments = { path = "a.txt", content = "x" } } ]
[[answer]]
when = "go"
after = 1
text = "Done."
"""


@pytest.mark.parametrize("about", ["coder", "ann"])
async def test_a_rule_finds_an_agent_by_its_profile_and_by_its_name(
    tmp_path: Path, folder: Path, about: str
) -> None:
    script = tmp_path / "answers.toml"
    script.write_text(ANSWERS)
    home = tmp_path / "home"
    (home / "config").mkdir(parents=True)
    rule = f"[[rule]]\neffect = 'deny'\naction = 'write'\nagent = '{about}'\n"
    (home / "config/permissions.toml").write_text(rule)
    async with (
        running(home, {"MATO_MODEL": f"scripted:{script}"}) as daemon,
        await daemon.client() as client,
    ):
        wish = m.AgentWish(profile="coder", name="ann")
        await client.request(m.NewSession(cwd=str(folder), name="s", mode="edit", agents=(wish,)))
        turn = (await client.request(m.Prompt(session="s", text="go"))).turn
        await client.request(m.Wait(session="s", until="ended", turn=turn, timeout_s=30))
    assert not (folder / "a.txt").exists()

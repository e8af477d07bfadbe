"""Profiles: what a file may say, who goes before whom, and what comes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mato.agents import profile
from mato.agents.native import prompt
from mato.models.base import ModelChoice
from mato.models.keys import VARIABLES
from mato.tools.registry import NAMES, USUAL, Registry
from mato_sessions.errors import ConfigError
from mato_sessions.events.agent import Limits

GOOD = """\
+++
description = "Does things."
model = "openai/gpt-5.5"
tools = ["read", "shell"]
mode = "edit"
env = ["MY_TOKEN"]
limits = { model_calls = 7 }
+++

Do things.

+++ is not special here.
"""


def test_the_built_in_profiles_load_and_reader_only_reads() -> None:
    loaded = profile.load()
    found = loaded.sound
    assert profile.DEFAULT in found
    assert not loaded.broken
    assert found["coder"].tools == USUAL
    assert "spawn" not in USUAL
    assert set(found["lead"].tools) == set(NAMES)
    assert set(found["reader"].tools) == {"read", "list", "search", "plan", "fetch"}
    for each in found.values():
        assert each.description
        assert each.prompt or each.kind != "native"
        assert each.origin == "built-in"
        Registry(each.tools)


def test_a_profile_becomes_a_launch_spec() -> None:
    found = profile.parse("maker", GOOD, "maker.md", "user")
    spec = found.launch(ModelChoice("m", "http://x", "flag"), "ask", "/tmp", Limits())
    assert (spec.profile, spec.model, spec.base_url, spec.model_source) == (
        "maker",
        "m",
        "http://x",
        "flag",
    )
    assert spec.mode == "edit"
    assert spec.tools == ("read", "shell")
    assert spec.limits.model_calls == 7
    assert spec.prompt == "Do things.\n\n+++ is not special here."
    assert {"MY_TOKEN", "PATH", *VARIABLES} <= set(spec.env_names)


def test_what_reaches_out_of_the_workspace_is_not_handed_over_unless_named() -> None:
    ways_out = {"SSH_AUTH_SOCK", "HTTPS_PROXY", "http_proxy", "XDG_RUNTIME_DIR", "DISPLAY"}
    for found in profile.load().sound.values():
        assert not ways_out & set(found.variables)


def test_a_projects_profile_names_no_variables() -> None:
    loaded = profile.load(project={".mato/agents/maker.md": GOOD.encode()})
    assert "maker" not in loaded.sound
    assert "[tools] env" in loaded.broken["maker"]
    assert "MY_TOKEN" in loaded.broken["maker"]


def test_the_users_profile_goes_before_the_built_in_one_and_the_projects_before_both(
    tmp_path: Path,
) -> None:
    user = tmp_path / "user"
    user.mkdir()
    (user / "coder.md").write_text("+++\n+++\nuser's")
    (user / "own.md").write_text("+++\n+++\nown")
    project = {".mato/agents/coder.md": b"+++\n+++\nproject's"}
    assert profile.load(user).get("coder").prompt == "user's"
    assert profile.load(user).get("own").origin == "user"
    found = profile.load(user, project).sound
    assert found["coder"].prompt == "project's"
    assert found["coder"].origin.endswith("coder.md")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("no head", "begins with"),
        ("+++\nmode = 'ask'\n", "second line"),
        ("+++\nmode = \n+++\n", "not TOML"),
        ("+++\nmode = 'sometimes'\n+++\n", "mode"),
        ("+++\ncolour = 'red'\n+++\n", "colour"),
        ("+++\ntools = ['fly']\n+++\n", "fly"),
        ("+++\nkind = 'acp'\n+++\n", "kind"),
    ],
)
def test_a_broken_profile_is_one_sentence_with_its_file(
    tmp_path: Path, text: str, says: str
) -> None:
    file = tmp_path / "broken.md"
    file.write_text(text)
    found = profile.load(tmp_path)
    with pytest.raises(ConfigError) as caught:
        found.get("broken")
    assert "broken.md" in str(caught.value)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_names_sizes_and_encodings_are_checked(tmp_path: Path) -> None:
    for name, content in (
        ("Bad Name.md", b"+++\n+++\n"),
        ("big.md", b"+++\n+++\n" + b"x" * 300_000),
        ("latin.md", b"+++\n+++\n\xff"),
    ):
        file = tmp_path / name
        file.write_bytes(content)
        found = profile.load(tmp_path)
        assert str(file) in found.broken[file.stem]
        assert "coder" in found.sound
        file.unlink()


def test_a_broken_file_does_not_let_in_what_it_was_meant_to_replace(tmp_path: Path) -> None:
    user = tmp_path / "user"
    user.mkdir()
    (user / "coder.md").write_text("no head")
    with pytest.raises(ConfigError, match=r"coder\.md"):
        profile.load(user).get("coder")
    project = {".mato/agents/coder.md": b"+++\n+++\nproject's"}
    found = profile.load(user, project)
    assert found.get("coder").prompt == "project's"
    assert not found.broken


def test_the_system_prompt_is_the_same_every_time_and_trusts_only_what_it_is_given() -> None:
    spec = profile.load().get("coder").launch(ModelChoice("m"), "ask", "/some/space", Limits())
    first, second = prompt.system(spec), prompt.system(spec)
    assert first == second
    assert "/some/space" in first
    assert "programmer" in first
    trusted = prompt.system(spec, "Use tabs.")
    assert trusted.startswith(first.rstrip("\n"))
    assert trusted.endswith("Use tabs.\n")


def test_the_tools_are_canonical_json() -> None:
    schemas = Registry(("shell", "read")).schemas()
    assert prompt.tools(schemas) == prompt.tools(Registry(("read", "shell")).schemas())
    assert b'"name":"read"' in prompt.tools(schemas)


OPENING = """\
+++
description = "Needs more."
[sandbox]
read = ["~/models"]
write = ["~/.other/"]
network = ["api.example.org", "localhost:8080"]
env = ["OTHER_KEY"]
+++
"""


def test_what_a_profile_opens_is_in_its_launch_spec_and_its_variables_are_asked_for() -> None:
    spec = profile.parse("opening", OPENING, "opening.md", "user").launch(
        ModelChoice("m", "", ""), "ask", "/tmp", Limits()
    )
    assert spec.hole.write == ("~/.other/",)
    assert spec.hole.network == ("api.example.org", "localhost:8080")
    assert "OTHER_KEY" in spec.env_names


def test_a_profile_that_comes_with_a_folder_opens_nothing() -> None:
    with pytest.raises(ConfigError, match="opens nothing in the sandbox"):
        profile.parse("opening", OPENING, "opening.md", ".mato/agents/opening.md")


@pytest.mark.parametrize("line", ['read = ["/"]', 'network = ["*"]', 'env = ["LD_PRELOAD"]', "x=1"])
def test_what_cannot_be_opened_makes_it_no_profile(line: str) -> None:
    with pytest.raises(ConfigError, match=r"^x\.md: "):
        profile.parse("x", f"+++\n[sandbox]\n{line}\n+++\n", "x.md", "user")

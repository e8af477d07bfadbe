"""How agents come to be: from a client's wish to a launch spec, and from a history to a life."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from msgspec.structs import replace

from mato.agents import factory, profile
from mato.agents.base import Agent, Given, Sink, TakeUp
from mato.agents.profile import Profile, Profiles
from mato.config import hosts
from mato.config.budget import Budget
from mato.config.load import load
from mato.config.paths import Paths
from mato.config.settings import Sandboxing, Settings
from mato.config.trust import Trust
from mato.daemon import judging
from mato.daemon.histories import history as _history
from mato.daemon.keys import KeptKeys, secret_values
from mato.daemon.listing import listed
from mato.daemon.log import logger
from mato.mcp.toolbox import Place, Toolbox
from mato.models.base import ModelChoice
from mato.models.choice import EMBEDDED, choose
from mato.models.keys import key_variable
from mato.models.sources import Sources
from mato.permissions.desk import Policy
from mato.permissions.grants import Standing
from mato.processes import ChildRecords
from mato.protocol.methods import AgentWish, ProfilesResult
from mato.sandbox.sandbox import Sandbox
from mato.sandbox.tier import Tier
from mato.tools.base import Tool
from mato.tools.disk import on_disk
from mato.tools.fetch import Fetch
from mato.tools.registry import Registry
from mato.tools.shell import Shell
from mato.tools.spawn import Spawn, Spawner
from mato.tools.survey import survey
from mato.tools.workspace import Workspace
from mato_sessions.catalog import AgentSummary
from mato_sessions.clock import Clock
from mato_sessions.errors import ConfigError, PathRefused
from mato_sessions.events import AgentSpawned
from mato_sessions.events.agent import AgentKind, LaunchSpec
from mato_sessions.events.session import Mode
from mato_sessions.ids import Ids
from mato_sessions.journal import Journal
from mato_sessions.redact import Redactor

INSTRUCTIONS = "AGENTS.md"
_INSTRUCTIONS_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Ground:
    """A folder as it is when agents are to start there: settings, trust, profiles."""

    cwd: Path
    settings: Settings
    trusted: bool
    profiles: Profiles
    sandbox: Sandbox
    keys: Mapping[str, str]
    """Those that the person keeps with Mato."""

    def spec(
        self, wish: AgentWish, mode: Mode, env: Mapping[str, str]
    ) -> tuple[AgentKind, LaunchSpec]:
        """All that is needed to start the wished agent, now and after a restart.

        Raises:
            ConfigError: the profile's file is none.
            UnknownName: there is no such profile.
            UsageError: an endpoint without a model, or a mode that needs a sandbox.
        """
        chosen = self.profiles.get(wish.profile or profile.DEFAULT)
        choice = self._model(chosen, wish, env)
        spec = chosen.launch(choice, mode, str(self.cwd), self.settings.limits)
        # What a person says about this very agent goes before what its profile says of all.
        unconfined = wish.unconfined or self.settings.sandbox.unconfined
        mode = wish.mode or spec.mode
        self.sandbox.check(mode, self.settings.sandbox.tier, unconfined=unconfined)
        limits = wish.limits or spec.limits
        names = tuple(dict.fromkeys((*spec.env_names, *self.settings.tools.env)))
        return chosen.kind, replace(
            spec,
            mode=mode,
            limits=limits,
            unconfined=unconfined,
            env_names=names,
            budget=wish.budget,
        )

    def _model(self, chosen: Profile, wish: AgentWish, env: Mapping[str, str]) -> ModelChoice:
        if chosen.kind != "native":  # it has models of its own, and this is a name among those
            return ModelChoice(wish.model or chosen.model, "", "agent")

        def by(variables: Mapping[str, str]) -> ModelChoice:
            return choose(
                self.settings.model,
                self.settings.base_url,
                variables,
                flag_model=wish.model,
                flag_base_url=wish.base_url,
                profile_model=chosen.model,
                cwd=str(self.cwd),
            )

        found = by(env or os.environ)
        return found if found != EMBEDDED else by(self.keys)


@dataclass(frozen=True, slots=True)
class Made:
    """An agent that does not run yet, and what to call when it has ended."""

    agent: Agent
    close: Callable[[], None]


class Launcher:
    """Knows what all agents share. `models` and `toolbox` are entered and left by its owner."""

    def __init__(
        self, paths: Paths, clock: Clock, ids: Ids, redactor: Redactor, records: ChildRecords
    ) -> None:
        self._paths = paths
        self.clock = clock
        self.ids = ids
        self._redactor = redactor
        self.models = Sources(records.started, _embedded)
        self.sandbox = Sandbox(
            (paths.state, paths.config, paths.runtime), paths.state / "put-aside"
        )
        self.tier: Tier | Literal[""] = ""
        """What commands run in as the settings are now; "" until that is known."""
        self.toolbox = Toolbox(paths, self.sandbox, records.started)
        self.hold_secrets(os.environ)
        self.keys = KeptKeys(paths, redactor.hold)

    def find_tier(self) -> Tier:
        """Learn what commands run in. Reads files, and waits for the trial run."""
        try:
            self.tier = self.sandbox.tier(load(self._paths).sandbox.tier)
        except ConfigError as error:
            logger.warning("%s", error)
            self.tier = self.sandbox.offer().tier
        return self.tier

    def look(self, cwd: Path, env: Mapping[str, str]) -> Ground:
        """What holds in a folder now. Reads files: not for the loop.

        Raises:
            ConfigError: of the config or the trust file.
        """
        # A client that hands over anything hands over all that counts; what the daemon was
        # started with is then as stale as any other terminal's.
        settings = load(self._paths, env or os.environ)
        trusted, files = self._trusted(cwd)
        found = profile.load(self._paths.profiles, files)
        self.find_tier()  # waited for here, where nobody else has to
        return Ground(cwd, settings, trusted, found, self.sandbox, self.keys.read())

    async def budget(self) -> Budget:
        """The budgets that hold now.

        Raises:
            ConfigError: of the config.
        """
        return (await on_disk(load, self._paths, os.environ)).budget

    def profiles(self, cwd: Path | None) -> ProfilesResult:
        """The profiles of a folder, or those that are everywhere. Reads files."""
        files = None if cwd is None else self._trusted(cwd)[1]
        found = profile.load(self._paths.profiles, files)
        return listed(found, load(self._paths).tools.env)

    def _trusted(self, cwd: Path) -> tuple[bool, Mapping[str, bytes]]:
        """Whether a folder is trusted as it is now, and what of it may instruct. Reads files."""
        if not Trust(self._paths).folders():
            return False, {}
        try:
            found = survey(cwd)
        except PathRefused as error:
            logger.warning("%s", error)
            return False, {}
        trusted = Trust(self._paths).standing(cwd, found.pins()).state == "trusted"
        return trusted, found.files if trusted else {}

    def choose(self, model: str, base_url: str, env: Mapping[str, str], cwd: str) -> ModelChoice:
        """The model that a person wants an agent to go on with."""
        return choose("", "", env, flag_model=model, flag_base_url=base_url, cwd=cwd)

    def missing(self, agent: AgentSummary, env: Mapping[str, str]) -> str:
        """The variable with the key that the agent's model needs, where nobody gave it; else ""."""
        if agent.kind != "native":  # its program knows what it needs, and says so
            return ""
        variable = key_variable(agent.model, agent.base_url, agent.model_source)
        given = (env, self.keys.values, os.environ)
        return "" if any(each.get(variable) for each in given) else variable

    def hold_secrets(self, env: Mapping[str, str]) -> None:
        """Keep the keys and tokens among these variables out of journal and screen."""
        for value in secret_values(env):
            self._redactor.hold(value)

    def clean(self, text: str) -> str:
        """`text` without the values that are held."""
        return self._redactor.text(text)

    async def make(
        self,
        journal: Journal,
        sink: Sink,
        env: Callable[[], Mapping[str, str]],
        take_up: TakeUp,
        standing: Callable[[], Standing],
        spawner: Callable[[LaunchSpec], Spawner],
    ) -> Made:
        """The agent of `sink`, taken up where its journaled history ends, as `take_up` says.

        `spawner` starts agents for it, if it has a tool for that.

        Raises:
            MatoError: its folder is gone, or its history cannot be read.
        """
        spawned, history = await _history(journal, sink.session, sink.agent)
        spec = spawned.spec
        # A file system that does not answer must not hold the loop.
        workspace = await on_disk(Workspace, Path(spec.cwd))
        try:
            settings = await on_disk(load, self._paths, {**os.environ, **env()})
            place = Place(workspace.root, lambda: {**os.environ, **env()}, settings.sandbox.tier)
            taken = await on_disk(self.toolbox.take, spec.mcp, place)
            spawn = Spawn(spawner(spec))
            tools = await on_disk(self._tools, spec, settings.sandbox, taken.tools, spawn)
            # Asked anew for each agent; one that goes on keeps the system prompt of its journal.
            trusted, files = await on_disk(self._trusted, workspace.root)
            await on_disk(self.keys.read)
            policy = await on_disk(
                judging.policy,
                self._paths,
                self.sandbox,
                spawned,
                sink.session,
                settings.sandbox,
                trusted,
                standing,
            )
            given = Given(
                sink=sink,
                workspace=workspace,
                registry=tools,
                policy=policy,
                clock=self.clock,
                ids=self.ids,
                redactor=self._redactor,
                # The daemon's own variables go stale: they only fill what no client gave.
                env=lambda: {**os.environ, **self.keys.values, **env()},
                history=history,
                take_up=take_up,
            )
            agent = factory.build(
                spawned.agent_kind,
                spec,
                given,
                self.models,
                _instructions(files),
                lambda: self.sandbox.confine(settings.sandbox.tier, spec.env_names, spec.hole),
            )
        except BaseException:
            workspace.close()
            raise

        def close() -> None:
            taken.close()
            workspace.close()

        return Made(agent, close)

    def _tools(
        self, spec: LaunchSpec, wanted: Sandboxing, more: Sequence[Tool], spawn: Spawn
    ) -> Registry:
        """The tools of an agent and those of servers, its commands confined as the settings say."""
        hole = judging.hole(self.sandbox, spec, wanted)
        shell = Shell(self.sandbox, wanted.tier, spec.env_names, hole)
        listed = hosts.parse(wanted.network, "[sandbox] network")
        fetch = Fetch(self.sandbox, wanted.tier, listed)
        asks = judging.bare(self.sandbox, spec, wanted)
        return Registry(spec.tools, shell, more, spawn=spawn, fetch=fetch, commands_ask=asks)

    async def policy(
        self,
        spawned: AgentSpawned,
        session: str,
        env: Mapping[str, str],
        standing: Callable[[], Standing],
    ) -> Policy:
        """What would hold for an agent if it were made now.

        Raises:
            ConfigError: of the config, the trust file or the rules.
        """
        settings = await on_disk(load, self._paths, {**os.environ, **env})
        trusted, _ = await on_disk(self._trusted, Path(spawned.spec.cwd))
        return await on_disk(
            judging.policy,
            self._paths,
            self.sandbox,
            spawned,
            session,
            settings.sandbox,
            trusted,
            standing,
        )


def _instructions(files: Mapping[str, bytes]) -> str:
    """What a trusted folder says to agents; "" where it says nothing."""
    content = files.get(INSTRUCTIONS, b"")
    if len(content) > _INSTRUCTIONS_BYTES:
        logger.warning("%s is larger than 64 KiB; it instructs nobody", INSTRUCTIONS)
        return ""
    return content.decode("utf-8", "replace")


def _embedded() -> Path:
    from mato.models.embedded.fetch import locate

    found = locate()
    if found is None:
        raise ConfigError(
            "the embedded model is not on this machine; `mato model` fetches it, "
            "or choose another with --model"
        )
    return found

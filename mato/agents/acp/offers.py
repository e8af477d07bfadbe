"""What an ACP agent offers: modes, models and other options, and commands; pure."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from mato.agents.acp import raw
from mato_sessions.events import AgentOffered
from mato_sessions.events.foreign import Choice, Option, SlashCommand

MODE = "mode"
"""The id under which modes of the older sort (ACP SessionModeState) are offered as an option."""
_MOST = 200
_WORDS = 300


class Offer(msgspec.Struct):
    """What is offered now. Modes of the older sort count only where no option is one."""

    options: tuple[Option, ...] = ()
    modes: Option | None = None
    commands: tuple[SlashCommand, ...] = ()

    def whole(self) -> AgentOffered:
        """As a fact."""
        options = self.options
        if self.modes is not None and not any(each.category == "mode" for each in options):
            options = (self.modes, *options)
        return AgentOffered(options=options, commands=self.commands)

    def session(self, result: dict[str, Any]) -> AgentOffered | None:
        """After session/new, resume or load; None where nothing is offered."""
        if (found := mode_option(result.get("modes"))) is not None:
            self.modes = found
        if isinstance(result.get("configOptions"), list):
            self.options = config_options(result["configOptions"])
        whole = self.whole()
        return whole if whole.options or whole.commands else None

    def update(self, what: str, found: dict[str, Any]) -> AgentOffered | None:
        """After an update; None where it changes nothing."""
        before = self.whole()
        match what:
            case "available_commands_update":
                self.commands = commands(found.get("availableCommands"))
            case "config_option_update":
                self.options = config_options(found.get("configOptions"))
            case _:
                now = raw.text(found.get("currentModeId"))
                if self.modes is not None and now:
                    self.modes = replace(self.modes, value=now)
        return None if (whole := self.whole()) == before else whole

    def option(self, wanted: str) -> Option | None:
        """The option with that id, category or name."""
        for each in self.whole().options:
            if wanted in (each.option, each.category, each.name):
                return each
        return None


def mode_option(value: object) -> Option | None:
    """The modes of a session as an option (ACP SessionModeState)."""
    state = raw.mapping(value)
    found = [raw.mapping(each) for each in raw.items(state.get("availableModes"))]
    modes = [_choice(each, "id") for each in found[:_MOST] if raw.text(each.get("id"))]
    now = raw.text(state.get("currentModeId"))
    return Option(MODE, "Mode", "mode", now, tuple(modes)) if modes and now else None


def config_options(value: object) -> tuple[Option, ...]:
    """The options of a session (ACP SessionConfigOption)."""
    found: list[Option] = []
    for each in raw.items(value)[:_MOST]:
        option = raw.mapping(each)
        key = raw.text(option.get("id"))
        now = option.get("currentValue")
        if not key or not isinstance(now, (str, bool)):
            continue
        if isinstance(now, bool):
            choices = (Choice("true", "on"), Choice("false", "off"))
            now = "true" if now else "false"
        else:
            choices = tuple(_choices(option.get("options")))
        name = raw.cut(raw.text(option.get("name")) or key, _WORDS)
        found.append(Option(key, name, raw.text(option.get("category")), now, choices))
    return tuple(found)


def _choices(value: object) -> list[Choice]:
    made: list[Choice] = []
    for each in raw.items(value)[:_MOST]:
        choice = raw.mapping(each)
        if isinstance(choice.get("options"), list):  # a group of them
            made += _choices(choice["options"])
        elif raw.text(choice.get("value")):
            made.append(_choice(choice, "value"))
    return made[:_MOST]


def _choice(found: dict[str, Any], key: str) -> Choice:
    value = raw.text(found.get(key))
    name = raw.cut(raw.text(found.get("name")) or value, _WORDS)
    return Choice(value, name, raw.cut(raw.text(found.get("description")), _WORDS))


def commands(value: object) -> tuple[SlashCommand, ...]:
    """The commands of a session (ACP AvailableCommand)."""
    made: list[SlashCommand] = []
    for each in raw.items(value)[:_MOST]:
        command = raw.mapping(each)
        name = raw.text(command.get("name")).strip().lstrip("/")
        if not name or len(name) > 100 or any(c.isspace() for c in name):
            continue
        description = raw.cut(raw.text(command.get("description")), _WORDS)
        hint = raw.cut(raw.text(raw.mapping(command.get("input")).get("hint")), _WORDS)
        made.append(SlashCommand(name, description, hint))
    return tuple(made)

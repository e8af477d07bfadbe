"""What a person can set in config.toml, each with its default and its reason."""

from __future__ import annotations

from typing import Literal

import msgspec

from mato.config.budget import Budget
from mato.config.duration import timeout_s
from mato_sessions.events.agent import Limits
from mato_sessions.events.session import Mode


class Keys(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[keys]"""

    prefix: str = ""
    """The prefix key, as in "ctrl+a" or tmux's "C-a". Empty: ctrl+b, or ctrl+g inside a tmux whose
    own prefix is ctrl+b."""


class Screen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[screen]"""

    theme: str = ""
    """Name of a theme. Empty: the built-in dark one."""
    sidebar: bool = True
    """Whether the sidebar shows where the terminal is wide enough."""


class Sandboxing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[sandbox]"""

    tier: Literal["auto", "full", "partial", "none"] = "auto"
    """What commands run in. ``auto``: the best that this machine offers."""
    network: tuple[str, ...] = ()
    """Hosts that commands may reach: ``pypi.org`` (ports 443 and 80), ``host:port``, or
    ``localhost:port``. In tier ``full`` alone; no profile of a folder can add one."""
    unconfined: bool = False
    """Whether commands may run by the mode alone where the tier is ``none``; else each asks."""


class Permissions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[permissions]"""

    timeout: str = "24h"
    """How long a request waits for a person before it is rejected: "30m", "24h", "7d"; "never".
    A day: long enough for a night, and nothing waits for ever with the world changing under it."""

    @property
    def timeout_s(self) -> float:
        """0: never."""
        return timeout_s(self.timeout)


class Tooling(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[tools]"""

    env: tuple[str, ...] = ()
    """More variables that commands and agents' programs get, by name, as in ``SSH_AUTH_SOCK`` or
    ``HTTPS_PROXY``: they reach whoever holds those, so nothing but this names them."""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole of config.toml."""

    model: str = ""
    """A litellm name, ``embedded``, ``scripted:FILE`` or ``recorded:FILE``. Empty: by the keys
    in the environment, else embedded."""
    base_url: str = ""
    """Endpoint of an OpenAI-compatible server."""
    mode: Mode = "ask"
    limits: Limits = Limits()
    budget: Budget = Budget()
    keys: Keys = Keys()
    screen: Screen = Screen()
    sandbox: Sandboxing = Sandboxing()
    permissions: Permissions = Permissions()
    tools: Tooling = Tooling()

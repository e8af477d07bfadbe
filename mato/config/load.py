"""Settings in force: built-in defaults, then the user's config.toml, then the environment."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, cast, get_args, get_origin

import msgspec

from mato.config.duration import timeout_s
from mato.config.keys import PREFIXES, prefix_key
from mato.config.paths import Paths
from mato.config.settings import Settings
from mato_sessions.errors import ConfigError

VARIABLES: dict[str, tuple[str, ...]] = {
    "MATO_MODEL": ("model",),
    "MATO_BASE_URL": ("base_url",),
    "MATO_MODE": ("mode",),
    "MATO_PREFIX": ("keys", "prefix"),
    "MATO_THEME": ("screen", "theme"),
}
"""Which setting each variable stands for; an empty variable counts as not set."""

_LARGEST_BYTES = 1024 * 1024


def load(paths: Paths, env: Mapping[str, str] | None = None) -> Settings:
    """The settings for this environment; a missing config.toml is an empty one.

    Raises:
        ConfigError: names the file and key (or the variable) and what is allowed there.
    """
    env = os.environ if env is None else env
    merged = read_toml(paths.config_file)
    check(merged, Settings, where=str(paths.config_file))
    _name_prefix(merged, where=str(paths.config_file))
    _check_timeout(merged, where=str(paths.config_file))
    for variable, keys in VARIABLES.items():
        if value := env.get(variable, ""):
            given: dict[str, Any] = {keys[-1]: value}
            for key in reversed(keys[:-1]):
                given = {key: given}
            check(given, Settings, where=f"the environment ({variable})")
            _name_prefix(given, where=f"the environment ({variable})")
            _lay_over(merged, given)
    settings = msgspec.convert(merged, Settings)
    if settings.sandbox.network:
        from mato.config.hosts import parse

        parse(settings.sandbox.network, f"{paths.config_file}: 'sandbox.network'")
    return settings


def read_toml(file: Path) -> dict[str, Any]:
    """What a TOML file holds; {} where there is none.

    Raises:
        ConfigError: it cannot be read, or is not TOML.
    """
    try:
        with file.open("rb") as opened:
            content = opened.read(_LARGEST_BYTES + 1)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigError(
            f"cannot read {str(file)!r}: {error.strerror}; make it readable or move it away"
        ) from error
    if len(content) > _LARGEST_BYTES:
        raise ConfigError(f"{str(file)!r} is larger than 1 MiB; that is no configuration")
    try:
        return tomllib.loads(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{str(file)!r} is not UTF-8 (byte {error.start}); save it as UTF-8"
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{str(file)!r} is not valid TOML: {error}") from error
    except RecursionError as error:
        raise ConfigError(
            f"{str(file)!r} nests lists too deep; that is no configuration"
        ) from error


def check(data: Mapping[str, Any], struct: type[msgspec.Struct], where: str) -> None:
    """Hold `data` against `struct`, key by key.

    Raises:
        ConfigError: for the first key that is unknown or has a value of the wrong sort.
    """
    _check_table(data, struct, where, ())


def _check_table(
    data: Mapping[str, Any], struct: type[msgspec.Struct], where: str, above: tuple[str, ...]
) -> None:
    fields = {field.encode_name: field.type for field in msgspec.structs.fields(struct)}
    for key, value in data.items():
        name = ".".join((*above, key))
        if key not in fields:
            near = difflib.get_close_matches(key, fields, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            allowed = ", ".join(sorted(fields))
            raise ConfigError(f"{where}: unknown key {name!r}; {hint}allowed here: {allowed}")
        expected: Any = fields[key]
        if isinstance(expected, type) and issubclass(expected, msgspec.Struct):
            if not isinstance(value, dict):
                raise ConfigError(f"{where}: {name!r} is {value!r}; write it as a table [{name}]")
            _check_table(cast("dict[str, Any]", value), expected, where, (*above, key))
            continue
        try:
            msgspec.convert(value, cast("Any", expected))
        except msgspec.ValidationError as error:
            raise ConfigError(
                f"{where}: {name!r} is {value!r}; allowed: {_describe(expected)}"
            ) from error


_WORDS: dict[object, str] = {
    str: "a text in quotes",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
}


def _describe(expected: Any) -> str:
    if get_origin(expected) is Literal:
        return ", ".join(repr(choice) for choice in get_args(expected))
    if get_origin(expected) is Annotated:
        return f"{_describe(get_args(expected)[0])} above 0"
    members = [member for member in get_args(expected) if member is not type(None)]
    if members and get_origin(expected) is not tuple:
        return " or ".join(_describe(member) for member in members)
    return _WORDS.get(expected, str(expected))


def _name_prefix(settings: dict[str, Any], where: str) -> None:
    """Write the prefix key as the workspace names keys; an empty one is chosen there."""
    written = settings.get("keys", {}).get("prefix", "")
    if not written:
        return
    known = prefix_key(written)
    if not known:
        raise ConfigError(f"{where}: 'keys.prefix' is {written!r}; allowed: {PREFIXES}")
    settings["keys"]["prefix"] = known


def _check_timeout(settings: dict[str, Any], where: str) -> None:
    written = settings.get("permissions", {}).get("timeout", "never")
    try:
        timeout_s(written)
    except ValueError as error:
        raise ConfigError(f"{where}: 'permissions.timeout': {error}") from error


def _lay_over(below: dict[str, Any], above: Mapping[str, Any]) -> None:
    for key, value in above.items():
        if isinstance(value, dict) and isinstance(below.get(key), dict):
            _lay_over(below[key], cast("dict[str, Any]", value))
        else:
            below[key] = value

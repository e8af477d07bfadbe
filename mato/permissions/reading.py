"""Where rules come from: the user's file, and the project's, which can only tighten."""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Sequence
from pathlib import Path

import msgspec

from mato.config.load import read_toml
from mato.config.paths import Paths
from mato.permissions.rules import Rule, RuleFile
from mato_sessions.errors import ConfigError

_NAME = "permissions.toml"
_LARGEST_BYTES = 64 * 1024


def rules(paths: Paths, project: Path) -> tuple[Rule, ...]:
    """The rules in force in a project's folder: the user's, then the project's.

    Raises:
        ConfigError: a file cannot be read or understood; nothing is allowed on a guess.
    """
    return (*user_rules(paths), *project_rules(project))


def user_rules(paths: Paths) -> Sequence[Rule]:
    """The rules of `permissions.toml` in the config folder.

    Raises:
        ConfigError: it cannot be read or understood.
    """
    file = paths.config / _NAME
    return _rules(read_toml(file), str(file))


def project_rules(project: Path) -> Sequence[Rule]:
    """The rules of `.mato/permissions.toml`: they may be a stranger's, and are never executed.

    Raises:
        ConfigError: it is no plain small file, cannot be understood, or would allow something.
    """
    file = project / ".mato" / _NAME
    found = _rules(_plain_toml(file), str(file))
    for rule in found:
        if rule.effect == "allow":
            raise ConfigError(
                f"{str(file)!r} has a rule that allows something ({rule.says()!r}); a project can"
                " only tighten: move the rule into your own permissions.toml"
            )
    return found


def _rules(data: dict[str, object], where: str) -> Sequence[Rule]:
    try:
        return msgspec.convert(data, RuleFile).rule
    except msgspec.ValidationError as error:
        raise ConfigError(f"{where!r} is not understood: {error}") from error


def _plain_toml(file: Path) -> dict[str, object]:
    try:
        # A fifo must not block, and a link must not show what lies elsewhere in an error.
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise ConfigError(f"{str(file)!r} is no plain file: {error.strerror}") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ConfigError(f"{str(file)!r} is no plain file; move it away")
    with os.fdopen(descriptor, "rb") as opened:
        content = opened.read(_LARGEST_BYTES + 1)
    if len(content) > _LARGEST_BYTES:
        raise ConfigError(f"{str(file)!r} is larger than 64 KiB; that is no list of rules")
    try:
        return tomllib.loads(content.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{str(file)!r} is not valid TOML in UTF-8: {error}") from error

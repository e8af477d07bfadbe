"""Where Mato keeps its files: XDG directories, or all of them under MATO_HOME."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from mato_sessions.errors import ConfigError

TYPE_CHECKING = False  # hot commands load this file: `typing` and `dataclasses` cost 10 ms
if TYPE_CHECKING:
    from collections.abc import Mapping


class Paths:
    """Every place that Mato reads or writes outside of workspaces."""

    __slots__ = ("cache", "config", "runtime", "state")

    def __init__(self, config: Path, state: Path, cache: Path, runtime: Path) -> None:
        self.config = config
        """Folder of config.toml, themes/ and agents/ (profiles)."""
        self.state = state
        """Folder of the journal and all that must survive; 0700."""
        self.cache = cache
        """Folder of models and other things that can be fetched or made again."""
        self.runtime = runtime
        """Folder of the socket; short, 0700, gone after a reboot."""

    @property
    def config_file(self) -> Path:
        return self.config / "config.toml"

    @property
    def profiles(self) -> Path:
        return self.config / "agents"

    @property
    def themes(self) -> Path:
        return self.config / "themes"

    @property
    def trust_file(self) -> Path:
        return self.state / "trust.toml"

    @property
    def keys(self) -> Path:
        """Which keys are kept, and those that no keyring keeps; 0600."""
        return self.state / "keys.json"

    @property
    def journal(self) -> Path:
        return self.state / "journal.db"

    @property
    def anchors(self) -> Path:
        """Where sessions stood at times, noted outside of the journal."""
        return self.state / "journal.anchors"

    @property
    def roster(self) -> Path:
        """What the daemon knew of all sessions; made again from the journal when it is gone."""
        return self.state / "journal.roster"

    @property
    def lock(self) -> Path:
        return self.state / "daemon.lock"

    @property
    def log(self) -> Path:
        return self.state / "daemon.log"

    @property
    def children(self) -> Path:
        """Folder of the records of child process groups, one file each."""
        return self.state / "children"

    @property
    def models(self) -> Path:
        return self.cache / "models"

    @property
    def socket(self) -> Path:
        """Short whatever the length of the state path: a Unix socket path has 107 bytes."""
        name = hashlib.sha256(os.fsencode(self.state.resolve())).hexdigest()[:16]
        return self.runtime / f"{name}.sock"


def _runtime(env: Mapping[str, str]) -> Path:
    given = env.get("XDG_RUNTIME_DIR", "")
    # 107 bytes for the whole path; 60 leaves room for "/mato/" and the hashed name.
    if given.startswith("/") and len(os.fsencode(given)) <= 60 and _is_private(Path(given)):
        return Path(given) / "mato"
    return Path("/tmp") / f"mato-{os.getuid()}"  # noqa: S108 (made 0700 and checked by `private`)


def _is_private(path: Path) -> bool:
    try:
        info = path.stat()
    except OSError:
        return False
    return info.st_uid == os.getuid() and stat.S_ISDIR(info.st_mode)


def find(env: Mapping[str, str] | None = None) -> Paths:
    """The paths for this environment. Nothing is created.

    Raises:
        ConfigError: MATO_HOME is relative, or there is no HOME.
    """
    env = os.environ if env is None else env
    if home := env.get("MATO_HOME"):
        if not home.startswith("/"):
            raise ConfigError(f"MATO_HOME is {home!r}; give it as an absolute path")
        top = Path(home)
        return Paths(top / "config", top / "state", top / "cache", _runtime(env))
    user = env.get("HOME", "")

    def place(variable: str, fallback: str) -> Path:
        given = env.get(variable, "")
        if given.startswith("/"):  # the XDG specification: relative paths are to be ignored
            return Path(given) / "mato"
        if not user.startswith("/"):
            raise ConfigError(f"neither {variable} nor HOME is set; set MATO_HOME to a folder")
        return Path(user) / fallback / "mato"

    return Paths(
        place("XDG_CONFIG_HOME", ".config"),
        place("XDG_STATE_HOME", ".local/state"),
        place("XDG_CACHE_HOME", ".cache"),
        _runtime(env),
    )


def private(folder: Path) -> Path:
    """`folder`, made 0700 where missing.

    Raises:
        ConfigError: it belongs to somebody else, is a link, or is open to others.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        info = folder.lstat()
    except OSError as error:
        raise ConfigError(
            f"cannot make the folder {str(folder)!r}: {error.strerror}; clear the way, or set "
            "MATO_HOME to a folder of yours"
        ) from error
    if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.getuid():
        raise ConfigError(f"{str(folder)!r} is not a folder of yours; remove it or set MATO_HOME")
    if stat.S_IMODE(info.st_mode) & 0o077:
        folder.chmod(0o700)
    return folder

"""The kept keys in the daemon's memory: read when they change, held back from then on."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from mato.config.paths import Paths
from mato.daemon.log import logger
from mato.models.keys import is_secret, secrets
from mato.secrets.file import Stamp
from mato.secrets.store import KeyStore
from mato_sessions.errors import ConfigError

_SECRET = re.compile(r"(?:^|_)(?:\w*KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)(?:_|$)")
"""Names of variables whose values are no business of a journal."""


def secret_values(env: Mapping[str, str]) -> set[str]:
    """The values of keys and tokens among these variables."""
    # A name like SSH_KEY_FILE holds a place and no secret.
    return {
        value
        for name, value in env.items()
        if _SECRET.search(name.upper()) and not value.startswith(("/", "~"))
    }.union(secrets(env))


class KeptKeys:
    """What a person added with `mato auth`. A variable of a client goes before it."""

    def __init__(self, paths: Paths, hold: Callable[[str], None]) -> None:
        self._store = KeyStore(paths)
        self._hold = hold
        self._stamp: Stamp | None = None
        self.values: Mapping[str, str] = {}
        """By variable, as they were read last."""

    def read(self) -> Mapping[str, str]:
        """The keys as they are now. Reads the file, and the keyring after a change: blocks."""
        stamp = self._store.stamp()
        if stamp == self._stamp:
            return self.values
        try:
            found = self._store.read()
        except ConfigError as error:
            # What cannot be trusted is not used, and neither is what it said before.
            logger.warning("%s", error)
            self._stamp, self.values = stamp, {}
            return self.values
        for name, value in found.values.items():
            if is_secret(name):
                self._hold(value)
        for problem in found.problems:
            logger.warning("%s", problem)
        # A keyring that was locked may be open the next time.
        self._stamp = None if found.problems else stamp
        self.values = found.values
        return self.values

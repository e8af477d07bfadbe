"""The keyring of the system, where it has one that answers without a person.

`keyring` is loaded on the first use: it costs, and most commands need no key.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from mato_sessions.errors import ConfigError

ANSWER_S = 5.0
"""A keyring that waits for a password behind another window is given up."""

_T = TypeVar("_T")


class Ring:
    """Entries of one `service` in the keyring."""

    def __init__(self, service: str) -> None:
        self._service = service

    def usable(self) -> bool:
        """Whether there is a keyring that keeps what it is given."""

        def look() -> bool:
            import keyring
            from keyring.backends.fail import Keyring as Fail
            from keyring.backends.null import Keyring as Null

            found = keyring.get_keyring()
            # 1 is what keyring itself asks of a backend that it recommends; less is plain text.
            return not isinstance(found, (Fail, Null)) and float(found.priority) >= 1

        try:
            return _within(look)
        except ConfigError:
            return False

    def get(self, name: str) -> str:
        """The value of `name`.

        Raises:
            ConfigError: it is not there, or the keyring does not answer.
        """

        def read() -> str | None:
            import keyring

            return keyring.get_password(self._service, name)

        value = _within(read)
        if value is None:
            raise ConfigError(f"{name} is not in the keyring any more; `mato auth add {name}`")
        return value

    def put(self, name: str, value: str) -> None:
        """Keep `value`, and look whether it is kept.

        Raises:
            ConfigError: it is not.
        """

        def write() -> str | None:
            import keyring

            keyring.set_password(self._service, name, value)
            return keyring.get_password(self._service, name)

        if _within(write) != value:
            raise ConfigError("the keyring does not keep what it is given; `--file` goes without")

    def drop(self, name: str) -> None:
        """Forget `name`; nothing where it is not there.

        Raises:
            ConfigError: the keyring does not answer.
        """

        def delete() -> None:
            import keyring
            from keyring.errors import PasswordDeleteError

            try:
                keyring.delete_password(self._service, name)
            except PasswordDeleteError:
                if keyring.get_password(self._service, name) is not None:
                    raise

        _within(delete)


def _within(work: Callable[[], _T]) -> _T:
    """What `work` gives within `ANSWER_S`, done in a thread that keeps nobody from ending."""
    done: list[_T] = []
    failed: list[Exception] = []

    def run() -> None:
        try:
            done.append(work())
        except Exception as error:
            # Backends raise what their own libraries raise; here each means: no keyring.
            failed.append(error)

    thread = threading.Thread(target=run, name="mato-keyring", daemon=True)
    thread.start()
    thread.join(ANSWER_S)
    if done:
        return done[0]
    if failed:
        why = str(failed[0]) or type(failed[0]).__name__
        raise ConfigError(f"the keyring failed: {why}; `--file` goes without") from failed[0]
    raise ConfigError(f"the keyring did not answer within {ANSWER_S:g} s; unlock it")

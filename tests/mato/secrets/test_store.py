"""Keys in the keyring or a file of one's own: kept, found again, refused where others read."""

from __future__ import annotations

import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends.fail import Keyring as NoKeyring
from keyring.errors import KeyringLocked, PasswordDeleteError

from mato.config.paths import Paths, find
from mato.secrets import ring
from mato.secrets.store import KeyStore
from mato_sessions.errors import ConfigError

VALUE = "a-key-for-this-test-0123"


class Memory(KeyringBackend):
    """A keyring that keeps what it is given."""

    priority = 5  # pyright: ignore[reportAssignmentType] - the base reads it from the class

    def __init__(self) -> None:
        super().__init__()
        self.held: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.held.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.held[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        if (service, username) not in self.held:
            raise PasswordDeleteError("there is none")
        del self.held[service, username]


class Locked(Memory):
    """One that cannot be opened."""

    def get_password(self, service: str, username: str) -> str | None:
        raise KeyringLocked("it is locked")


class Silent(Memory):
    """One that waits for a person."""

    def __init__(self, until: threading.Event) -> None:
        super().__init__()
        self._until = until

    def get_password(self, service: str, username: str) -> str | None:
        self._until.wait(60)
        return None


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return find({"MATO_HOME": str(tmp_path)})


@pytest.fixture(autouse=True)
def none() -> Iterator[None]:
    """No test may touch the keyring of whoever runs it."""
    before = keyring.get_keyring()
    keyring.set_keyring(NoKeyring())
    yield
    keyring.set_keyring(before)


def test_without_a_keyring_a_key_is_in_a_file_that_only_its_owner_reads(paths: Paths) -> None:
    store = KeyStore(paths)
    assert store.read().values == {}
    assert not paths.keys.exists()
    assert store.add("OPENAI_API_KEY", VALUE) == "file"
    assert stat.S_IMODE(paths.keys.stat().st_mode) == 0o600
    assert store.read() == ({"OPENAI_API_KEY": VALUE}, ())
    before = store.stamp()
    assert store.add("OPENAI_API_KEY", VALUE[::-1]) == "file"
    assert store.stamp() != before
    assert store.remove("OPENAI_API_KEY")
    assert not store.remove("OPENAI_API_KEY")
    assert VALUE not in paths.keys.read_text()
    assert {each.name for each in paths.state.iterdir()} == {"keys.json", "keys.json.lock"}


def test_a_keyring_keeps_the_value_and_the_file_only_the_name(paths: Paths) -> None:
    memory = Memory()
    keyring.set_keyring(memory)
    store = KeyStore(paths)
    assert store.add("OPENAI_API_KEY", VALUE) == "keyring"
    assert VALUE not in paths.keys.read_text()
    assert store.places() == {"OPENAI_API_KEY": "keyring"}
    assert store.read().values == {"OPENAI_API_KEY": VALUE}
    assert KeyStore(find({"MATO_HOME": "/tmp/another"})).read().values == {}
    assert store.add("OPENAI_API_KEY", VALUE, in_file=True) == "file"
    assert not memory.held
    assert store.add("OPENAI_API_KEY", VALUE) == "keyring"
    assert VALUE not in paths.keys.read_text()
    assert store.remove("OPENAI_API_KEY")
    assert not memory.held


def test_one_key_that_cannot_be_read_does_not_take_the_others_along(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyring.set_keyring(Memory())
    store = KeyStore(paths)
    store.add("OPENAI_API_KEY", VALUE)
    store.add("GROQ_API_KEY", VALUE, in_file=True)
    keyring.set_keyring(Locked())
    found = store.read()
    assert found.values == {"GROQ_API_KEY": VALUE}
    assert "it is locked" in found.problems[0]
    keyring.set_keyring(Memory())
    assert "not in the keyring any more" in store.read().problems[0]
    monkeypatch.setattr(ring, "ANSWER_S", 0.05)
    until = threading.Event()
    keyring.set_keyring(Silent(until))
    assert "did not answer" in store.read().problems[0]
    until.set()


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o660, 0o601])
def test_a_file_that_others_can_open_is_refused(paths: Paths, mode: int) -> None:
    store = KeyStore(paths)
    store.add("OPENAI_API_KEY", VALUE)
    paths.keys.chmod(mode)
    with pytest.raises(ConfigError, match=f"open to others .{mode:o}.; chmod 600"):
        store.read()
    with pytest.raises(ConfigError, match="open to others"):
        store.add("GROQ_API_KEY", VALUE)


def test_what_is_no_file_of_keys_is_one_sentence(paths: Paths, tmp_path: Path) -> None:
    store = KeyStore(paths)
    store.add("OPENAI_API_KEY", VALUE)
    content = paths.keys.read_text()
    for wrong in ("", "[]", '{"A": 1}', '{"A": {"place": "moon"}}', content[:-9], "\udcff"):
        paths.keys.write_bytes(wrong.encode("utf-8", "surrogateescape"))
        with pytest.raises(ConfigError, match="holds no keys"):
            store.read()
    real = tmp_path / "elsewhere"
    paths.keys.rename(real)
    paths.keys.symlink_to(real)
    with pytest.raises(ConfigError, match="cannot read the keys"):
        store.read()
    paths.keys.unlink()
    paths.keys.mkdir()
    with pytest.raises(ConfigError, match="not a file of yours"):
        store.read()


def test_keys_that_are_added_at_once_are_all_there(paths: Paths) -> None:
    names = [f"NUMBER{number}_API_KEY" for number in range(12)]
    adding = [threading.Thread(target=KeyStore(paths).add, args=(each, VALUE)) for each in names]
    for each in adding:
        each.start()
    for each in adding:
        each.join()
    assert KeyStore(paths).read().values == dict.fromkeys(names, VALUE)

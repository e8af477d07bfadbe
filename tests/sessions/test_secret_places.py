"""Where rules are tried is chosen fast, and never so that a secret is passed over."""

from __future__ import annotations

import random

from mato_sessions import secret_rules
from mato_sessions.redact import Redactor
from mato_sessions.secret_places import Places, may_hold
from tests.sessions.test_secret_shapes import SHAPES, made

AROUND = (
    *("foo", "bar(", "= ", ": ", "://", "@", " ", "\n", "é", "İ", "中文", "\ud800", "'", '"', "?"),
    *("self.assertEqual", "token", "password = ", "Bearer ", "x" * 30, "1234567890", ":AA", "sk_"),
    *("AKIA", "AKIA" + "QRST" * 4, "secret_key := ", "hooks.slack.com/services/" + "Tab/" * 8),
    *("-----BEGIN RSA PRIVATE KEY-----", "-----END RSA PRIVATE KEY-----", "abcDEF123456789/+"),
    *("postgres://joe:(s{e}c)@db ", "postgres://joe:hunter@db "),
)


def _texts(count: int, seed: int) -> list[str]:
    chance = random.Random(seed)

    def piece() -> str:
        is_around = chance.random() < 0.6
        return chance.choice(AROUND) if is_around else made(chance.choice(SHAPES), chance)[0]

    return ["".join(piece() for _ in range(chance.randint(1, 8))) for _ in range(count)]


def _everywhere(text: str, start: int = 0) -> list[tuple[int, int, str]]:
    """What is found when rules are tried at each character."""
    return list(secret_rules.among(text, range(start, len(text)), start))


def test_the_same_is_found_as_when_rules_are_tried_everywhere() -> None:
    found = 0
    for text in _texts(400, seed=1):
        for start in (0, len(text) // 3):
            expected = _everywhere(text, start)
            found += len(expected)
            assert list(secret_rules.matches(text, start)) == expected, text
            assert not expected or may_hold(text)
    assert found > 400


def test_places_that_do_not_know_a_literal_miss_what_begins_with_it() -> None:
    text = "x=ghp_" + "a1B2" * 9
    assert _everywhere(text)
    assert 2 in Places(("ghp_",)).find(text, 0)
    assert not Places(("gho_",)).find(text, 0)


def test_cuts_change_nothing_between_other_texts() -> None:
    redactor = Redactor(rules=True)
    for text in _texts(40, seed=2):
        whole = redactor.text(text)
        for cut in range(len(text) + 1):
            stream = redactor.stream()
            assert stream.feed(text[:cut]) + stream.feed(text[cut:]) + stream.flush() == whole


def test_letters_that_have_no_single_small_one_move_no_cut() -> None:
    redactor = Redactor(rules=True)
    text = "İİİİİ=ghp_" + "a1B2" * 9 + " z"
    whole = redactor.text(text)
    for cut in range(len(text) + 1):
        stream = redactor.stream()
        assert stream.feed(text[:cut]) + stream.feed(text[cut:]) + stream.flush() == whole


def test_what_has_no_secret_is_given_back_as_it_is() -> None:
    text = "def find(self, text: str) -> None:  # 12 of them, see https://example.org/a?b=1"
    assert Redactor(rules=True).text(text) is text

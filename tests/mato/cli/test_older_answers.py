"""Listings made from recorded answers of older daemons: what those do not say is not missed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mato.cli import requests
from mato.client import quick

RECORDED: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "protocol" / "protocol_1.json").read_text()
)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (lambda: requests.ls(), "▲ blocked  orchard"),
        (lambda: requests.ls(as_json=True), '"state":"blocked"'),
        (lambda: requests.inbox(), "write  note.txt"),
        (lambda: requests.inbox(as_json=True), '"tool":"write"'),
        (lambda: requests.wait("orchard", "blocked"), "coder  blocked"),
        (lambda: requests.daemon_status(), "an older Mato (0.1.0, protocol 1)"),
        (lambda: requests.daemon_status(as_json=True), '"protocol":1'),
    ],
)
def test_a_listing_can_be_made_of_an_answer_of_protocol_1(
    command: Callable[[], int],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def recorded(_: object, method: str, *_args: object, **_more: object) -> dict[str, Any]:
        return RECORDED[method]

    monkeypatch.setattr(quick, "request", recorded)
    assert command() == 0
    assert said in capsys.readouterr().out

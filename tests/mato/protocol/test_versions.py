"""Protocols: what may be asked of an older daemon, and that its answers can still be read."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mato.protocol import methods as m
from mato.protocol.frames import EventFrame, Goodbye
from mato.protocol.version import OLDEST, PROTOCOL, READABLE, older, read_only
from mato.testing.older import METHODS as METHODS_1
from mato_sessions.catalog import Catalog
from mato_sessions.codec import from_json_line, unpack
from mato_sessions.events.base import Unknown
from mato_sessions.transcript import Transcript

RECORDED: dict[str, Any] = json.loads(Path(__file__).with_name("protocol_1.json").read_text())
"""Answers of a daemon of protocol 1, by method; `frame`: its first frame, msgpack in base64."""


def test_an_older_daemon_is_asked_for_what_only_observes_and_for_its_end() -> None:
    observing = {name for name, request in m.METHODS.items() if request.observes}
    assert observing - {m.Hello.method} | {m.Shutdown.method} == READABLE


def test_every_older_protocol_is_tried_newest_first_and_the_present_one_needs_no_excuse() -> None:
    assert list(older()) == list(range(PROTOCOL - 1, OLDEST - 1, -1))
    assert read_only("0.1.0", PROTOCOL) == read_only("0.1.0", PROTOCOL + 1) == ""
    sentence = read_only("0.1.0", 1)
    assert "an older Mato (0.1.0, protocol 1), so this is read-only; `mato daemon" in sentence


def test_no_method_of_protocol_1_is_gone() -> None:
    assert m.METHODS.keys() >= METHODS_1


@pytest.mark.parametrize("method", sorted(RECORDED.keys() - {"frame"}))
def test_an_answer_of_protocol_1_can_be_read(method: str) -> None:
    result = m.METHODS[method].Result
    read = msgspec.json.decode(msgspec.json.encode(RECORDED[method]), type=result)
    assert isinstance(read, result)


def test_a_frame_of_protocol_1_can_be_read_and_folded() -> None:
    frame = msgspec.msgpack.decode(base64.b64decode(RECORDED["frame"]), type=EventFrame)
    events = [unpack(raw) for raw in frame.events]
    lines = [from_json_line(line.encode()) for line in RECORDED["journal.events"]["lines"]]
    assert [event.hash for event in events] == [event.hash for event in lines]
    assert not any(isinstance(event.body, Unknown) for event in events)
    catalog = Catalog()
    for event in events:
        catalog.apply(event)
    (session,) = catalog.sessions()
    (agent,) = session.agents
    assert (session.name, agent.state, [call.tool for call in agent.pending]) == (
        "orchard",
        "blocked",
        ["write"],
    )
    transcript = Transcript(agent.id)
    for event in events:
        transcript.apply(event)
    assert len(transcript.entries) >= 4


@pytest.mark.parametrize("said", [{"reason": "stopped"}, {"reason": "x", "restart": True}, {}])
def test_a_goodbye_of_any_protocol_can_be_read(said: dict[str, Any]) -> None:
    read = msgspec.json.decode(msgspec.json.encode(said), type=Goodbye)
    assert (read.reason, read.restart) == (said.get("reason", ""), said.get("restart", False))

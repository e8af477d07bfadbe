"""The main job on a real model: three agents read a real project, no key, no network."""

from __future__ import annotations

import json
import os
from collections import Counter

import pytest

from mato.models.embedded.fetch import locate
from mato.tools.registry import Registry
from tests.journeys.conftest import Machine

MODEL = locate()

pytestmark = [
    pytest.mark.live,
    pytest.mark.timeout(400),
    pytest.mark.skipif(
        MODEL is None and not os.environ.get("MATO_LIVE"), reason="`make model` fetches the model"
    ),
]


def test_the_demonstration_ends_with_every_turn_ended_and_every_stream_closed(
    machine: Machine,
) -> None:
    assert MODEL is not None, "the embedded model has to be here: make model"
    machine.env["MATO_MODEL_FILE"] = str(MODEL)
    told = machine.run("demo", "--plain", patience_s=380)
    assert "6 turns ended" in told
    [session] = machine.json("ls")
    assert [agent["state"] for agent in session["agents"]] == ["stopped"] * 3
    assert all(agent["tokens"]["output"] > 0 for agent in session["agents"])

    events = machine.events(session["id"])
    count = Counter(event["kind"] for event in events)
    assert count["turn.prompted"] == count["turn.ended"] == 6
    assert count["model.asked"] == count["model.answered"] + count["model.failed"]
    ended = [event["body"]["reason"] for event in events if event["kind"] == "turn.ended"]
    assert set(ended) <= {"end_turn", "max_turn_requests", "max_tokens"}

    registry = Registry()
    done = {e["body"]["call"] for e in events if e["kind"] == "tool.finished"}
    proposed = [e["body"] for e in events if e["kind"] == "tool.proposed"]
    executed = [body for body in proposed if body["call"] in done]
    assert executed, "at least one tool call was executed"
    for body in executed:
        assert body["name"] in {"read", "list", "search"}, "only reading tools"
        tool = registry.get(body["name"])
        assert tool is not None
        registry.parse(tool, json.dumps(body["arguments"]))

    streamed: dict[str, str] = {}
    for event in events:
        if event["kind"] in ("text.streamed", "reasoning.streamed"):
            body = event["body"]
            assert body["offset"] == len(streamed.get(body["stream"], "")), "no gap, no repeat"
            streamed[body["stream"]] = streamed.get(body["stream"], "") + body["text"]
    answers = {
        f"{e['body']['request']}/{e['body']['attempt']}/text": e["body"].get("text", "")
        for e in events
        if e["kind"] == "model.answered"
    }
    assert {stream: text for stream, text in answers.items() if text} == streamed

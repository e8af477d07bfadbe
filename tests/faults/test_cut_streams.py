"""A model's stream that is cut anywhere, or holds nonsense: the turn ends right all the same.

What was streamed before is kept and marked, usage counts once, and a call runs once, after the
whole answer is in the journal.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from random import Random

import pytest
from msgspec.structs import replace

from mato.agents.base import Sink
from mato.models.base import (
    ArgumentsChunk,
    Chunk,
    FinishChunk,
    Message,
    ModelChoice,
    ModelFault,
    ModelRequest,
    ReasoningChunk,
    TextChunk,
    Usage,
)
from mato.models.sources import Sources
from mato.testing.endpoint import Endpoint, Reply, ReplyCall
from mato.testing.invariants import Effect, check
from mato.testing.models import OneModel
from mato.testing.stage import Stage, on_stage
from mato_sessions.entries import TextEntry
from mato_sessions.events import (
    ArgumentsStreamed,
    Body,
    Event,
    ModelFailed,
    ReasoningStreamed,
    TextStreamed,
    ToolFailed,
    UsageReported,
)
from mato_sessions.events.agent import Limits

pytestmark = pytest.mark.fault

SOAK = bool(os.environ.get("MATO_SOAK"))
COMMAND = '{"command": "echo $MATO_CALL >> effects; echo done"}'
PLAIN: tuple[Chunk, ...] = (
    ReasoningChunk("I look "),
    ReasoningChunk("first. "),
    ReasoningChunk("Then I run it."),
    TextChunk("Both "),
    TextChunk("at once: "),
    TextChunk("reading and running."),
    ArgumentsChunk(0, "shell", ""),
    ArgumentsChunk(0, "", COMMAND[:14]),
    ArgumentsChunk(1, "read", '{"pa'),
    ArgumentsChunk(0, "", COMMAND[14:31]),
    ArgumentsChunk(1, "", 'th": "note.txt"}'),
    ArgumentsChunk(0, "", COMMAND[31:]),
)


def answer(seed: int) -> tuple[Chunk, ...]:
    """The answer in other pieces for each seed; 0: as above. The calls' pieces interleave."""
    if not seed:
        return PLAIN
    random = Random(seed)
    pieces: list[Chunk] = []
    for kind in (ReasoningChunk, TextChunk):
        pieces += [kind(part) for part in _split(random, given(PLAIN, kind))]
    calls = [_split(random, given(PLAIN, ArgumentsChunk, index)) for index in (0, 1)]
    pieces += [ArgumentsChunk(0, "shell", ""), ArgumentsChunk(1, "read", "")]
    while any(calls):
        index = random.choice([place for place, left in enumerate(calls) if left])
        pieces.append(ArgumentsChunk(index, "", calls[index].pop(0)))
    return tuple(pieces)


def _split(random: Random, text: str) -> list[str]:
    cuts = sorted(random.sample(range(1, len(text)), random.randint(0, 5)))
    return [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]


END = FinishChunk("tool_calls", Usage(input=100, output=20))


class Cut:
    """Gives the chunks of an answer, cut after `cut` of them the first time, and then ends."""

    def __init__(self, cut: int, chunks: Sequence[Chunk] = PLAIN) -> None:
        self._cut = cut
        self._chunks = chunks
        self._cuts = 1

    async def stream(self, request: ModelRequest) -> AsyncIterator[Chunk]:
        if request.messages[-1].role == "tool":
            yield TextChunk("That is all.")
            yield FinishChunk("stop", Usage(input=130, output=5))
            return
        cut, self._cuts = self._cuts > 0, self._cuts - 1
        for chunk in self._chunks[: self._cut] if cut else self._chunks:
            yield chunk
        if cut:
            raise ModelFault("cut", "the connection was lost")
        yield END

    async def close(self) -> None:
        pass


def effects(stage: Stage) -> list[Effect]:
    """What the shell has really done, as it noted itself."""
    noted = stage.folder / "effects"
    calls = noted.read_text().split() if noted.exists() else []
    seen: Counter[str] = Counter()
    return [Effect(call, call, 1) for call in calls if seen.update([call]) is None]


def streamed(stage: Stage, attempt: int, kind: type[Body], tool: str = "") -> str:
    """What the journal has of one stream of the turn's first request."""
    return "".join(
        getattr(event.body, "text", "")
        for event in stage.events
        if type(event.body) is kind
        and getattr(event.body, "attempt", 0) == attempt
        and "-1/" in getattr(event.body, "stream", "")
        and getattr(event.body, "name", "") == tool
    )


def given(chunks: Sequence[Chunk], kind: type[Chunk], index: int = 0) -> str:
    """What the model has given of that."""
    return "".join(
        getattr(chunk, "text", "")
        for chunk in chunks
        if isinstance(chunk, kind) and getattr(chunk, "index", 0) == index
    )


def judge(stage: Stage, cut: int, chunks: Sequence[Chunk], reason: str) -> list[str]:
    """One sentence for each thing that is not as it should be after a cut at that chunk."""
    wrong: list[str] = []

    def expect(what: str, found: object, wanted: object) -> None:
        if found != wanted:
            wrong.append(f"cut at {cut}: {what} is {found!r}, not {wanted!r}")

    before = chunks[:cut]
    expect("the end", reason, "end_turn")
    expect("text kept", streamed(stage, 1, TextStreamed), given(before, TextChunk))
    expect("reasoning kept", streamed(stage, 1, ReasoningStreamed), given(before, ReasoningChunk))
    for index, tool in enumerate(("shell", "read")):
        kept = streamed(stage, 1, ArgumentsStreamed, tool)
        expect(f"arguments of {tool} kept", kept, given(before, ArgumentsChunk, index))
    partial = [e.text for e in stage.shown.entries if isinstance(e, TextEntry) and e.partial]
    expect("text marked as partial", "".join(partial), given(before, TextChunk))
    faults = [b.fault for b in stage.bodies("model.failed") if isinstance(b, ModelFailed)]
    expect("faults", faults, ["cut"])
    usages = [b for b in stage.bodies("usage.reported") if isinstance(b, UsageReported)]
    expect("usages", [(each.attempt, each.input) for each in usages], [(2, 100), (1, 130)])
    for kind in ("tool.proposed", "tool.started", "tool.finished"):
        expect(kind, len(stage.bodies(kind)), 2)
    expect("effects", len(effects(stage)), 1)
    return wrong + check(stage.evidence(*effects(stage)))


def _home(folder: Path) -> Path:
    (folder / "project").mkdir(parents=True)
    (folder / "project" / "note.txt").write_text("a note\n")
    return folder


async def one_turn(
    home: Path, cut: int, seed: int = 0, broken: type[Spoiled] | None = None
) -> list[str]:
    chunks = answer(seed)

    def spoil(sink: Sink) -> Sink:
        return broken(sink) if broken else sink

    async with on_stage(_home(home), OneModel(Cut(cut, chunks)), broken=spoil) as stage:
        reason = await stage.turn("go")
    return [f"seed {seed}, {wrong}" for wrong in judge(stage, cut, chunks, reason)]


@pytest.mark.parametrize("seed", range(20 if SOAK else 1))
async def test_a_stream_cut_at_any_chunk_loses_nothing_and_repeats_nothing(
    tmp_path: Path, seed: int
) -> None:
    # Side by side, because each waits a second before it asks again.
    cuts = range(len(answer(seed)) + 1)
    turns = [one_turn(tmp_path / f"cut-{cut}", cut, seed) for cut in cuts]
    wrong = [sentence for found in await asyncio.gather(*turns) for sentence in found]
    assert wrong == []


class Spoiled:
    """A sink that does not do what it should: the harness has to notice."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self.session, self.agent = sink.session, sink.agent
        self.piece, self.child_started = sink.piece, sink.child_started
        self.blob, self.read_blob = sink.blob, sink.read_blob

    def spoil(self, body: Body) -> list[Body]:
        raise NotImplementedError

    async def record(
        self, *bodies: Body, turn: str | None = None, cause: int | None = None
    ) -> list[Event]:
        spoiled = [each for body in bodies for each in self.spoil(body)]
        return await self._sink.record(*spoiled, turn=turn, cause=cause) if spoiled else []


class LosesText(Spoiled):
    def spoil(self, body: Body) -> list[Body]:
        return [] if isinstance(body, TextStreamed) and body.attempt == 1 else [body]


class CountsTwice(Spoiled):
    def spoil(self, body: Body) -> list[Body]:
        return [body, body] if isinstance(body, UsageReported) else [body]


@pytest.mark.parametrize(
    ("broken", "found"),
    [
        (LosesText, "text kept is ''"),
        (CountsTwice, "usages is"),
    ],
)
async def test_the_harness_notices_an_agent_that_breaks_its_word(
    tmp_path: Path, broken: type[Spoiled], found: str
) -> None:
    wrong = await one_turn(tmp_path, 6, broken=broken)
    assert any(found in sentence for sentence in wrong), wrong


async def test_the_harness_notices_a_call_that_took_effect_twice(tmp_path: Path) -> None:
    async with on_stage(_home(tmp_path), OneModel(Cut(0))) as stage:
        await stage.turn("go")
    assert check(stage.evidence(*effects(stage))) == []
    assert check(stage.evidence(*effects(stage), *effects(stage))) != []


class Says:
    """Gives one answer of these chunks, then ends the turn."""

    def __init__(self, *chunks: Chunk) -> None:
        self._chunks = chunks

    async def stream(self, request: ModelRequest) -> AsyncIterator[Chunk]:
        if request.messages[-1].role == "tool":
            yield TextChunk("I see.")
            yield FinishChunk("stop", Usage(input=1, output=1))
            return
        for chunk in self._chunks:
            yield chunk
        yield END

    async def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("chunks", "message"),
    [
        pytest.param([(0, "read", "note.txt")], "not a JSON object", id="not JSON"),
        pytest.param([(0, "read", '{"path": "a')], "not a JSON object", id="cut JSON"),
        pytest.param([(0, "read", '["a"]')], "read: Expected", id="no object"),
        pytest.param([(0, "read", '{"path": 7}')], "read: Expected", id="wrong type"),
        pytest.param([(0, "read", '{"path": "a", "no": 1}')], "read: ", id="unknown field"),
        pytest.param([(0, "read", "[" * 100_000)], "read: ", id="deep"),
        pytest.param([(0, "shell", '{"command": "' + "x" * 2_000_000)], "shell: ", id="huge"),
        pytest.param([(0, "shell", f'{{"command": "{"x" * 200_000}"}}')], "shell: ", id="too long"),
        pytest.param([(0, "", '{"path": "a"}')], "There is no tool ''", id="no name"),
        pytest.param([(0, "raed", "{}")], "There is no tool 'raed'", id="no such tool"),
        pytest.param(
            [(0, "read", '{"path": "note.txt"}'), (0, "list", '{"path": "."}')],
            "not a JSON object",
            id="index given twice",
        ),
        pytest.param([(7, "read", "\ud800"), (-3, "read", "")], "read: ", id="odd numbers"),
    ],
)
async def test_malformed_calls_are_told_to_the_model_and_never_run(
    tmp_path: Path, chunks: list[tuple[int, str, str]], message: str
) -> None:
    says = Says(TextChunk("I try."), *(ArgumentsChunk(*chunk) for chunk in chunks))
    async with on_stage(tmp_path, OneModel(says)) as stage:
        assert await stage.turn("go") == "end_turn"
    failed = [body for body in stage.bodies("tool.failed") if isinstance(body, ToolFailed)]
    assert failed
    assert all(message in each.message for each in failed)
    assert not stage.bodies("tool.started")
    assert len(stage.bodies("usage.reported")) == 2
    assert check(stage.evidence()) == []


async def test_faults_of_a_real_endpoint_are_asked_again_and_the_turn_ends_right(
    tmp_path: Path,
) -> None:
    answer = Reply(
        reasoning=("I look first. ",),
        text=("Both ", "at once."),
        calls=(
            ReplyCall("shell", COMMAND, "call_1"),
            ReplyCall("read", '{"path": "note.txt"}', "call_2"),
        ),
    )
    end = Reply(text=("That is all.",))
    last = len(["role", "reasoning", "text", "text", "call", "call"]) + 5
    faults = {
        "limit": (Reply(status=429, error="slow down", headers={"Retry-After": "0"}), "rate_limit"),
        "reset": (_cut(answer, 3, "reset"), "cut"),
        "polite": (_cut(answer, last, "end"), "cut"),
        "stall": (Reply(text=("Both ", "at once."), stall_after=2), "timeout"),
        "deaf": (Reply(stall_after=0), "timeout"),
    }
    records: dict[int, str] = {}

    def started(pid: int, purpose: str) -> Callable[[], None]:
        records[pid] = purpose

        def ended() -> None:
            del records[pid]

        return ended

    async with Sources(started) as sources:
        async with Endpoint() as endpoint:  # so that the process runs when the limits count
            warm = _At(sources, endpoint.url)
            asked = ModelRequest("warm", ModelChoice("any"), "", (), (Message("user", "hello"),))
            assert [chunk async for chunk in warm.stream(asked)]
        turns = [
            _over_http(tmp_path / name, sources, (fault, answer, end), wanted)
            for name, (fault, wanted) in faults.items()
        ]
        wrong = [sentence for found in await asyncio.gather(*turns) for sentence in found]
    assert wrong == []
    assert not records


class _At:
    """The model of an endpoint, whatever the choice says."""

    def __init__(self, sources: Sources, url: str) -> None:
        self._sources = sources
        self._choice = ModelChoice("fake-1", url)

    def stream(self, request: ModelRequest) -> AsyncIterator[Chunk]:
        model = self._sources.get(self._choice)
        return model.stream(replace(request, choice=self._choice))

    async def close(self) -> None:
        pass


def _cut(reply: Reply, after: int, how: str) -> Reply:
    return Reply(
        text=reply.text,
        reasoning=reply.reasoning,
        calls=reply.calls,
        cut_after=after,
        cut="end" if how == "end" else "reset",
    )


async def _over_http(
    home: Path, sources: Sources, replies: tuple[Reply, ...], fault: str
) -> list[str]:
    limits = Limits(first_chunk_s=8.0 if home.name == "deaf" else 60.0, silence_s=8.0)
    async with Endpoint(*replies) as endpoint:
        models = OneModel(_At(sources, endpoint.url))
        async with on_stage(_home(home), models, limits=limits) as stage:
            reason = await stage.turn("go")
    wrong: list[str] = []
    faults = [b.fault for b in stage.bodies("model.failed") if isinstance(b, ModelFailed)]
    usages = [b.input for b in stage.bodies("usage.reported") if isinstance(b, UsageReported)]
    found = (reason, faults, usages, len(effects(stage)))
    if found != ("end_turn", [fault], [100, 100], 1):
        wrong.append(f"{home.name}: {found!r}")
    return wrong + check(stage.evidence(*effects(stage)))

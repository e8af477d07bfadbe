"""An agent's work as events, for tests of what a pane shows; and an app with nothing but panes."""

from __future__ import annotations

from textual.app import App, ComposeResult
from textual.containers import Horizontal
from textual.message import Message

from mato_panes.kinds.chat import ChatPane
from mato_panes.store import SessionStore
from mato_sessions.catalog import AgentSummary
from mato_sessions.events import (
    Body,
    Event,
    ModelAnswered,
    ModelFailed,
    OutputStreamed,
    PermissionAsked,
    PlanUpdated,
    ReasoningStreamed,
    TextStreamed,
    ToolFinished,
    ToolProposed,
    ToolStarted,
    TurnEnded,
    TurnPrompted,
    TurnQueued,
)
from mato_sessions.events.tool import PlanItem
from mato_sessions.events.turn import StopReason, TextBlock
from mato_sessions.pieces import Piece
from mato_themes.catalog import builtin_palettes
from mato_themes.textual import css_variables, to_theme

SECOND = 1_000_000
SESSION = "s-1"
AGENT = "a-1"

DIFF = """--- a/src/ledger/rounding.py
+++ b/src/ledger/rounding.py
@@ -10,5 +10,6 @@ def to_cents(amount: Decimal) -> int:
     \"\"\"Cents of an amount.\"\"\"
     if amount.is_nan():
         raise ValueError("not a number")
-    return int(amount * 100)
+    # Half cents go to the even neighbour, as the books expect.
+    return int((amount * 100).quantize(Decimal(1), ROUND_HALF_EVEN))
"""
ANSWER = """The bug is in `to_cents`: it **truncates** instead of rounding, so 0.295 is 29 cents.

## What I changed

1. `rounding.py` rounds half to even (see [the handbook](https://example.org/books)).
2. `invoice.py` no longer rounds *twice*.
   - the subtotal keeps its exact `Decimal`

```python
def to_cents(amount: Decimal) -> int:
    return int((amount * 100).quantize(Decimal(1)))  # 0.295 -> 30
```

> Half cents go to the even neighbour.

| place | before | after |
|---|---:|---:|
| rounding.py | 29 | 30 |
| invoice.py | 1194.99 | 1195.00 |
"""
COMMAND = "rm -rf build && git clean -fdx -- dist/ && make -j4 release VERSION=1.2.3"


class Scene:
    """Writes events of one agent into a store, on a clock of its own."""

    def __init__(self) -> None:
        self.store = SessionStore(SESSION)
        self.seq = 0
        self.mono_us = 10 * SECOND
        self.turn: str | None = None
        self._offsets: dict[str, int] = {}

    def event(self, body: Body, after_s: float = 0.1) -> None:
        self.seq += 1
        self.mono_us += int(after_s * SECOND)
        self.store.apply(
            Event(
                position=self.seq,
                session=SESSION,
                seq=self.seq,
                at_us=1_700_000_000 * SECOND + self.mono_us,
                mono_us=self.mono_us,
                boot="boot",
                epoch=1,
                agent=AGENT,
                turn=self.turn,
                cause=None,
                kind=body.kind,
                version=1,
                body=body,
                hash=bytes(32),
            )
        )

    def _stretch(self, stream: str, text: str) -> int:
        offset = self._offsets.get(stream, 0)
        self._offsets[stream] = offset + len(text)
        return offset

    def prompt(self, text: str, turn: str) -> None:
        self.turn = turn
        self.event(TurnPrompted(blocks=(TextBlock(text=text),)))

    def queue(self, text: str, turn: str) -> None:
        running, self.turn = self.turn, turn
        self.event(TurnQueued(blocks=(TextBlock(text=text),)))
        self.turn = running

    def end(self, reason: StopReason = "end_turn", detail: str = "") -> None:
        self.event(TurnEnded(reason=reason, detail=detail), 1)

    def reasoning(self, request: str, text: str, after_s: float = 0.3) -> None:
        stream = f"{request}/1/reasoning"
        offset = self._stretch(stream, text)
        self.event(ReasoningStreamed(stream=stream, attempt=1, offset=offset, text=text), after_s)

    def text(self, request: str, text: str, after_s: float = 0.3) -> None:
        stream = f"{request}/1/text"
        offset = self._stretch(stream, text)
        self.event(TextStreamed(stream=stream, attempt=1, offset=offset, text=text), after_s)

    def live(self, request: str, text: str) -> None:
        """A piece of text that is not journaled yet."""
        stream = f"{request}/1/text"
        self.store.piece(
            Piece(
                kind="text",
                session=SESSION,
                agent=AGENT,
                turn=self.turn,
                stream=stream,
                attempt=1,
                offset=self._stretch(stream, text),
                text=text,
            )
        )

    def answered(self, request: str, text: str = "", reasoning: str = "") -> None:
        self.event(
            ModelAnswered(
                request=request,
                attempt=1,
                text=text,
                reasoning=reasoning,
                finish="stop",
                first_us=1,
                latency_us=2,
            )
        )

    def said(self, request: str, text: str) -> None:
        """A whole answer at once."""
        self.text(request, text)
        self.answered(request, text)

    def proposed(self, call: str, name: str, title: str, **arguments: object) -> None:
        self.event(
            ToolProposed(
                call=call,
                name=name,
                arguments=dict(arguments),
                key=call,
                policy="ask",
                title=title,
            )
        )

    def ran(
        self,
        call: str,
        name: str,
        title: str,
        content: str = "",
        summary: str = "",
        diff: str = "",
        exit_code: int | None = None,
        took_s: float = 0.12,
    ) -> None:
        """A call from its proposal to its end."""
        self.proposed(call, name, title)
        self.event(ToolStarted(call=call, attempt=1))
        self.event(
            ToolFinished(
                call=call,
                attempt=1,
                content=content,
                summary=summary,
                diff=diff,
                exit_code=exit_code,
                duration_us=int(took_s * SECOND),
            ),
            took_s,
        )

    def runs(self, call: str, title: str, output: str) -> None:
        """A call that goes on."""
        self.proposed(call, "shell", title)
        self.event(ToolStarted(call=call, attempt=1))
        self.event(OutputStreamed(call=call, attempt=1, offset=0, text=output))

    def asks(self, call: str, command: str, preview: str = "") -> None:
        """A call that waits for a person."""
        self.proposed(call, "shell", f"$ {command}", command=command)
        self.event(
            PermissionAsked(
                call=call,
                tool="shell",
                action="execute",
                resource=command,
                arguments={"command": command},
                preview=preview,
            )
        )

    def rich(self) -> None:
        """Two turns with something of everything; the second one goes on."""
        self.prompt("The invoice total is off by one cent. Find out why and fix it.", "t-1")
        thought = "That smells like truncation. I should look for the conversion first."
        self.reasoning("r1", thought[:30], 2)
        self.reasoning("r1", thought[30:], 9)
        self.text("r1", "I'll look at how amounts are converted first.", 1)
        self.answered("r1", "I'll look at how amounts are converted first.", thought)
        self.ran("c1", "search", "search to_cents", "src/ledger/rounding.py:10", "7 matches")
        self.ran("c2", "read", "read src/ledger/rounding.py", "…", "42 lines", took_s=0.03)
        self.event(
            PlanUpdated(
                items=(
                    PlanItem("Find the place that truncates", "completed"),
                    PlanItem("Round half to even", "in_progress"),
                    PlanItem("A test that fails without the fix", "pending"),
                )
            )
        )
        output = "FAILED test_rounding.py::test_half_cent\n1 failed, 7 passed in 0.41s\n"
        self.ran("c3", "shell", "$ pytest -q", output, "exit 1", exit_code=1, took_s=2.3)
        self.ran("c4", "edit", "edit src/ledger/rounding.py", "ok", "+2 −1", DIFF)
        self.said("r2", ANSWER)
        self.end()
        self.prompt("Good. Now clean the build folder and run everything.", "t-2")
        self.event(
            ModelFailed(
                request="r3",
                attempt=1,
                fault="rate",
                message="the endpoint is busy (429)",
                retry_in_s=2.5,
            )
        )
        self.runs("c5", "$ make all", "".join(f"cc -c src/part_{n}.c\n" for n in range(30)))
        self.asks("c6", COMMAND)
        self.queue("And then write the changelog.", "t-3")
        self.mono_us += 7 * SECOND


def agent(**fields: object) -> AgentSummary:
    """A summary of the scene's agent."""
    values: dict[str, object] = {
        "id": AGENT,
        "name": "coder",
        "kind": "native",
        "state": "working",
        "since_us": 0,
        "model": "qwen2.5-coder-0.5b",
        "model_source": "embedded",
        "input": 12_345,
        "output": 1_234,
        "cost_usd": 0.0312,
        "turn_at_us": 1,
    }
    return AgentSummary(**(values | fields))  # type: ignore[arg-type]


class Panes(App[None]):
    """`count` panes of the scene's agent side by side, and the messages that they sent."""

    CSS = "Screen { background: $mato-surface-ground; } ChatPane { margin-right: 1; }"
    ENABLE_COMMAND_PALETTE = False

    def __init__(self, scene: Scene, count: int = 1, theme: str = "kaamos") -> None:
        self._palette = builtin_palettes()[theme]
        super().__init__()
        self.scene = scene
        self.sent: list[Message] = []
        self.panes = [
            ChatPane(
                f"p-{number}",
                agent(),
                scene.store,
                tick_us=lambda: scene.mono_us,
                wall_us=lambda: 74 * SECOND,
            )
            for number in range(count)
        ]

    @property
    def pane(self) -> ChatPane:
        return self.panes[0]

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return css_variables(self._palette)

    def on_mount(self) -> None:
        self.register_theme(to_theme(self._palette))
        self.theme = self._palette.name

    def compose(self) -> ComposeResult:
        with Horizontal():
            yield from self.panes

    def sync(self) -> None:
        """What the app's tick does."""
        for pane in self.panes:
            pane.sync(pane.agent)

    def shown(self) -> list[str]:
        """The transcript of the first pane as rows of text."""
        transcript = self.pane.transcript
        return [strip.text for strip in transcript.render_lines(transcript.size.region)]

    def sent_of(self, kind: type[Message]) -> list[Message]:
        return [message for message in self.sent if isinstance(message, kind)]

    def on_prompt_submitted(self, message: Message) -> None:
        self.sent.append(message)

    on_stop_requested = on_prompt_submitted
    on_call_answered = on_prompt_submitted
    on_whole_output_wanted = on_prompt_submitted
    on_frame_focus_wanted = on_prompt_submitted
    on_pane_focused = on_prompt_submitted
    on_copy_wanted = on_prompt_submitted

"""What widgets tell the app: wishes of the person, never done by the widget itself."""

from __future__ import annotations

from collections.abc import Sequence

from textual.message import Message

from mato_panes.rendering.reply import Reply
from mato_sessions.events.permission import Scope


class PromptSubmitted(Message):
    """Send `text` to the agent; the daemon queues it while the agent is busy."""

    def __init__(self, agent: str, text: str) -> None:
        super().__init__()
        self.agent = agent
        self.text = text


class StopRequested(Message):
    """End the agent's current turn."""

    def __init__(self, agent: str) -> None:
        super().__init__()
        self.agent = agent


class CallAnswered(Message):
    """Decide a waiting call."""

    def __init__(self, call: str, reply: Reply, rule: str) -> None:
        super().__init__()
        self.call = call
        self.reply: Reply = reply
        self.allowed = reply in ("allow", "session")
        self.scope: Scope = "session" if reply == "session" else "once"
        self.rule = rule


class GoOnWanted(Message):
    """The agent is paused, and a person lets it go on."""

    def __init__(self, agent: str) -> None:
        super().__init__()
        self.agent = agent


class PutOff(Message):
    """These calls are to be hidden: until then, or until something new waits."""

    def __init__(self, calls: Sequence[str], minutes: int | None) -> None:
        super().__init__()
        self.calls = tuple(calls)
        self.minutes = minutes


class BroughtBack(Message):
    """What was put off is to be shown again."""


class WholeOutputWanted(Message):
    """Show the whole output of a call, from its blob."""

    def __init__(self, sha256: str, title: str) -> None:
        super().__init__()
        self.sha256 = sha256
        self.title = title


class FrameFocusWanted(Message):
    """Focus shall leave the composer or transcript for the frame around the panes."""


class PaneFocused(Message):
    """The pane with this id has got the focus (by mouse or key)."""

    def __init__(self, pane: str) -> None:
        super().__init__()
        self.pane = pane


class CopyWanted(Message):
    """Put `text` (already cleaned) on the clipboard."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text

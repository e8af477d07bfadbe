"""Requests about what is there: inbox, events, subscription, profiles, the daemon itself."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from mato.protocol.request import Request
from mato_sessions.catalog import PendingCall


class Inbox(Request, frozen=True, kw_only=True):
    method: ClassVar[str] = "inbox.list"
    observes: ClassVar[bool] = True


class InboxResult(msgspec.Struct, frozen=True):
    calls: tuple[PendingCall, ...]


Inbox.Result = InboxResult


class Events(Request, frozen=True, kw_only=True):
    """Events of a session, as lines of `codec.to_json_line`."""

    method: ClassVar[str] = "journal.events"
    observes: ClassVar[bool] = True

    session: str
    after: int = 0
    limit: int = 1000


class EventsResult(msgspec.Struct, frozen=True):
    session: str
    lines: tuple[str, ...]
    last: int
    """seq of the last line; `after` again when there was none."""
    head: int
    """seq of the session's newest event."""


Events.Result = EventsResult


class Blob(Request, frozen=True, kw_only=True):
    """Content by hash (a whole tool output); UTF-8 with replacement."""

    method: ClassVar[str] = "journal.blob"
    observes: ClassVar[bool] = True

    sha256: str


class BlobResult(msgspec.Struct, frozen=True):
    text: str


Blob.Result = BlobResult


class Subscribe(Request, frozen=True, kw_only=True):
    """From now on event frames come on this connection; asked again, it replaces the former.

    Facts of all sessions (catalog kinds) after `position`, and everything of the `sessions` named,
    each after its own seq. First the past from the journal, then the present without a gap, then
    the open tails of streams.
    """

    method: ClassVar[str] = "subscribe"
    observes: ClassVar[bool] = True

    position: int | None = None
    """None: no facts of other sessions."""
    sessions: dict[str, int] = msgspec.field(default_factory=dict[str, int])
    """Session id → seq."""


class Profiles(Request, frozen=True, kw_only=True):
    """The agent profiles that can be started in a folder."""

    method: ClassVar[str] = "profile.list"
    observes: ClassVar[bool] = True

    cwd: str = ""


class ProfileSummary(msgspec.Struct, frozen=True):
    name: str
    kind: str
    description: str
    model: str
    """Its own model, or "" for the default choice."""
    mode: str
    tools: tuple[str, ...]
    origin: str
    """built-in, user, or the file."""
    env: tuple[str, ...]
    """Variables that a client should hand over where it has them."""
    opens: tuple[str, ...] = ()
    """What it opens in the sandbox, in words; a client tells it before it starts such an agent."""
    command: tuple[str, ...] = ()
    """Of a program with an agent of its own."""
    install: str = ""
    """How one gets that program."""
    tried: str = ""
    """Its release that the profile was tried with."""
    flags: tuple[str, ...] = ()
    program: str = ""
    """Name and release, as it said when it was started last in a session that is still listed."""


class ProfilesResult(msgspec.Struct, frozen=True):
    profiles: tuple[ProfileSummary, ...]
    broken: tuple[str, ...] = ()
    """A sentence for each file that should be a profile and is none."""


Profiles.Result = ProfilesResult


class Purge(Request, frozen=True, kw_only=True):
    """Take the bodies of archived sessions away whose last event is older than `before_us`."""

    method: ClassVar[str] = "journal.purge"

    before_us: int


class PurgeResult(msgspec.Struct, frozen=True):
    """What has been taken away; see `mato_sessions.retention.Freed`."""

    sessions: int
    events: int
    blobs: int
    file_bytes: int


Purge.Result = PurgeResult


class Status(Request, frozen=True, kw_only=True):
    method: ClassVar[str] = "daemon.status"
    observes: ClassVar[bool] = True


class StatusResult(msgspec.Struct, frozen=True):
    pid: int
    mato: str
    protocol: int
    epoch: int
    started_us: int
    uptime_s: float
    sessions: int
    agents: int
    """Living ones."""
    working: int
    blocked: int
    clients: int
    """Connections besides the one that asks."""
    position: int
    journal_bytes: int
    state: str
    """The state folder."""
    socket: str
    paused: str = ""
    """Why nothing can be recorded for now, for people; "" while all is well."""
    sandbox: str = ""
    """The tier that commands run in: full, partial or none; "" where it is not known yet."""


Status.Result = StatusResult


class Shutdown(Request, frozen=True, kw_only=True):
    """Stop in good order; answered before the daemon ends. Turns at work stay open.

    Asked again while it waits for work to end, it stops at once if told so.
    """

    method: ClassVar[str] = "daemon.stop"

    drain_s: float = 0.0
    """How long what runs (answers, tools) may take to end by itself; nothing new is begun."""
    restart: bool = False
    """Another daemon follows; clients are told to wait for it."""

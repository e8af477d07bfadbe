"""Events become bytes here and come back: canonical JSON for the record, msgpack for the socket.

Canonical means: JSON in UTF-8, keys sorted, no spaces, fields at their default left out. The
encoding is total (a lone surrogate becomes U+FFFD), and `decode` then `encode` gives the same bytes
again, for every body; so the chain can be checked from events alone.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

import msgspec

from mato_sessions.errors import JournalError
from mato_sessions.events import KINDS, Body, Event, Purged, Unknown
from mato_sessions.walk import map_strings

_ENCODER = msgspec.json.Encoder(order="sorted")
_SURROGATE = re.compile("[\ud800-\udfff]")
_PURGED = re.compile(rb"purged:([0-9a-f]{64})")
"""Stands for a purged body on the socket: no canonical body is anything but JSON."""
_DECODERS: dict[str, msgspec.json.Decoder[Body]] = {
    kind: msgspec.json.Decoder(body) for kind, body in KINDS.items()
}


def encode(body: Body) -> bytes:
    """The canonical bytes of a body; of a purged one, what stands for them."""
    if isinstance(body, Unknown):
        return bytes(body.raw)
    if isinstance(body, Purged):
        return b"purged:" + body.sha256.encode()
    try:
        return _ENCODER.encode(body)
    except UnicodeEncodeError:
        return _ENCODER.encode(map_strings(body, _without_surrogates))


def decode(kind: str, version: int, data: bytes) -> Body:
    """The body that canonical bytes hold, or `Purged` for what stands for one.

    `Unknown`, with the bytes as they are, for a kind or version that is not in the vocabulary and
    for bytes that it cannot hold without loss (a field that a newer Mato added).
    """
    if (mark := _PURGED.fullmatch(data)) is not None:
        return Purged(sha256=mark[1].decode())
    decoder = _DECODERS.get(kind)
    if decoder is not None and KINDS[kind].version == version:
        try:
            body = decoder.decode(data)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            pass
        else:
            if _ENCODER.encode(body) == data:
                return body
    return Unknown(raw=msgspec.Raw(data))


def canonical(body: Body) -> tuple[Body, bytes]:
    """A body as a reader of the journal will see it, and its bytes.

    Numbers take their field's type (2 → 2.0) and lone surrogates are gone, so that live view and
    replay cannot differ.

    Raises:
        JournalError: the body is not of the vocabulary, or holds what its own type does not allow.
    """
    kind = body.kind
    if KINDS.get(kind) is not type(body):
        raise JournalError(f"cannot journal a {type(body).__name__}: not a kind of the vocabulary")
    try:
        data = encode(body)
        read = _DECODERS[kind].decode(data)
        again = _ENCODER.encode(read)
    except (msgspec.MsgspecError, TypeError, OverflowError, RecursionError) as error:
        raise JournalError(f"cannot journal this {kind!r}: {error}") from error
    return read, again


class Envelope(msgspec.Struct, frozen=True):
    """What the chain covers beside the body. Without `position`, which an import changes."""

    session: str
    seq: int
    at_us: int
    mono_us: int
    boot: str
    epoch: int
    agent: str | None
    turn: str | None
    cause: int | None
    kind: str
    version: int

    @classmethod
    def of(cls, event: Event) -> Envelope:
        """The envelope of a committed event."""
        return cls(
            event.session,
            event.seq,
            event.at_us,
            event.mono_us,
            event.boot,
            event.epoch,
            event.agent,
            event.turn,
            event.cause,
            event.kind,
            event.version,
        )

    def encode(self) -> bytes:
        """Its canonical bytes."""
        return _ENCODER.encode(self)

    def event(self, position: int, body: Body, digest: bytes) -> Event:
        """The event that it is the envelope of."""
        return Event(
            position=position,
            session=self.session,
            seq=self.seq,
            at_us=self.at_us,
            mono_us=self.mono_us,
            boot=self.boot,
            epoch=self.epoch,
            agent=self.agent,
            turn=self.turn,
            cause=self.cause,
            kind=self.kind,
            version=self.version,
            body=body,
            hash=digest,
        )


class Sealed(msgspec.Struct, frozen=True, gc=False):
    """An envelope with its fields in canonical order: the writer's way to the same bytes.

    Sorting the names anew for each event takes as long as the rest of the encoding.
    """

    agent: str | None
    at_us: int
    boot: str
    cause: int | None
    epoch: int
    kind: str
    mono_us: int
    seq: int
    session: str
    turn: str | None
    version: int

    def encode(self) -> bytes:
        """The canonical bytes of the envelope."""
        return _LINES.encode(self)


class _Line(msgspec.Struct, frozen=True, omit_defaults=True):
    position: int
    session: str
    seq: int
    at_us: int
    mono_us: int
    boot: str
    epoch: int
    agent: str | None
    turn: str | None
    cause: int | None
    kind: str
    version: int
    body: msgspec.Raw
    hash: str
    body_base64: str | None = None
    """Instead of a `body`, when its bytes are not JSON."""
    purged: str | None = None
    """Instead of a `body` that was purged: its SHA-256, 64 hex digits."""


class _Packed(msgspec.Struct, frozen=True, array_like=True):
    position: int
    envelope: Envelope
    body: bytes
    """Canonical JSON: one encoding of a body, wherever it goes."""
    hash: bytes


_LINES = msgspec.json.Encoder()
_LINE = msgspec.json.Decoder(_Line)
_PACKER = msgspec.msgpack.Encoder()
_PACKED = msgspec.msgpack.Decoder(_Packed)


def to_json_line(event: Event) -> bytes:
    """One line of JSON without its newline: envelope, body as journaled, hash in hex."""
    body = encode(event.body)
    text = purged = None
    if isinstance(event.body, Purged):
        purged = event.body.sha256
        body = b"null"
    elif isinstance(event.body, Unknown) and not _is_json(body):
        text = base64.b64encode(body).decode()
        body = b"null"
    line = _Line(
        position=event.position,
        session=event.session,
        seq=event.seq,
        at_us=event.at_us,
        mono_us=event.mono_us,
        boot=event.boot,
        epoch=event.epoch,
        agent=event.agent,
        turn=event.turn,
        cause=event.cause,
        kind=event.kind,
        version=event.version,
        body=msgspec.Raw(body),
        hash=event.hash.hex(),
        body_base64=text,
        purged=purged,
    )
    return _LINES.encode(line)


def from_json_line(line: bytes) -> Event:
    """The event that `to_json_line` wrote.

    Raises:
        JournalError: it is not such a line.
    """
    try:
        read = _LINE.decode(line)
        body = bytes(read.body)
        if read.body_base64 is not None:
            body = base64.b64decode(read.body_base64, validate=True)
        elif read.purged is not None:
            body = encode(Purged(sha256=read.purged))
        # Position first, then the envelope's fields in order: the layout that to_json_line fills.
        envelope = Envelope(*msgspec.structs.astuple(read)[1:12])
        digest = bytes.fromhex(read.hash)
    except (msgspec.MsgspecError, binascii.Error, ValueError, RecursionError) as error:
        raise JournalError(f"not a line of a journal: {error}") from error
    return envelope.event(read.position, decode(read.kind, read.version, body), digest)


def pack(event: Event) -> bytes:
    """msgpack for the socket; embed it in a frame as `msgspec.Raw`, encoded once for all."""
    return pack_kept(event.position, Envelope.of(event), encode(event.body), event.hash)


def pack_kept(position: int, envelope: Envelope, data: bytes, digest: bytes) -> bytes:
    """The same of an event whose canonical body is `data`."""
    return _PACKER.encode(_Packed(position, envelope, data, digest))


def unpack(data: bytes | msgspec.Raw) -> Event:
    """The event that `pack` wrote.

    Raises:
        JournalError: it is not one.
    """
    try:
        read = _PACKED.decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise JournalError(f"not a packed event: {error}") from error
    envelope = read.envelope
    body = decode(envelope.kind, envelope.version, read.body)
    return envelope.event(read.position, body, read.hash)


def _is_json(data: bytes) -> bool:
    try:
        msgspec.json.decode(data, type=Any)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return False
    # A raw newline between two tokens is JSON, but it would break the line.
    return b"\n" not in data


def _without_surrogates(text: str) -> str:
    # One for one, so that the offsets of a stream stay what they were.
    cleaned, count = _SURROGATE.subn("\ufffd", text)
    return cleaned if count else text

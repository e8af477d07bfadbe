-- The journal: envelopes and their bodies, blobs by hash, sessions with their heads.

CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value ANY NOT NULL
) STRICT, WITHOUT ROWID;

-- A session that was forked continues its parent after fork_seq and shares what is before.
CREATE TABLE session (
    session TEXT PRIMARY KEY,
    parent TEXT REFERENCES session (session),
    fork_seq INTEGER,
    created_us INTEGER NOT NULL,
    head_seq INTEGER NOT NULL,
    head_hash BLOB NOT NULL,
    CHECK ((parent IS NULL) = (fork_seq IS NULL))
) STRICT, WITHOUT ROWID;

CREATE TABLE envelope (
    session TEXT NOT NULL,
    seq INTEGER NOT NULL CHECK (seq >= 1),
    position INTEGER NOT NULL UNIQUE CHECK (position >= 1),
    at_us INTEGER NOT NULL,
    mono_us INTEGER NOT NULL,
    boot TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    agent TEXT,
    turn TEXT,
    cause INTEGER,
    kind TEXT NOT NULL,
    version INTEGER NOT NULL,
    body_hash BLOB NOT NULL CHECK (length(body_hash) = 32),
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (session, seq)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER envelope_is_never_updated BEFORE UPDATE ON envelope
BEGIN
    SELECT RAISE(ABORT, 'envelopes are append-only');
END;

CREATE TRIGGER envelope_is_never_deleted BEFORE DELETE ON envelope
BEGIN
    SELECT RAISE(ABORT, 'envelopes are append-only');
END;

-- What listings and the inbox are made of, without the streams in between.
CREATE INDEX envelope_fact ON envelope (position)
WHERE substr(kind, 1, instr(kind, '.') - 1) IN ('session', 'agent', 'turn', 'permission', 'usage')
    OR kind = 'tool.proposed';

-- data is NULL when the body is large: then blob has it under the envelope's body_hash.
CREATE TABLE body (
    position INTEGER PRIMARY KEY,
    data BLOB
) STRICT;

CREATE TABLE blob (
    hash BLOB PRIMARY KEY CHECK (length(hash) = 32),
    size INTEGER NOT NULL,
    data BLOB NOT NULL
) STRICT;

INSERT INTO meta (key, value) VALUES ('epoch', 0);

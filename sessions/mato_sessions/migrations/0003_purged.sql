-- Retention: where the bodies of a session were taken away on purpose. A body that is missing
-- anywhere else is damage.

CREATE TABLE purged (
    session TEXT NOT NULL REFERENCES session (session),
    first_seq INTEGER NOT NULL CHECK (first_seq >= 1),
    last_seq INTEGER NOT NULL CHECK (last_seq >= first_seq),
    at_us INTEGER NOT NULL,
    PRIMARY KEY (session, first_seq)
) STRICT, WITHOUT ROWID;

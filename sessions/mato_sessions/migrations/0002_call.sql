-- Where each tool call stands. A row changes in the transaction of the event that changes it.

CREATE TABLE call (
    session TEXT NOT NULL,
    call TEXT NOT NULL,
    agent TEXT,
    turn TEXT,
    state TEXT NOT NULL CHECK (state IN ('proposed', 'started', 'finished', 'failed', 'unknown')),
    -- The newest that was begun; 0 before.
    attempt INTEGER NOT NULL,
    -- Which start of the daemon brought it to its state, and by which event.
    epoch INTEGER NOT NULL,
    key TEXT NOT NULL,
    policy TEXT NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (session, call)
) STRICT, WITHOUT ROWID;

-- What the events of older journals say. A body that is gone or no JSON says nothing.
WITH told AS MATERIALIZED (
    SELECT session, seq, epoch, agent, turn, kind, body FROM (
        SELECT e.session, e.seq, e.epoch, e.agent, e.turn, e.kind,
            CAST(coalesce(b.data, o.data) AS TEXT) AS body
        FROM envelope AS e
        LEFT JOIN body AS b ON b.position = e.position
        LEFT JOIN blob AS o ON b.data IS NULL AND o.hash = e.body_hash
        WHERE e.version = 1 AND e.kind IN (
            'tool.proposed', 'tool.started', 'tool.finished', 'tool.failed', 'tool.unknown'
        )
    ) WHERE json_valid(body)
),
step AS MATERIALIZED (
    SELECT session, seq, epoch, agent, turn, substr(kind, 6) AS state,
        json_extract(body, '$.call') AS call,
        coalesce(json_extract(body, '$.attempt'), 0) AS attempt,
        json_extract(body, '$.key') AS key,
        json_extract(body, '$.policy') AS policy
    FROM told
)
INSERT INTO call (session, call, agent, turn, state, attempt, epoch, key, policy, seq)
SELECT first.session, first.call, first.agent, first.turn, last.state, last.attempt, last.epoch,
    first.key, first.policy, last.seq
FROM step AS first
-- Beside max(), SQLite takes the other columns from the row that has it.
JOIN (
    SELECT session, call, state, attempt, epoch, max(seq) AS seq FROM step GROUP BY session, call
) AS last ON last.session = first.session AND last.call = first.call
WHERE first.state = 'proposed' AND first.key IS NOT NULL AND first.policy IS NOT NULL
GROUP BY first.session, first.call;

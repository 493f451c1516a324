-- An event costs one tree and not three. The table is in the order of its chains itself, because a row's key is chain and
-- number in one; and a run finds its batches, since the events of a batch stand one behind the other in run and chain.
--
-- This writes every event anew, in the same bytes. Where older appends began and ended is not known: each event of theirs
-- counts as a batch of its own.

CREATE TABLE placed (
    place   INTEGER NOT NULL PRIMARY KEY,   -- the chain's number times 2^40, plus the event's number in the chain
    at      INTEGER NOT NULL,
    run     INTEGER NOT NULL,               -- its key
    version INTEGER NOT NULL,
    size    INTEGER,                        -- how many events the batch has that begins here; null within a batch
    prev    BLOB    NOT NULL,
    digest  BLOB    NOT NULL,
    body    BLOB    NOT NULL                -- the last, since it may go on in other pages
) STRICT;

INSERT INTO placed (place, at, run, version, size, prev, digest, body)
    SELECT (chain << 40) | seq, at, run, version, 1, prev, digest, body FROM events ORDER BY chain, seq;

DROP VIEW chain_events;
DROP TABLE events;
ALTER TABLE placed RENAME TO events;

CREATE UNIQUE INDEX batches ON events (run, version) WHERE size IS NOT NULL;

-- What a verifier reads: SELECT seq, at, prev, digest, body FROM chain_events WHERE chain = 'name' ORDER BY place. The order by
-- seq is the same, but SQLite does not know that and sorts.
CREATE VIEW chain_events (chain, seq, at, prev, digest, body, place) AS
    SELECT c.name, e.place & 1099511627775, e.at, e.prev, e.digest, e.body, e.place
    FROM chains c JOIN events e ON e.place > (c.id << 40) AND e.place < ((c.id + 1) << 40);

-- A row for each batch and not for each event. Its events are one run's; they stand one behind the other in run and chain, have one
-- time, and each follows the one before it. A long batch has several rows: none begins an event behind 64 others or 32 KiB of bodies.
--
-- This writes every event anew, in the same bytes, digests and order. Batches of the version before become rows where they are
-- whole, short and linked. What is not becomes a row for each event, with what is wrong about it.

CREATE TABLE rows_of_batches (
    place   INTEGER NOT NULL PRIMARY KEY,   -- the chain's number times 2^40, plus the first event's number in the chain
    at      INTEGER NOT NULL,               -- the time of each
    run     INTEGER NOT NULL,               -- its key
    version INTEGER NOT NULL,               -- the first event's number in the run
    links   BLOB    NOT NULL,               -- digests: that before the first event, then that of each
    cuts    TEXT    NOT NULL,               -- how many bytes of bodies stand before the second event's, the third's …: five digits each
    bodies  BLOB    NOT NULL                -- one behind the other; the last, since it may go on in other pages
) STRICT;

INSERT INTO rows_of_batches (place, at, run, version, links, cuts, bodies)
    SELECT b.place, b.at, b.run, b.version,
        CAST(b.prev || (SELECT group_concat(e.digest, '' ORDER BY e.place) FROM events e
                        WHERE e.place >= b.place AND e.place < b.place + b.size) AS BLOB),
        coalesce((SELECT group_concat(printf('%05d', (SELECT sum(length(f.body)) FROM events f
                                                      WHERE f.place >= b.place AND f.place < e.place)),
                                      '' ORDER BY e.place)
                  FROM events e WHERE e.place > b.place AND e.place < b.place + b.size), ''),
        CAST((SELECT group_concat(e.body, '' ORDER BY e.place) FROM events e
              WHERE e.place >= b.place AND e.place < b.place + b.size) AS BLOB)
    FROM events b NOT INDEXED
    WHERE b.size BETWEEN 1 AND 64
        AND (SELECT count(*) = b.size AND sum(length(e.body)) < 32768 + 65536
             FROM events e LEFT JOIN events p ON p.place = e.place - 1
             WHERE e.place >= b.place AND e.place < b.place + b.size
                 AND length(e.prev) = 32 AND length(e.digest) = 32
                 AND (e.place = b.place
                      OR e.size IS NULL AND e.run = b.run AND e.version - b.version = e.place - b.place
                         AND e.at = b.at AND e.prev = p.digest))
    ORDER BY b.place;

INSERT INTO rows_of_batches (place, at, run, version, links, cuts, bodies)
    SELECT e.place, e.at, e.run, e.version, CAST(e.prev || e.digest AS BLOB), '', e.body
    FROM events e
    WHERE coalesce((SELECT b.place + length(b.links) / 32 - 1 <= e.place FROM rows_of_batches b
                    WHERE b.place <= e.place ORDER BY b.place DESC LIMIT 1), 1)
    ORDER BY e.place;

DROP VIEW chain_events;
DROP TABLE events;
ALTER TABLE rows_of_batches RENAME TO batches;

CREATE UNIQUE INDEX batches_of_runs ON batches (run, version);

-- The number of an event in its row.
CREATE TABLE nths (n INTEGER NOT NULL PRIMARY KEY) STRICT;
INSERT INTO nths (n)
    WITH RECURSIVE nth (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM nth WHERE n < 63) SELECT n FROM nth;

-- What a verifier reads: SELECT seq, at, prev, digest, body FROM chain_events WHERE chain = 'name' ORDER BY place, seq. The place is
-- that of the row, so that SQLite knows the order in which the rows lie and sorts no more than one of them at a time.
CREATE VIEW chain_events (chain, seq, at, prev, digest, body, place) AS
    SELECT c.name, (b.place & 1099511627775) + e.n, b.at,
        substr(b.links, 32 * e.n + 1, 32), substr(b.links, 32 * e.n + 33, 32),
        substr(b.bodies, 1 + substr('00000' || b.cuts, 5 * e.n + 1, 5),
               substr(b.cuts || printf('%05d', length(b.bodies)), 5 * e.n + 1, 5)
                   - substr('00000' || b.cuts, 5 * e.n + 1, 5)),
        b.place
    FROM chains c CROSS JOIN batches b ON b.place > (c.id << 40) AND b.place < ((c.id + 1) << 40)
        CROSS JOIN nths e ON e.n < (length(b.links) - 1) / 32;

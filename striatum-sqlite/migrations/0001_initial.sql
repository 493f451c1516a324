-- Events are the truth. `chains` holds the head that an append compares; every other table is an index that can be dropped
-- and rebuilt from events. Times are microseconds since the Unix epoch, digests 32 bytes, runs and sessions 16 bytes.

CREATE TABLE migrations (
    version    INTEGER NOT NULL PRIMARY KEY,
    name       TEXT    NOT NULL,
    checksum   BLOB    NOT NULL,   -- SHA-256 of the migration's text
    applied_at INTEGER NOT NULL
) STRICT;

CREATE TABLE chains (
    id          INTEGER NOT NULL PRIMARY KEY,
    name        TEXT    NOT NULL UNIQUE,
    label       TEXT    NOT NULL,
    genesis     BLOB    NOT NULL,  -- digest(0)
    head_seq    INTEGER NOT NULL,
    head_digest BLOB    NOT NULL,
    head_at     INTEGER NOT NULL
) STRICT;

-- A rowid table on purpose: bodies are large, and a table without rowid would keep them in its inner pages.
CREATE TABLE events (
    chain   INTEGER NOT NULL,
    seq     INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    prev    BLOB    NOT NULL,
    digest  BLOB    NOT NULL,
    body    BLOB    NOT NULL,
    run     BLOB    NOT NULL,
    version INTEGER NOT NULL,
    UNIQUE (chain, seq),
    UNIQUE (run, version)
) STRICT;

-- What a verifier reads: SELECT seq, at, prev, digest, body FROM chain_events WHERE chain = 'name' ORDER BY seq.
CREATE VIEW chain_events (chain, seq, at, prev, digest, body) AS
    SELECT c.name, e.seq, e.at, e.prev, e.digest, e.body FROM chains c JOIN events e ON e.chain = c.id;

CREATE TABLE runs (
    run        BLOB    NOT NULL PRIMARY KEY,
    chain      INTEGER NOT NULL,
    version    INTEGER NOT NULL,
    digest     BLOB    NOT NULL,
    status     TEXT    NOT NULL,
    paused     INTEGER NOT NULL,
    room       INTEGER NOT NULL,
    workflow   TEXT    NOT NULL,
    active     INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX runs_by_age ON runs (created_at, run);

-- Only runs that somebody has to look after, so that listing them costs the same after a million finished runs.
CREATE INDEX runs_active ON runs (created_at, run) WHERE active = 1;

-- Only runs that can hand out a job, so that a search for ready jobs costs the same after a million finished runs.
CREATE INDEX runs_open ON runs (run) WHERE status = 'running' AND paused = 0 AND room > 0;

CREATE TABLE ready (
    run         BLOB    NOT NULL,
    job         TEXT    NOT NULL,
    role        TEXT    NOT NULL,
    lane        TEXT    NOT NULL,
    adapter     TEXT    NOT NULL,
    timer_job   TEXT,              -- the timer (run, timer_job, timer_epoch) that must have run out
    timer_epoch INTEGER,
    held_by     BLOB,              -- the soft hold: to whom the job was shown last, and until when others do not see it
    held_until  INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (run, job)
) STRICT, WITHOUT ROWID;

-- What a ready job takes when it is claimed.
CREATE TABLE wants (
    run   BLOB    NOT NULL,
    job   TEXT    NOT NULL,
    scope TEXT    NOT NULL,
    name  TEXT    NOT NULL,
    slot  INTEGER NOT NULL,
    PRIMARY KEY (run, job, scope, name, slot)
) STRICT, WITHOUT ROWID;

-- Leases and timers have no index on the deadline: there are as many rows as jobs at work, a scan of them is shorter than
-- the page writes that an index would add to every renewal.
CREATE TABLE leases (
    run      BLOB    NOT NULL,
    job      TEXT    NOT NULL,
    epoch    INTEGER NOT NULL,
    session  BLOB    NOT NULL,
    deadline INTEGER NOT NULL,
    PRIMARY KEY (run, job, epoch, session)
) STRICT, WITHOUT ROWID;

CREATE TABLE timers (
    run      BLOB    NOT NULL,
    job      TEXT    NOT NULL,
    epoch    INTEGER NOT NULL,
    deadline INTEGER NOT NULL,
    PRIMARY KEY (run, job, epoch)
) STRICT, WITHOUT ROWID;

-- What jobs hold, across runs.
CREATE TABLE resources (
    scope TEXT    NOT NULL,
    name  TEXT    NOT NULL,
    slot  INTEGER NOT NULL,
    run   BLOB    NOT NULL,
    job   TEXT    NOT NULL,
    PRIMARY KEY (scope, name, slot)
) STRICT, WITHOUT ROWID;

-- Events are the truth. `chains` holds the head that an append compares, `run_keys` the runs that events name by number; every
-- other table is an index that can be dropped and rebuilt from events. Times are microseconds since the Unix epoch, digests
-- 32 bytes, the identities of runs and sessions 16 bytes.

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

-- Identities are random, numbers are given in turn: rows of runs that are at work at the same time lie side by side, and so
-- a transaction that concerns many of them writes few pages.
CREATE TABLE run_keys (
    key INTEGER NOT NULL PRIMARY KEY,
    run BLOB    NOT NULL UNIQUE
) STRICT;

-- A rowid table on purpose: bodies are large, and a table without rowid would keep them in its inner pages.
CREATE TABLE events (
    chain   INTEGER NOT NULL,
    seq     INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    prev    BLOB    NOT NULL,
    digest  BLOB    NOT NULL,
    body    BLOB    NOT NULL,
    run     INTEGER NOT NULL,      -- its key, as in every table that follows
    version INTEGER NOT NULL,
    UNIQUE (chain, seq),
    UNIQUE (run, version)
) STRICT;

-- What a verifier reads: SELECT seq, at, prev, digest, body FROM chain_events WHERE chain = 'name' ORDER BY seq.
CREATE VIEW chain_events (chain, seq, at, prev, digest, body) AS
    SELECT c.name, e.seq, e.at, e.prev, e.digest, e.body FROM chains c JOIN events e ON e.chain = c.id;

CREATE TABLE runs (
    key        INTEGER NOT NULL PRIMARY KEY,
    run        BLOB    NOT NULL,
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
) STRICT;

CREATE INDEX runs_by_age ON runs (created_at, run);

-- Only runs that somebody has to look after, so that listing them costs the same after a million finished runs.
CREATE INDEX runs_active ON runs (created_at, run) WHERE active = 1;

-- Only runs that may hand out a job, so that a search for ready jobs costs the same after a million finished runs. Whether one
-- has room changes with every grant, so the search looks at the row for it.
CREATE INDEX runs_open ON runs (key) WHERE status = 'running' AND paused = 0;

CREATE TABLE ready (
    run         INTEGER NOT NULL,
    job         TEXT    NOT NULL,
    role        TEXT    NOT NULL,
    lane        TEXT    NOT NULL,
    adapter     TEXT    NOT NULL,
    timer_job   TEXT,              -- the timer (run, timer_job, timer_epoch) that must have run out
    timer_epoch INTEGER,
    wants       TEXT,              -- what it takes when it is claimed, if anything: a JSON array of [scope, name, slot]
    held_by     BLOB,              -- the soft hold: to whom the job was shown last, and until when others do not see it
    held_until  INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (run, job)
) STRICT, WITHOUT ROWID;

-- Leases and timers have no index on the deadline: there are as many rows as jobs at work, a scan of them is shorter than
-- the page writes that an index would add to every renewal.
CREATE TABLE leases (
    run      INTEGER NOT NULL,
    job      TEXT    NOT NULL,
    epoch    INTEGER NOT NULL,
    session  BLOB    NOT NULL,
    deadline INTEGER NOT NULL,
    PRIMARY KEY (run, job, epoch, session)
) STRICT, WITHOUT ROWID;

CREATE TABLE timers (
    run      INTEGER NOT NULL,
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
    run   INTEGER NOT NULL,
    job   TEXT    NOT NULL,
    PRIMARY KEY (scope, name, slot)
) STRICT, WITHOUT ROWID;

-- Events are the truth. `chains` holds the head that an append extends; every other table is an index that can be dropped and
-- rebuilt from events, but for `requests`, which is an inbox. Times are microseconds since the Unix epoch, digests 32 bytes.
--
-- This runs with the schema as the only one in the search path. Functions keep that path, whoever calls them.

CREATE TABLE migrations (
    version    integer PRIMARY KEY,
    name       text    NOT NULL,
    checksum   bytea   NOT NULL,   -- SHA-256 of the migration's text
    applied_at bigint  NOT NULL
);

CREATE TABLE chains (
    id          integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text    COLLATE "C" NOT NULL UNIQUE,
    label       text    NOT NULL,
    genesis     bytea   NOT NULL,  -- digest(0)
    head_seq    bigint  NOT NULL,
    head_digest bytea   NOT NULL,
    head_at     bigint  NOT NULL
) WITH (fillfactor = 10);

CREATE TABLE events (
    chain   integer NOT NULL,
    seq     bigint  NOT NULL,
    at      bigint  NOT NULL,
    version bigint  NOT NULL,
    run     uuid    NOT NULL,
    prev    bytea   NOT NULL,
    digest  bytea   NOT NULL,
    body    bytea   NOT NULL,
    PRIMARY KEY (chain, seq),
    UNIQUE (run, version)
);

-- What a verifier reads: SELECT seq, at, prev, digest, body FROM chain_events WHERE chain = 'name' ORDER BY seq.
CREATE VIEW chain_events (chain, seq, at, prev, digest, body) AS
    SELECT c.name, e.seq, e.at, e.prev, e.digest, e.body FROM chains c JOIN events e ON e.chain = c.id;

-- No index holds what changes with every append, so that its update stays within the page.
CREATE TABLE runs (
    run        uuid    PRIMARY KEY,
    chain      integer NOT NULL,
    version    bigint  NOT NULL,
    digest     bytea   NOT NULL,
    status     text    NOT NULL,
    paused     boolean NOT NULL,
    room       bigint  NOT NULL,
    workflow   text    NOT NULL,
    active     boolean NOT NULL,
    open       boolean NOT NULL,   -- hands out jobs while it has room
    created_at bigint  NOT NULL,
    updated_at bigint  NOT NULL
) WITH (fillfactor = 60);

CREATE INDEX runs_by_age ON runs (created_at, run);

-- Only runs that somebody has to look after, so that listing them costs the same after a million finished runs.
CREATE INDEX runs_active ON runs (created_at, run) WHERE active;

-- Only runs that can hand out a job, so that a search for ready jobs costs the same after a million finished runs.
CREATE INDEX runs_open ON runs (run) WHERE open;

CREATE TABLE ready (
    run         uuid   NOT NULL,
    job         text   COLLATE "C" NOT NULL,
    role        text   NOT NULL,
    lane        text   NOT NULL,
    adapter     text   NOT NULL,
    timer_job   text   COLLATE "C",          -- the timer (run, timer_job, timer_epoch) that must have run out
    timer_epoch bigint,
    wants       jsonb,                       -- [[scope, name, slot], …]: what the job takes when it is claimed
    held_by     uuid,                        -- the soft hold: to whom the job was shown last, and until when others do not
    held_until  bigint NOT NULL DEFAULT 0,   -- see it
    PRIMARY KEY (run, job)
) WITH (fillfactor = 60);

-- Leases and timers have no index on the deadline: there are as many rows as jobs at work, and a renewal that changes no
-- index stays within its page.
CREATE TABLE leases (
    run      uuid   NOT NULL,
    job      text   COLLATE "C" NOT NULL,
    epoch    bigint NOT NULL,
    session  uuid   NOT NULL,
    deadline bigint NOT NULL,
    PRIMARY KEY (run, job, epoch, session)
) WITH (fillfactor = 50);

CREATE TABLE timers (
    run      uuid   NOT NULL,
    job      text   COLLATE "C" NOT NULL,
    epoch    bigint NOT NULL,
    deadline bigint NOT NULL,
    PRIMARY KEY (run, job, epoch)
);

-- What jobs hold, across runs. A row stays when its resource is freed: who wants it next has something to lock.
CREATE TABLE resources (
    scope text   COLLATE "C" NOT NULL,
    name  text   COLLATE "C" NOT NULL,
    slot  bigint NOT NULL,
    run   uuid,
    job   text   COLLATE "C",
    PRIMARY KEY (scope, name, slot)
) WITH (fillfactor = 50);

-- Runs that an application asked for in a transaction of its own.
CREATE TABLE requests (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run          uuid   NOT NULL UNIQUE,
    body         bytea  NOT NULL,
    requested_at bigint NOT NULL,
    refusal      text
);

-- An accident of the owner is stopped as well; one who means it disables the trigger, and is found by a verifier.
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'events are never changed' USING ERRCODE = 'SR006';
END $$;

CREATE TRIGGER events_are_never_changed BEFORE UPDATE OR DELETE OR TRUNCATE ON events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE FUNCTION clock() RETURNS bigint LANGUAGE sql VOLATILE AS
    $$ SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint $$;

-- Whom a notification reaches: the listeners of this schema.
CREATE FUNCTION channel() RETURNS text LANGUAGE sql STABLE AS $$ SELECT 'striatum.' || current_schema() $$;

CREATE FUNCTION open_chain(chain_name text, chain_label text,
                           OUT seq bigint, OUT digest bytea, OUT beginning bytea)
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM chains WHERE name = chain_name) THEN
        beginning := sha256(convert_to('striatum.chain.v1', 'UTF8') || '\x00' || convert_to(chain_name, 'UTF8'));
        INSERT INTO chains (name, label, genesis, head_seq, head_digest, head_at)
            VALUES (chain_name, chain_label, beginning, 0, beginning, 0)
            ON CONFLICT (name) DO NOTHING;
    END IF;
    SELECT c.head_seq, c.head_digest, c.genesis INTO seq, digest, beginning FROM chains c WHERE c.name = chain_name;
END $$;

-- A row held one event. Now it holds a batch: what one append wrote for one run, which stands one behind the other in run and chain.
-- Events are written anew, in the same bytes: those of one batch together, as far as they follow each other. Where older appends
-- began and ended is not known; each event of theirs stays a batch of its own. Appends wait meanwhile.
SET LOCAL statement_timeout = 0;
-- Events are read by key, whatever is known of the table.
SET LOCAL enable_seqscan = off;
SET LOCAL enable_bitmapscan = off;

LOCK TABLE events IN ACCESS EXCLUSIVE MODE;
ALTER INDEX batches RENAME TO events_batches;

CREATE TABLE batches (
    chain   integer   NOT NULL,
    seq     bigint    NOT NULL,   -- of the first event, as are version and prev
    at      bigint    NOT NULL,   -- of all of them
    run     uuid      NOT NULL,
    version bigint    NOT NULL,
    size    integer   NOT NULL,   -- how many events
    prev    bytea     NOT NULL,
    digests bytea     NOT NULL,   -- of each event, one behind the other
    ends    integer[] NOT NULL,   -- where the body of each event ends in bodies
    bodies  bytea     NOT NULL,
    PRIMARY KEY (chain, seq),
    UNIQUE (run, version)
) WITH (toast_tuple_target = 8160);

-- What fits on a page stays there, and nothing is compressed: that took longer than writing it.
ALTER TABLE batches ALTER COLUMN digests SET STORAGE EXTERNAL, ALTER COLUMN ends SET STORAGE EXTERNAL,
    ALTER COLUMN bodies SET STORAGE EXTERNAL;

-- What lacks in the middle of a batch, or does not belong there, still does: the events before it keep the size that the batch
-- should have, and those behind it begin one of their own.
INSERT INTO batches (chain, seq, at, run, version, size, prev, digests, ends, bodies)
    SELECT b.chain, b.seq, b.at, b.run, b.version, coalesce(b.size, held.size), b.prev, held.digests, held.ends, held.bodies
    FROM (SELECT f.*, lead(f.seq, 1, 9223372036854775807) OVER (PARTITION BY f.chain ORDER BY f.seq) AS next
          FROM (SELECT e.chain, e.seq, e.at, e.run, e.version, e.size, e.prev,
                       e.size IS NULL AND (e.seq - 1, e.at, e.run, e.version - 1, e.prev) IS NOT DISTINCT FROM
                           (lag(e.seq) OVER places, lag(e.at) OVER places, lag(e.run) OVER places, lag(e.version) OVER places,
                            lag(e.digest) OVER places) AS follows
                FROM events e WINDOW places AS (PARTITION BY e.chain ORDER BY e.seq)) AS f
          WHERE NOT f.follows) AS b
    CROSS JOIN LATERAL (
        SELECT count(*)::integer AS size, string_agg(p.digest, '' ORDER BY p.seq) AS digests,
               array_agg(p.until ORDER BY p.seq) AS ends, string_agg(p.body, '' ORDER BY p.seq) AS bodies
        FROM (SELECT e.seq, e.digest, e.body, sum(octet_length(e.body)) OVER (ORDER BY e.seq)::integer AS until
              FROM events e WHERE e.chain = b.chain AND e.seq >= b.seq AND e.seq < b.next) AS p) AS held;

-- What a verifier reads, as before: SELECT seq, at, prev, digest, body FROM chain_events WHERE chain = 'name' ORDER BY seq.
CREATE OR REPLACE VIEW chain_events (chain, seq, at, prev, digest, body) AS
    SELECT c.name, b.seq + e.nth - 1, b.at,
           CASE e.nth WHEN 1 THEN b.prev ELSE substr(b.digests, e.nth::integer * 32 - 63, 32) END,
           substr(b.digests, e.nth::integer * 32 - 31, 32),
           substr(b.bodies, coalesce(b.ends[e.nth - 1], 0) + 1, greatest(e.until - coalesce(b.ends[e.nth - 1], 0), 0))
    FROM chains c JOIN batches b ON b.chain = c.id CROSS JOIN LATERAL unnest(b.ends) WITH ORDINALITY AS e (until, nth);

DROP TABLE events;

CREATE TRIGGER events_are_never_changed BEFORE UPDATE OR DELETE OR TRUNCATE ON batches
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Where a run stands by its batches. One whose last batch lacks digests has none.
CREATE OR REPLACE FUNCTION run_head(run_id uuid, OUT chain integer, OUT version bigint, OUT digest bytea, OUT at bigint)
RETURNS SETOF record LANGUAGE plpgsql STABLE SET search_path FROM CURRENT
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY SELECT b.chain, b.version + b.size - 1, nullif(substr(b.digests, b.size * 32 - 31, 32), ''), b.at
        FROM batches b WHERE b.run = run_id ORDER BY b.version DESC LIMIT 1;
END $$;

-- The digest of one event of a run.
CREATE OR REPLACE FUNCTION run_digest(run_id uuid, nth bigint)
RETURNS bytea LANGUAGE plpgsql STABLE SET search_path FROM CURRENT
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
SET plan_cache_mode = force_generic_plan AS $$
BEGIN
    RETURN (SELECT nullif(substr(b.digests, (nth - b.version)::integer * 32 + 1, 32), '') FROM (
            SELECT f.* FROM batches f WHERE f.run = run_id AND f.version <= nth ORDER BY f.version DESC LIMIT 1) AS b
        WHERE nth < b.version + b.size);
END $$;

-- The batches of a run that hold what is wanted behind a version.
DROP FUNCTION run_events(uuid, bigint, bigint);
CREATE FUNCTION run_batches(run_id uuid, behind bigint, wanted bigint) RETURNS SETOF batches
LANGUAGE plpgsql STABLE SET search_path FROM CURRENT
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    batch batches;
BEGIN
    FOR batch IN SELECT b.* FROM batches b WHERE b.run = run_id AND b.version + b.size - 1 > behind AND b.version >= coalesce(
        (SELECT max(f.version) FROM batches f WHERE f.run = run_id AND f.version <= behind), 0) ORDER BY b.version LOOP
        EXIT WHEN wanted <= 0;
        RETURN NEXT batch;
        wanted := wanted - (batch.version + batch.size - 1 - greatest(behind, batch.version - 1));
    END LOOP;
END $$;

-- Applies the index deltas of those batches of a group that are accepted; `of` names the batch of a row, from 1. Removals
-- come before insertions. A lease or a timer that stands keeps its deadline: only a renewal moves it. One row alone, which is
-- what most deltas have of each kind, is spared what sets cost.
CREATE OR REPLACE FUNCTION apply_deltas(
    run_ids uuid[], accepted boolean[], moment bigint,
    unready_of integer[], unready_jobs text[],
    ready_of integer[], ready_jobs text[], ready_roles text[], ready_lanes text[], ready_adapters text[],
    ready_timer_jobs text[], ready_timer_epochs bigint[], ready_wants text[],
    ended_of integer[], ended_jobs text[], ended_epochs bigint[], ended_sessions uuid[],
    granted_of integer[], granted_jobs text[], granted_epochs bigint[], granted_sessions uuid[], granted_terms bigint[],
    stopped_of integer[], stopped_jobs text[], stopped_epochs bigint[],
    started_of integer[], started_jobs text[], started_epochs bigint[], started_terms bigint[]
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF cardinality(unready_of) = 1 THEN
        DELETE FROM ready r
            WHERE r.run = run_ids[unready_of[1]] AND r.job = unready_jobs[1] AND accepted[unready_of[1]];
    ELSIF cardinality(unready_of) > 1 THEN
        DELETE FROM ready r USING unnest(unready_of, unready_jobs) AS d (of, job)
            WHERE r.run = run_ids[d.of] AND r.job = d.job AND accepted[d.of];
    END IF;
    IF cardinality(ended_of) = 1 THEN
        DELETE FROM leases l WHERE l.run = run_ids[ended_of[1]] AND l.job = ended_jobs[1] AND l.epoch = ended_epochs[1]
            AND l.session = ended_sessions[1] AND accepted[ended_of[1]];
    ELSIF cardinality(ended_of) > 1 THEN
        -- In the order of their keys, in which a renewal locks them too.
        DELETE FROM leases l USING (
                SELECT run_ids[u.of] AS run, u.job COLLATE "C" AS job, u.epoch, u.session
                FROM unnest(ended_of, ended_jobs, ended_epochs, ended_sessions) AS u (of, job, epoch, session)
                WHERE accepted[u.of] ORDER BY 1, 2, 3, 4) AS d
            WHERE l.run = d.run AND l.job = d.job AND l.epoch = d.epoch AND l.session = d.session;
    END IF;
    IF cardinality(stopped_of) > 0 THEN
        DELETE FROM timers t USING unnest(stopped_of, stopped_jobs, stopped_epochs) AS d (of, job, epoch)
            WHERE t.run = run_ids[d.of] AND t.job = d.job AND t.epoch = d.epoch AND accepted[d.of];
    END IF;
    -- A soft hold survives: the job was shown to somebody all the same.
    IF cardinality(ready_of) = 1 AND accepted[ready_of[1]] THEN
        INSERT INTO ready (run, job, role, lane, adapter, timer_job, timer_epoch, wants)
            VALUES (run_ids[ready_of[1]], ready_jobs[1], ready_roles[1], ready_lanes[1], ready_adapters[1],
                    ready_timer_jobs[1], ready_timer_epochs[1], ready_wants[1]::jsonb)
            ON CONFLICT (run, job) DO UPDATE SET
                role = excluded.role, lane = excluded.lane, adapter = excluded.adapter,
                timer_job = excluded.timer_job, timer_epoch = excluded.timer_epoch, wants = excluded.wants;
    ELSIF cardinality(ready_of) > 1 THEN
        INSERT INTO ready (run, job, role, lane, adapter, timer_job, timer_epoch, wants)
            SELECT run_ids[d.of], d.job, d.role, d.lane, d.adapter, d.timer_job, d.timer_epoch, d.wants::jsonb
            FROM unnest(ready_of, ready_jobs, ready_roles, ready_lanes, ready_adapters, ready_timer_jobs,
                        ready_timer_epochs, ready_wants)
                AS d (of, job, role, lane, adapter, timer_job, timer_epoch, wants)
            WHERE accepted[d.of]
            ON CONFLICT (run, job) DO UPDATE SET
                role = excluded.role, lane = excluded.lane, adapter = excluded.adapter,
                timer_job = excluded.timer_job, timer_epoch = excluded.timer_epoch, wants = excluded.wants;
    END IF;
    IF cardinality(granted_of) = 1 AND accepted[granted_of[1]] THEN
        INSERT INTO leases (run, job, epoch, session, deadline)
            VALUES (run_ids[granted_of[1]], granted_jobs[1], granted_epochs[1], granted_sessions[1],
                    moment + granted_terms[1])
            ON CONFLICT DO NOTHING;
    ELSIF cardinality(granted_of) > 1 THEN
        -- No engine grants what stands, and to look for it row by row costs as much as the row.
        BEGIN
            INSERT INTO leases (run, job, epoch, session, deadline)
                SELECT run_ids[d.of], d.job, d.epoch, d.session, moment + d.term
                FROM unnest(granted_of, granted_jobs, granted_epochs, granted_sessions, granted_terms)
                    AS d (of, job, epoch, session, term)
                WHERE accepted[d.of];
        EXCEPTION WHEN unique_violation THEN
            INSERT INTO leases (run, job, epoch, session, deadline)
                SELECT run_ids[d.of], d.job, d.epoch, d.session, moment + d.term
                FROM unnest(granted_of, granted_jobs, granted_epochs, granted_sessions, granted_terms)
                    AS d (of, job, epoch, session, term)
                WHERE accepted[d.of] ON CONFLICT DO NOTHING;
        END;
    END IF;
    IF cardinality(started_of) > 0 THEN
        INSERT INTO timers (run, job, epoch, deadline)
            SELECT run_ids[d.of], d.job, d.epoch, moment + d.term
            FROM unnest(started_of, started_jobs, started_epochs, started_terms) AS d (of, job, epoch, term)
            WHERE accepted[d.of] ON CONFLICT DO NOTHING;
    END IF;
END $$;

-- A program of the version before must not find a function that it would misunderstand.
DROP FUNCTION append;

-- Answers a group of batches of one chain, each of another run, in one transaction. Locks are taken in one order
-- everywhere: runs by id, leases by key, resources by key, the head of the chain.
--
-- An answer is `ok`, `conflict`, `guard` or `busy`; with `ok` goes the head of the run.
CREATE FUNCTION append(
    chain_name text,
    run_ids uuid[], expected_versions bigint[], expected_digests bytea[], sizes integer[],
    batch_bodies bytea[], body_ends integer[],   -- the bodies of a batch are one piece, in which each of them ends somewhere
    statuses text[], pauses boolean[], rooms bigint[], workflows text[], actives boolean[],
    guard_of integer[], guard_jobs text[], guard_epochs bigint[], guard_sessions uuid[],   -- without a session: a timer
    unready_of integer[], unready_jobs text[],
    ready_of integer[], ready_jobs text[], ready_roles text[], ready_lanes text[], ready_adapters text[],
    ready_timer_jobs text[], ready_timer_epochs bigint[], ready_wants text[],
    ended_of integer[], ended_jobs text[], ended_epochs bigint[], ended_sessions uuid[],
    granted_of integer[], granted_jobs text[], granted_epochs bigint[], granted_sessions uuid[], granted_terms bigint[],
    stopped_of integer[], stopped_jobs text[], stopped_epochs bigint[],
    started_of integer[], started_jobs text[], started_epochs bigint[], started_terms bigint[],
    freed_of integer[], freed_scopes text[], freed_names text[], freed_slots bigint[],
    taken_of integer[], taken_scopes text[], taken_names text[], taken_slots bigint[], taken_jobs text[],
    OUT answers text[], OUT new_versions bigint[], OUT new_digests bytea[], OUT busy text[], OUT grown_to bigint
)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path FROM CURRENT
-- Every access is by key. A plan that was made while the tables were small must not be kept when they are large.
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    nothing  constant bytea := decode(repeat('00', 32), 'hex');
    batches  constant integer := cardinality(run_ids);
    home     integer;
    accepted boolean[];
    matching integer[];
    unknown  integer := 0;
    known    record;
    expected bytea;
    moment   bigint;
    seq      bigint;
    link     bytea;
    sealed_at bigint;
    sealed_bytes bytea;
    begins   integer;
    digests  bytea;
    place    integer := 0;
    places   integer[];   -- for each batch, how many ends stand before its own
    seqs     bigint[];    -- of its first event
    prevs    bytea[];
    sealed   bytea[];     -- the digests of its events
    i        integer;
BEGIN
    -- What a later statement of this function reads must be what is committed then.
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'the isolation level is %, not read committed', current_setting('transaction_isolation')
            USING ERRCODE = 'SR001';
    END IF;
    IF current_setting('synchronous_commit') = 'off' THEN
        PERFORM set_config('synchronous_commit', 'on', true);
    END IF;
    SELECT c.id INTO home FROM chains c WHERE c.name = chain_name;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no chain %', chain_name USING ERRCODE = 'SR002';
    END IF;

    -- One batch alone is the most frequent group, and is spared what sets cost.
    IF batches = 1 THEN
        PERFORM FROM runs r WHERE r.run = run_ids[1] AND r.chain = home AND r.version = expected_versions[1]
            AND r.digest = expected_digests[1] FOR NO KEY UPDATE;
        matching := CASE WHEN FOUND THEN '{1}' ELSE '{}' END;
    ELSE
        SELECT coalesce(array_agg(l.nth), '{}') INTO matching FROM (
            SELECT b.nth::integer FROM unnest(run_ids, expected_versions, expected_digests) WITH ORDINALITY
                AS b (run, version, digest, nth)
            JOIN runs r ON r.run = b.run
            WHERE r.chain = home AND r.version = b.version AND r.digest = b.digest
            ORDER BY r.run FOR NO KEY UPDATE OF r) AS l;
    END IF;
    IF cardinality(matching) < batches THEN
        SELECT coalesce(array_agg(b.nth::integer), '{}') || matching INTO matching
            FROM unnest(run_ids, expected_versions, expected_digests) WITH ORDINALITY AS b (run, version, digest, nth)
            WHERE b.version = 0 AND b.digest = nothing
                AND NOT EXISTS (SELECT FROM batches f WHERE f.run = b.run AND f.version = 1);
    END IF;

    accepted := array_fill(true, ARRAY[batches]);
    answers := array_fill('ok'::text, ARRAY[batches]);
    busy := array_fill(NULL::text, ARRAY[batches]);
    new_versions := array_fill(NULL::bigint, ARRAY[batches]);
    new_digests := array_fill(NULL::bytea, ARRAY[batches]);

    IF cardinality(matching) < batches THEN
        FOR i IN SELECT b.nth FROM generate_series(1, batches) AS b (nth) WHERE b.nth <> ALL (matching)
                 ORDER BY run_ids[b.nth] LOOP
            -- From the events, not from the index: a row that was dropped, or is wrong, cannot fork a run.
            SELECT h.chain, h.version, h.digest INTO known FROM run_head(run_ids[i]) AS h;
            IF FOUND AND known.chain <> home THEN
                RAISE EXCEPTION 'run % belongs to another chain than %', run_ids[i], chain_name USING ERRCODE = 'SR003';
            END IF;
            IF FOUND AND known.version = expected_versions[i] AND known.digest = expected_digests[i]
                AND NOT EXISTS (SELECT FROM runs r WHERE r.run = run_ids[i]) THEN
                INSERT INTO runs SELECT run_ids[i], home, known.version, known.digest, statuses[i], pauses[i], rooms[i],
                    workflows[i], actives[i], false, b.at, b.at
                    FROM batches b WHERE b.run = run_ids[i] AND b.version = 1;
                CONTINUE;
            END IF;
            accepted[i] := false;
            answers[i] := 'conflict';
            IF known.version = expected_versions[i] + sizes[i] THEN
                expected := CASE expected_versions[i] WHEN 0 THEN nothing ELSE
                    run_digest(run_ids[i], expected_versions[i]) END;
                place := (SELECT coalesce(sum(s.size), 0) FROM unnest(sizes[1:i - 1]) AS s (size));
                IF expected = expected_digests[i] AND EXISTS (
                    SELECT FROM batches b WHERE b.run = run_ids[i] AND b.version = expected_versions[i] + 1
                        AND b.ends = body_ends[place + 1:place + sizes[i]] AND b.bodies = batch_bodies[i]) THEN
                    answers[i] := 'ok';
                    new_versions[i] := known.version;
                    new_digests[i] := known.digest;
                END IF;
            END IF;
        END LOOP;
    END IF;

    IF cardinality(guard_of) > 0 THEN
        PERFORM FROM leases l WHERE l.run IN (SELECT run_ids[g.of] FROM unnest(guard_of || ended_of) AS g (of))
            ORDER BY l.run, l.job, l.epoch, l.session FOR UPDATE;
    END IF;
    -- Behind the locks: a renewal that came first has been seen, and the next one waits.
    moment := clock();
    IF cardinality(guard_of) > 0 THEN
        FOR i IN SELECT g.of FROM unnest(guard_of, guard_jobs, guard_epochs, guard_sessions) AS g (of, job, epoch, session)
            WHERE accepted[g.of] AND CASE WHEN g.session IS NULL
                THEN NOT EXISTS (SELECT FROM timers t WHERE t.run = run_ids[g.of] AND t.job = g.job AND t.epoch = g.epoch
                                                        AND t.deadline <= moment)
                ELSE NOT EXISTS (SELECT FROM leases l WHERE l.run = run_ids[g.of] AND l.job = g.job AND l.epoch = g.epoch
                                                        AND l.session = g.session AND l.deadline <= moment) END LOOP
            accepted[i] := false;
            answers[i] := 'guard';
        END LOOP;
    END IF;
    IF cardinality(freed_of) > 0 OR cardinality(taken_of) > 0 THEN
        PERFORM lock_resources(freed_scopes || taken_scopes, freed_names || taken_names, freed_slots || taken_slots);
        FOR i IN SELECT DISTINCT u.of FROM unnest(freed_of || taken_of) AS u (of) WHERE accepted[u.of] ORDER BY u.of LOOP
            busy[i] := exchange_resources(run_ids[i],
                ARRAY(SELECT f.scope FROM unnest(freed_of, freed_scopes) AS f (of, scope) WHERE f.of = i),
                ARRAY(SELECT f.name FROM unnest(freed_of, freed_names) AS f (of, name) WHERE f.of = i),
                ARRAY(SELECT f.slot FROM unnest(freed_of, freed_slots) AS f (of, slot) WHERE f.of = i),
                ARRAY(SELECT t.scope FROM unnest(taken_of, taken_scopes) AS t (of, scope) WHERE t.of = i),
                ARRAY(SELECT t.name FROM unnest(taken_of, taken_names) AS t (of, name) WHERE t.of = i),
                ARRAY(SELECT t.slot FROM unnest(taken_of, taken_slots) AS t (of, slot) WHERE t.of = i),
                ARRAY(SELECT t.job FROM unnest(taken_of, taken_jobs) AS t (of, job) WHERE t.of = i));
            IF busy[i] IS NOT NULL THEN
                accepted[i] := false;
                answers[i] := 'busy';
            END IF;
        END LOOP;
    END IF;
    IF NOT true = ANY (accepted) THEN
        RETURN;
    END IF;

    PERFORM apply_deltas(run_ids, accepted, moment, unready_of, unready_jobs,
        ready_of, ready_jobs, ready_roles, ready_lanes, ready_adapters, ready_timer_jobs, ready_timer_epochs, ready_wants,
        ended_of, ended_jobs, ended_epochs, ended_sessions,
        granted_of, granted_jobs, granted_epochs, granted_sessions, granted_terms,
        stopped_of, stopped_jobs, stopped_epochs, started_of, started_jobs, started_epochs, started_terms);

    SELECT c.head_seq, c.head_digest, greatest(c.head_at, moment) INTO seq, link, sealed_at
        FROM chains c WHERE c.id = home FOR NO KEY UPDATE;
    sealed_bytes := int8send(sealed_at);
    place := 0;
    FOR i IN 1 .. batches LOOP
        IF accepted[i] THEN
            places[i] := place;
            seqs[i] := seq + 1;
            prevs[i] := link;
            digests := '';
            begins := 1;
            -- This is done for each event: what can be done for all of them is done before and behind it.
            FOR nth IN place + 1 .. place + sizes[i] LOOP
                link := sha256(link || int8send(seq + nth - place) || sealed_bytes
                    || substr(batch_bodies[i], begins, body_ends[nth] - begins + 1));
                digests := digests || link;
                begins := body_ends[nth] + 1;
            END LOOP;
            seq := seq + sizes[i];
            IF sizes[i] < 1 OR begins <> octet_length(batch_bodies[i]) + 1 THEN
                RAISE EXCEPTION 'a batch of run % does not end where its events do', run_ids[i] USING ERRCODE = 'SR005';
            END IF;
            sealed[i] := digests;
            new_versions[i] := expected_versions[i] + sizes[i];
            new_digests[i] := link;
        END IF;
        place := place + sizes[i];
    END LOOP;
    IF batches = 1 THEN
        INSERT INTO batches (chain, seq, at, run, version, size, prev, digests, ends, bodies)
            VALUES (home, seqs[1], sealed_at, run_ids[1], expected_versions[1] + 1, sizes[1], prevs[1], digests, body_ends,
                    batch_bodies[1]);
    ELSE
        INSERT INTO batches (chain, seq, at, run, version, size, prev, digests, ends, bodies)
            SELECT home, seqs[b.nth], sealed_at, run_ids[b.nth], expected_versions[b.nth] + 1, sizes[b.nth], prevs[b.nth],
                   sealed[b.nth], body_ends[places[b.nth] + 1:places[b.nth] + sizes[b.nth]], batch_bodies[b.nth]
            FROM generate_series(1, batches) AS b (nth) WHERE accepted[b.nth];
    END IF;
    IF batches = 1 AND expected_versions[1] > 0 THEN
        UPDATE runs r SET version = new_versions[1], digest = new_digests[1], status = statuses[1], paused = pauses[1],
                room = rooms[1], workflow = workflows[1], active = actives[1],
                open = statuses[1] = 'running' AND NOT pauses[1], updated_at = sealed_at
            WHERE r.run = run_ids[1];
    ELSE
        UPDATE runs r SET version = new_versions[b.nth], digest = new_digests[b.nth], status = statuses[b.nth],
                paused = pauses[b.nth], room = rooms[b.nth], workflow = workflows[b.nth], active = actives[b.nth],
                open = statuses[b.nth] = 'running' AND NOT pauses[b.nth], updated_at = sealed_at
            FROM generate_series(1, batches) AS b (nth)
            WHERE r.run = run_ids[b.nth] AND accepted[b.nth] AND expected_versions[b.nth] > 0;
    END IF;
    IF 0 = ANY (expected_versions) THEN
        INSERT INTO runs (run, chain, version, digest, status, paused, room, workflow, active, open, created_at, updated_at)
            SELECT b.run, home, b.version, b.digest, b.status, b.paused, b.room, b.workflow, b.active,
                   b.status = 'running' AND NOT b.paused, sealed_at, sealed_at
            FROM unnest(run_ids, expected_versions, new_versions, new_digests, statuses, pauses, rooms, workflows, actives,
                        accepted) AS b (run, expected, version, digest, status, paused, room, workflow, active, accepted)
            WHERE b.accepted AND b.expected = 0;
    END IF;
    UPDATE chains c SET head_seq = seq, head_digest = link, head_at = sealed_at WHERE c.id = home;
    grown_to := seq;
    PERFORM pg_notify(channel(), chain_name || ' ' || seq);
END $$;

-- Replaces the index rows of a run: `ok`, `conflict` or `busy`.
CREATE OR REPLACE FUNCTION reindex(
    run_id uuid, expected_version bigint, expected_digest bytea,
    new_status text, new_paused boolean, new_room bigint, new_workflow text, new_active boolean,
    ready_of integer[], ready_jobs text[], ready_roles text[], ready_lanes text[], ready_adapters text[],
    ready_timer_jobs text[], ready_timer_epochs bigint[], ready_wants text[],
    granted_of integer[], granted_jobs text[], granted_epochs bigint[], granted_sessions uuid[], granted_terms bigint[],
    started_of integer[], started_jobs text[], started_epochs bigint[], started_terms bigint[],
    taken_scopes text[], taken_names text[], taken_slots bigint[], taken_jobs text[],
    OUT answer text, OUT busy text
)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    last   record;
    own    record;
    moment bigint;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'the isolation level is %, not read committed', current_setting('transaction_isolation')
            USING ERRCODE = 'SR001';
    END IF;
    INSERT INTO runs SELECT run_id, b.chain, b.version, substr(b.digests, 1, 32), new_status, new_paused, new_room, new_workflow, new_active,
        false, b.at, b.at FROM batches b WHERE b.run = run_id AND b.version = 1 ON CONFLICT DO NOTHING;
    PERFORM FROM runs r WHERE r.run = run_id FOR NO KEY UPDATE;
    SELECT h.version, h.digest, h.at INTO last FROM run_head(run_id) AS h;
    IF NOT FOUND AND expected_version = 0 AND expected_digest = decode(repeat('00', 32), 'hex') THEN
        RAISE EXCEPTION 'run % has no events', run_id USING ERRCODE = 'SR004';
    END IF;
    IF last.version IS DISTINCT FROM expected_version OR last.digest IS DISTINCT FROM expected_digest THEN
        answer := 'conflict';
        RETURN;
    END IF;
    PERFORM FROM leases l WHERE l.run = run_id ORDER BY l.run, l.job, l.epoch, l.session FOR UPDATE;
    moment := clock();
    SELECT array_agg(r.scope) AS scopes, array_agg(r.name) AS names, array_agg(r.slot) AS slots INTO own
        FROM resources r WHERE r.run = run_id;
    PERFORM lock_resources(own.scopes || taken_scopes, own.names || taken_names, own.slots || taken_slots);
    busy := exchange_resources(run_id, own.scopes, own.names, own.slots, taken_scopes, taken_names, taken_slots, taken_jobs);
    IF busy IS NOT NULL THEN
        answer := 'busy';
        RETURN;
    END IF;
    DELETE FROM ready r WHERE r.run = run_id;
    DELETE FROM leases l WHERE l.run = run_id AND (l.job, l.epoch, l.session) NOT IN
        (SELECT g.job, g.epoch, g.session FROM unnest(granted_jobs, granted_epochs, granted_sessions) AS g (job, epoch, session));
    DELETE FROM timers t WHERE t.run = run_id AND (t.job, t.epoch) NOT IN
        (SELECT s.job, s.epoch FROM unnest(started_jobs, started_epochs) AS s (job, epoch));
    PERFORM apply_deltas(ARRAY[run_id], ARRAY[true], moment, '{}', '{}',
        ready_of, ready_jobs, ready_roles, ready_lanes, ready_adapters, ready_timer_jobs, ready_timer_epochs, ready_wants,
        '{}', '{}', '{}', '{}', granted_of, granted_jobs, granted_epochs, granted_sessions, granted_terms,
        '{}', '{}', '{}', started_of, started_jobs, started_epochs, started_terms);
    UPDATE runs r SET version = last.version, digest = last.digest, status = new_status, paused = new_paused, room = new_room,
            workflow = new_workflow, active = new_active, open = new_status = 'running' AND NOT new_paused,
            updated_at = last.at
        WHERE r.run = run_id;
    answer := 'ok';
END $$;

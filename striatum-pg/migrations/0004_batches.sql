-- The index that finds a run's events held each of them. Now it holds the first of each batch: the events of a batch stand one
-- behind the other in their run as in their chain. Where older appends began and ended is not known, and each event of theirs
-- counts as a batch of its own, which needs no row to be written anew. The index is built under a lock; that takes as long as
-- reading the table does.
SET LOCAL statement_timeout = 0;

ALTER TABLE events ADD COLUMN size integer DEFAULT 1;   -- how many events the batch has that begins here; null within a batch
ALTER TABLE events ALTER COLUMN size DROP DEFAULT;
CREATE UNIQUE INDEX batches ON events (run, version) WHERE size IS NOT NULL;
ALTER TABLE events DROP CONSTRAINT events_run_version_key;

-- Where a run stands by its events. One whose last batch lacks its end has no digest.
CREATE FUNCTION run_head(run_id uuid, OUT chain integer, OUT version bigint, OUT digest bytea, OUT at bigint)
RETURNS SETOF record LANGUAGE sql STABLE SET search_path FROM CURRENT
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off AS $$
    SELECT l.chain, l.version, e.digest, e.at FROM (
        SELECT b.chain, b.seq + b.size - 1 AS seq, b.version + b.size - 1 AS version
        FROM events b WHERE b.run = run_id AND b.size IS NOT NULL ORDER BY b.version DESC LIMIT 1) AS l
    LEFT JOIN events e ON e.chain = l.chain AND e.seq = l.seq AND e.run = run_id
$$;

-- The digest of one event of a run.
CREATE FUNCTION run_digest(run_id uuid, nth bigint)
RETURNS bytea LANGUAGE sql STABLE SET search_path FROM CURRENT
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off AS $$
    SELECT e.digest FROM (
        SELECT b.chain, b.seq + least(nth - b.version, b.size) AS seq FROM events b
        WHERE b.run = run_id AND b.size IS NOT NULL AND b.version <= nth ORDER BY b.version DESC LIMIT 1) AS l
    JOIN events e ON e.chain = l.chain AND e.seq = l.seq AND e.run = run_id AND e.version = nth
$$;

-- Events of a run behind a version, with whose they are, and with the version that the last event of their batch has.
CREATE FUNCTION run_events(run_id uuid, behind bigint, wanted bigint)
RETURNS TABLE (seq bigint, at bigint, prev bytea, digest bytea, body bytea, version bigint, run uuid, last bigint)
LANGUAGE sql STABLE SET search_path FROM CURRENT
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off AS $$
    SELECT e.seq, e.at, e.prev, e.digest, e.body, e.version, e.run, b.version + b.size - 1
    FROM events b JOIN events e ON e.chain = b.chain AND e.seq >= b.seq AND e.seq < b.seq + b.size
    WHERE b.run = run_id AND b.size IS NOT NULL AND e.version > behind AND b.version >= coalesce(
        (SELECT max(f.version) FROM events f WHERE f.run = run_id AND f.size IS NOT NULL AND f.version <= behind), 0)
    ORDER BY b.version, e.seq LIMIT wanted
$$;

-- Answers a group of batches of one chain, each of another run, in one transaction. Locks are taken in one order
-- everywhere: runs by id, leases by key, resources by key, the head of the chain.
--
-- An answer is `ok`, `conflict`, `guard` or `busy`; with `ok` goes the head of the run.
CREATE OR REPLACE FUNCTION append(
    chain_name text,
    run_ids uuid[], expected_versions bigint[], expected_digests bytea[], sizes integer[],
    event_of integer[], bodies bytea[],
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
    prev     bytea;
    sealed_at bigint;
    place    integer := 0;
    i        integer;
    written  integer;
    sealed_bytes bytea;
    before   integer[];   -- for each batch, how many events are written before its own
    links    bytea[];     -- the digest of each event, from 1
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
                AND NOT EXISTS (SELECT FROM events e WHERE e.run = b.run AND e.version = 1 AND e.size IS NOT NULL);
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
                    workflows[i], actives[i], false, e.at, e.at
                    FROM events e WHERE e.run = run_ids[i] AND e.version = 1 AND e.size IS NOT NULL;
                CONTINUE;
            END IF;
            accepted[i] := false;
            answers[i] := 'conflict';
            IF known.version = expected_versions[i] + sizes[i] THEN
                expected := CASE expected_versions[i] WHEN 0 THEN nothing ELSE
                    run_digest(run_ids[i], expected_versions[i]) END;
                place := (SELECT coalesce(sum(s.size), 0) FROM unnest(sizes[1:i - 1]) AS s (size));
                IF expected = expected_digests[i] AND bodies[place + 1:place + sizes[i]] = ARRAY(
                    SELECT e.body FROM run_events(run_ids[i], expected_versions[i], sizes[i]) AS e) THEN
                    answers[i] := 'ok';
                    new_versions[i] := known.version;
                    new_digests[i] := known.digest;
                END IF;
            END IF;
        END LOOP;
    END IF;

    -- One row alone is locked when it is deleted.
    IF cardinality(guard_of) > 0 OR cardinality(ended_of) > 1 THEN
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
    IF cardinality(bodies) = 1 THEN
        seq := seq + 1;
        prev := link;
        link := sha256(prev || int8send(seq) || int8send(sealed_at) || bodies[1]);
        new_versions[1] := expected_versions[1] + 1;
        new_digests[1] := link;
        INSERT INTO events (chain, seq, at, version, run, prev, digest, body, size)
            VALUES (home, seq, sealed_at, new_versions[1], run_ids[1], prev, link, bodies[1], 1);
    ELSE
        IF false = ANY (accepted) THEN
            SELECT array_agg(e.of ORDER BY e.nth), array_agg(e.body ORDER BY e.nth) INTO event_of, bodies
                FROM unnest(event_of, bodies) WITH ORDINALITY AS e (of, body, nth) WHERE accepted[e.of];
        END IF;
        -- This is done for each event: what can be done for all of them is done before and behind it.
        written := cardinality(bodies);
        sealed_bytes := int8send(sealed_at);
        links := array_fill(link, ARRAY[written + 1], ARRAY[0]);
        FOR nth IN 1 .. written LOOP
            link := sha256(link || int8send(seq + nth) || sealed_bytes || bodies[nth]);
            links[nth] := link;
        END LOOP;
        before := array_fill(0, ARRAY[batches]);
        place := 0;
        FOR i IN 1 .. batches LOOP
            IF accepted[i] THEN
                before[i] := place;
                place := place + sizes[i];
                new_versions[i] := expected_versions[i] + sizes[i];
                new_digests[i] := links[place];
            END IF;
        END LOOP;
        INSERT INTO events (chain, seq, at, version, run, prev, digest, body, size)
            SELECT home, seq + e.nth, sealed_at, expected_versions[event_of[e.nth]] + e.nth - before[event_of[e.nth]],
                   run_ids[event_of[e.nth]], links[e.nth - 1], links[e.nth], bodies[e.nth],
                   CASE e.nth - before[event_of[e.nth]] WHEN 1 THEN sizes[event_of[e.nth]] END
            FROM generate_series(1, written) AS e (nth);
        seq := seq + written;
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
    INSERT INTO runs SELECT run_id, e.chain, e.version, e.digest, new_status, new_paused, new_room, new_workflow, new_active,
        false, e.at, e.at FROM events e WHERE e.run = run_id AND e.version = 1 AND e.size IS NOT NULL ON CONFLICT DO NOTHING;
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

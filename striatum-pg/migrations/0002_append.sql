-- Exchanges resources for one batch, or names the first in key order that somebody else holds. `given` are those that count
-- as the run's own to give: what is freed in the same batch. The rows are locked by the caller.
CREATE FUNCTION exchange_resources(
    run_id uuid, freed_scopes text[], freed_names text[], freed_slots bigint[],
    taken_scopes text[], taken_names text[], taken_slots bigint[], taken_jobs text[]
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    held text;
BEGIN
    SELECT jsonb_build_array(r.scope, r.name, r.slot, replace(r.run::text, '-', ''), r.job) INTO held
        FROM unnest(taken_scopes, taken_names, taken_slots, taken_jobs) AS t (scope, name, slot, job)
        JOIN resources r ON r.scope = t.scope AND r.name = t.name AND r.slot = t.slot
        WHERE r.run IS NOT NULL AND NOT (r.run = run_id AND (r.job = t.job OR EXISTS (
            SELECT FROM unnest(freed_scopes, freed_names, freed_slots) AS f (scope, name, slot)
            WHERE f.scope = t.scope AND f.name = t.name AND f.slot = t.slot)))
        ORDER BY r.scope, r.name, r.slot LIMIT 1;
    IF FOUND THEN
        RETURN held;
    END IF;
    UPDATE resources r SET run = NULL, job = NULL
        FROM unnest(freed_scopes, freed_names, freed_slots) AS f (scope, name, slot)
        WHERE r.scope = f.scope AND r.name = f.name AND r.slot = f.slot AND r.run = run_id;
    UPDATE resources r SET run = run_id, job = t.job
        FROM unnest(taken_scopes, taken_names, taken_slots, taken_jobs) AS t (scope, name, slot, job)
        WHERE r.scope = t.scope AND r.name = t.name AND r.slot = t.slot;
    RETURN NULL;
END $$;

-- Locks resources in key order, whether or not they were ever taken.
CREATE FUNCTION lock_resources(scopes text[], names text[], slots bigint[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO resources (scope, name, slot)
        SELECT DISTINCT t.scope COLLATE "C", t.name COLLATE "C", t.slot FROM unnest(scopes, names, slots) AS t (scope, name, slot)
        ORDER BY 1, 2, 3 ON CONFLICT DO NOTHING;
    PERFORM FROM resources r WHERE (r.scope, r.name, r.slot) IN
        (SELECT t.scope, t.name, t.slot FROM unnest(scopes, names, slots) AS t (scope, name, slot))
        ORDER BY r.scope, r.name, r.slot FOR NO KEY UPDATE;
END $$;

-- Applies the index deltas of those batches of a group that are accepted; `of` names the batch of a row, from 1. Removals
-- come before insertions. A lease or a timer that stands keeps its deadline: only a renewal moves it. One row alone, which is
-- what most deltas have of each kind, is spared what sets cost.
CREATE FUNCTION apply_deltas(
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
        DELETE FROM leases l USING unnest(ended_of, ended_jobs, ended_epochs, ended_sessions) AS d (of, job, epoch, session)
            WHERE l.run = run_ids[d.of] AND l.job = d.job AND l.epoch = d.epoch AND l.session = d.session AND accepted[d.of];
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
        INSERT INTO leases (run, job, epoch, session, deadline)
            SELECT run_ids[d.of], d.job, d.epoch, d.session, moment + d.term
            FROM unnest(granted_of, granted_jobs, granted_epochs, granted_sessions, granted_terms)
                AS d (of, job, epoch, session, term)
            WHERE accepted[d.of] ON CONFLICT DO NOTHING;
    END IF;
    IF cardinality(started_of) > 0 THEN
        INSERT INTO timers (run, job, epoch, deadline)
            SELECT run_ids[d.of], d.job, d.epoch, moment + d.term
            FROM unnest(started_of, started_jobs, started_epochs, started_terms) AS d (of, job, epoch, term)
            WHERE accepted[d.of] ON CONFLICT DO NOTHING;
    END IF;
END $$;

-- Answers a group of batches of one chain, each of another run, in one transaction. Locks are taken in one order
-- everywhere: runs by id, leases by key, resources by key, the head of the chain.
--
-- An answer is `ok`, `conflict`, `guard` or `busy`; with `ok` goes the head of the run.
CREATE FUNCTION append(
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
                AND NOT EXISTS (SELECT FROM events e WHERE e.run = b.run AND e.version = 1);
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
            SELECT e.chain, e.version, e.digest INTO known FROM events e
                WHERE e.run = run_ids[i] ORDER BY e.version DESC LIMIT 1;
            IF FOUND AND known.chain <> home THEN
                RAISE EXCEPTION 'run % belongs to another chain than %', run_ids[i], chain_name USING ERRCODE = 'SR003';
            END IF;
            IF FOUND AND known.version = expected_versions[i] AND known.digest = expected_digests[i]
                AND NOT EXISTS (SELECT FROM runs r WHERE r.run = run_ids[i]) THEN
                INSERT INTO runs SELECT run_ids[i], home, known.version, known.digest, statuses[i], pauses[i], rooms[i],
                    workflows[i], actives[i], false, e.at, e.at FROM events e WHERE e.run = run_ids[i] AND e.version = 1;
                CONTINUE;
            END IF;
            accepted[i] := false;
            answers[i] := 'conflict';
            IF known.version = expected_versions[i] + sizes[i] THEN
                expected := CASE expected_versions[i] WHEN 0 THEN nothing ELSE
                    (SELECT e.digest FROM events e WHERE e.run = run_ids[i] AND e.version = expected_versions[i]) END;
                place := (SELECT coalesce(sum(s.size), 0) FROM unnest(sizes[1:i - 1]) AS s (size));
                IF expected = expected_digests[i] AND bodies[place + 1:place + sizes[i]] = ARRAY(
                    SELECT e.body FROM events e WHERE e.run = run_ids[i] AND e.version > expected_versions[i]
                    ORDER BY e.version) THEN
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
        INSERT INTO events (chain, seq, at, version, run, prev, digest, body)
            VALUES (home, seq, sealed_at, new_versions[1], run_ids[1], prev, link, bodies[1]);
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
        INSERT INTO events (chain, seq, at, version, run, prev, digest, body)
            SELECT home, seq + e.nth, sealed_at, expected_versions[event_of[e.nth]] + e.nth - before[event_of[e.nth]],
                   run_ids[event_of[e.nth]], links[e.nth - 1], links[e.nth], bodies[e.nth]
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

-- Holds a run until the end of the transaction, behind everybody who holds it or waits for it: no other append moves it.
CREATE FUNCTION hold_run(run_id uuid) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM FROM runs r WHERE r.run = run_id FOR NO KEY UPDATE;
END $$;

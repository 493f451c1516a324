-- Replaces the index rows of a run: `ok`, `conflict` or `busy`.
CREATE FUNCTION reindex(
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
        false, e.at, e.at FROM events e WHERE e.run = run_id AND e.version = 1 ON CONFLICT DO NOTHING;
    PERFORM FROM runs r WHERE r.run = run_id FOR NO KEY UPDATE;
    SELECT e.version, e.digest, e.at INTO last FROM events e WHERE e.run = run_id ORDER BY e.version DESC LIMIT 1;
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

-- Jobs whose claim would pass, in the order in which they are shown: one of each run, then a second of each. What the caller
-- was shown and still holds comes last, so that one whose claims are refused gets to see the others.
CREATE FUNCTION claimable(
    caller uuid, of_chain text, of_run uuid, of_role text, of_lane text, adapters text[],
    except_runs uuid[], except_jobs text[], moment bigint
) RETURNS TABLE (run uuid, chain text, version bigint, job text, role text, lane text, adapter text)
LANGUAGE sql VOLATILE SET search_path FROM CURRENT SET enable_seqscan = off SET jit = off AS $$
    SELECT s.run, s.chain, s.version, s.job, s.role, s.lane, s.adapter FROM (
        SELECT r.run, c.name AS chain, r.version, j.job, j.role, j.lane, j.adapter,
               j.held_until > moment AS held, j.held_by IS NOT DISTINCT FROM caller AS own,
               row_number() OVER (PARTITION BY r.run ORDER BY j.job) AS turn
        FROM runs r JOIN chains c ON c.id = r.chain JOIN ready j ON j.run = r.run
        WHERE r.open AND r.room > 0
            AND (of_chain IS NULL OR c.name = of_chain) AND (of_run IS NULL OR r.run = of_run)
            AND (of_role IS NULL OR j.role = of_role) AND (of_lane IS NULL OR j.lane = of_lane)
            AND (cardinality(adapters) = 0 OR j.adapter = ANY (adapters))
            AND NOT EXISTS (SELECT FROM unnest(except_runs, except_jobs) AS x (run, job)
                            WHERE x.run = j.run AND x.job = j.job)
            AND NOT EXISTS (SELECT FROM timers t WHERE t.run = j.run AND t.job = j.timer_job AND t.epoch = j.timer_epoch
                                                     AND t.deadline > moment)
            AND (j.wants IS NULL OR NOT EXISTS (
                SELECT FROM jsonb_array_elements(j.wants) AS w JOIN resources h
                    ON h.scope = w->>0 AND h.name = w->>1 AND h.slot = (w->>2)::bigint
                WHERE h.run IS NOT NULL))) AS s
    WHERE NOT s.held OR s.own ORDER BY s.held, s.turn, s.chain, s.run
$$;

-- Shows jobs, and withholds them from other callers for a while. A job that somebody else is being shown is passed over.
CREATE FUNCTION show_ready(
    caller uuid, of_chain text, of_run uuid, of_role text, of_lane text, adapters text[],
    except_runs uuid[], except_jobs text[], wanted bigint, hold bigint
) RETURNS TABLE (run uuid, chain text, version bigint, job text, role text, lane text, adapter text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path FROM CURRENT AS $$
#variable_conflict use_column
DECLARE
    moment constant bigint := clock();
    shown  bigint := 0;
    candidate record;
BEGIN
    -- A hold is a hint: it need not survive a crash, so nobody waits for the disk.
    PERFORM set_config('synchronous_commit', 'off', true);
    FOR candidate IN SELECT * FROM claimable(caller, of_chain, of_run, of_role, of_lane, adapters, except_runs, except_jobs, moment) LOOP
        EXIT WHEN shown >= wanted;
        IF hold > 0 THEN
            PERFORM FROM ready j WHERE j.run = candidate.run AND j.job = candidate.job
                AND (j.held_until <= moment OR j.held_by IS NOT DISTINCT FROM caller) FOR UPDATE SKIP LOCKED;
            CONTINUE WHEN NOT FOUND;
            UPDATE ready j SET held_by = caller, held_until = moment + hold WHERE j.run = candidate.run AND j.job = candidate.job;
        END IF;
        shown := shown + 1;
        run := candidate.run; chain := candidate.chain; version := candidate.version; job := candidate.job;
        role := candidate.role; lane := candidate.lane; adapter := candidate.adapter;
        RETURN NEXT;
    END LOOP;
END $$;

-- Moves deadlines forward, never back; for each lease its deadline, or null if there is no such lease.
CREATE FUNCTION renew(run_ids uuid[], jobs text[], epochs bigint[], sessions uuid[], terms bigint[]) RETURNS bigint[]
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path FROM CURRENT SET jit = off AS $$
DECLARE
    moment bigint;
BEGIN
    PERFORM FROM leases l WHERE (l.run, l.job, l.epoch, l.session) IN
        (SELECT b.run, b.job, b.epoch, b.session FROM unnest(run_ids, jobs, epochs, sessions) AS b (run, job, epoch, session))
        ORDER BY l.run, l.job, l.epoch, l.session FOR NO KEY UPDATE;
    moment := clock();
    UPDATE leases l SET deadline = moment + b.term
        FROM (SELECT u.run, u.job, u.epoch, u.session, max(u.term) AS term
              FROM unnest(run_ids, jobs, epochs, sessions, terms) AS u (run, job, epoch, session, term)
              GROUP BY 1, 2, 3, 4) AS b
        WHERE l.run = b.run AND l.job = b.job AND l.epoch = b.epoch AND l.session = b.session
            AND l.deadline < moment + b.term;
    RETURN ARRAY(SELECT l.deadline
        FROM unnest(run_ids, jobs, epochs, sessions) WITH ORDINALITY AS b (run, job, epoch, session, nth)
        LEFT JOIN leases l ON l.run = b.run AND l.job = b.job AND l.epoch = b.epoch AND l.session = b.session
        ORDER BY b.nth);
END $$;

-- Leases whose deadline has passed, the longest passed first, and how long until the next deadline or timer.
CREATE FUNCTION due(
    of_chain text, wanted bigint,
    OUT run_ids uuid[], OUT jobs text[], OUT epochs bigint[], OUT sessions uuid[], OUT pause bigint
)
LANGUAGE plpgsql VOLATILE SET search_path FROM CURRENT AS $$
DECLARE
    moment constant bigint := clock();
BEGIN
    SELECT array_agg(d.run), array_agg(d.job), array_agg(d.epoch), array_agg(d.session)
        INTO run_ids, jobs, epochs, sessions FROM (
            SELECT l.* FROM leases l WHERE l.deadline <= moment AND (of_chain IS NULL OR EXISTS (
                SELECT FROM runs r JOIN chains c ON c.id = r.chain WHERE r.run = l.run AND c.name = of_chain))
            ORDER BY l.deadline, l.run, l.job, l.epoch LIMIT wanted) AS d;
    SELECT min(d.deadline) - moment INTO pause
        FROM (SELECT l.run, l.deadline FROM leases l WHERE l.deadline > moment
              UNION ALL SELECT t.run, t.deadline FROM timers t WHERE t.deadline > moment) AS d
        WHERE of_chain IS NULL OR EXISTS (
            SELECT FROM runs r JOIN chains c ON c.id = r.chain WHERE r.run = d.run AND c.name = of_chain);
END $$;

CREATE FUNCTION request_run(run_id uuid, request bytea) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO requests (run, body, requested_at) VALUES (run_id, request, clock());
    PERFORM pg_notify(channel(), '');
END $$;

-- A request that became a run is gone; one that was refused stays, with the reason.
CREATE FUNCTION settle_request(request_id bigint, reason text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF reason IS NULL THEN
        DELETE FROM requests WHERE id = request_id;
    ELSE
        UPDATE requests SET refusal = reason WHERE id = request_id;
    END IF;
END $$;

-- A function in SQL that has settings of its own is planned anew at each call, which took most of the time of these. Now their
-- plans are kept. All go by key, or by an index of what is open, so a plan that was made while the tables were small is the one
-- for large tables too.

CREATE OR REPLACE FUNCTION run_head(run_id uuid, OUT chain integer, OUT version bigint, OUT digest bytea, OUT at bigint)
RETURNS SETOF record LANGUAGE plpgsql STABLE SET search_path FROM CURRENT
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY SELECT l.chain, l.version, e.digest, e.at FROM (
            SELECT b.chain, b.seq + b.size - 1 AS seq, b.version + b.size - 1 AS version
            FROM events b WHERE b.run = run_id AND b.size IS NOT NULL ORDER BY b.version DESC LIMIT 1) AS l
        LEFT JOIN events e ON e.chain = l.chain AND e.seq = l.seq AND e.run = run_id;
END $$;

CREATE OR REPLACE FUNCTION run_digest(run_id uuid, nth bigint)
RETURNS bytea LANGUAGE plpgsql STABLE SET search_path FROM CURRENT
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
SET plan_cache_mode = force_generic_plan AS $$
BEGIN
    RETURN (SELECT e.digest FROM (
            SELECT b.chain, b.seq + least(nth - b.version, b.size) AS seq FROM events b
            WHERE b.run = run_id AND b.size IS NOT NULL AND b.version <= nth ORDER BY b.version DESC LIMIT 1) AS l
        JOIN events e ON e.chain = l.chain AND e.seq = l.seq AND e.run = run_id AND e.version = nth);
END $$;

CREATE OR REPLACE FUNCTION run_events(run_id uuid, behind bigint, wanted bigint)
RETURNS TABLE (seq bigint, at bigint, prev bytea, digest bytea, body bytea, version bigint, run uuid, last bigint)
LANGUAGE plpgsql STABLE SET search_path FROM CURRENT
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY SELECT e.seq, e.at, e.prev, e.digest, e.body, e.version, e.run, b.version + b.size - 1
        FROM events b JOIN events e ON e.chain = b.chain AND e.seq >= b.seq AND e.seq < b.seq + b.size
        WHERE b.run = run_id AND b.size IS NOT NULL AND e.version > behind AND b.version >= coalesce(
            (SELECT max(f.version) FROM events f WHERE f.run = run_id AND f.size IS NOT NULL AND f.version <= behind), 0)
        ORDER BY b.version, e.seq LIMIT wanted;
END $$;

CREATE OR REPLACE FUNCTION claimable(
    caller uuid, of_chain text, of_run uuid, of_role text, of_lane text, adapters text[],
    except_runs uuid[], except_jobs text[], moment bigint
) RETURNS TABLE (run uuid, chain text, version bigint, job text, role text, lane text, adapter text)
LANGUAGE plpgsql VOLATILE SET search_path FROM CURRENT
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY SELECT s.run, s.chain, s.version, s.job, s.role, s.lane, s.adapter FROM (
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
                AND NOT EXISTS (SELECT FROM timers t WHERE t.run = j.run AND t.job = j.timer_job
                                                         AND t.epoch = j.timer_epoch AND t.deadline > moment)
                AND (j.wants IS NULL OR NOT EXISTS (
                    SELECT FROM jsonb_array_elements(j.wants) AS w JOIN resources h
                        ON h.scope = w->>0 AND h.name = w->>1 AND h.slot = (w->>2)::bigint
                    WHERE h.run IS NOT NULL))) AS s
        WHERE NOT s.held OR s.own ORDER BY s.held, s.turn, s.chain, s.run;
END $$;

-- A search for jobs began with the runs that are open. It begins with the jobs that are ready: a run that has ended has none. So whether
-- a run is open need not stand in an index, which moved whole rows and wrote a key into each index of runs whenever a run began or ended.
DROP INDEX runs_open;

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
            SELECT j.run, r.chain, r.version, j.job, j.role, j.lane, j.adapter,
                   j.held_until > moment AS held, j.held_by IS NOT DISTINCT FROM caller AS own,
                   row_number() OVER (PARTITION BY j.run ORDER BY j.job) AS turn
            FROM ready j CROSS JOIN LATERAL (
                -- With an offset it stays a look at one run, however few the runs were when this was planned.
                SELECT c.name AS chain, f.version FROM runs f JOIN chains c ON c.id = f.chain
                WHERE f.run = j.run AND f.open AND f.room > 0 OFFSET 0) AS r
            WHERE (of_chain IS NULL OR r.chain = of_chain) AND (of_run IS NULL OR j.run = of_run)
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

-- The bodies of a row begin alike, but for the number of each event in its run. That beginning stands once, in the first of them.
-- Rows of the version before share nothing, and stay as they are.

ALTER TABLE batches ADD COLUMN lead INTEGER NOT NULL DEFAULT 0;    -- how many bytes of the first body stand before its number (version)
ALTER TABLE batches ADD COLUMN trail INTEGER NOT NULL DEFAULT 0;   -- how many behind it stand behind that of each other as well

-- A body but the first stands in the row without what is shared, and without its number: lead, number and trail, then what stands
-- there. Where lead and trail are 0 nothing is shared.
DROP VIEW chain_events;
CREATE VIEW chain_events (chain, seq, at, prev, digest, body, place) AS
    SELECT c.name, (b.place & 1099511627775) + e.n, b.at,
        substr(b.links, 32 * e.n + 1, 32), substr(b.links, 32 * e.n + 33, 32),
        CAST(CASE WHEN e.n > 0 AND b.lead + b.trail > 0
                  THEN substr(b.bodies, 1, b.lead) || (b.version + e.n) || substr(b.bodies, 1 + b.lead + length(b.version), b.trail)
                  ELSE x'' END
            || substr(b.bodies, 1 + substr('00000' || b.cuts, 5 * e.n + 1, 5),
                      substr(b.cuts || printf('%05d', length(b.bodies)), 5 * e.n + 1, 5)
                          - substr('00000' || b.cuts, 5 * e.n + 1, 5)) AS BLOB),
        b.place
    FROM chains c CROSS JOIN batches b ON b.place > (c.id << 40) AND b.place < ((c.id + 1) << 40)
        CROSS JOIN nths e ON e.n < (length(b.links) - 1) / 32;

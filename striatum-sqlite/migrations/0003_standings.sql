-- A run's row is written when the run moves, and not with each of its events. Where its events end is told by its last batch. Its
-- room is what its leases leave of `parallel`: a grant takes from the room what it adds to the leases, so `parallel` rests.

ALTER TABLE runs ADD COLUMN parallel INTEGER NOT NULL DEFAULT 0;   -- how many leases it may have at once
UPDATE runs SET parallel = room + (SELECT count(*) FROM leases WHERE leases.run = runs.key);
ALTER TABLE runs DROP COLUMN version;
ALTER TABLE runs DROP COLUMN digest;
ALTER TABLE runs DROP COLUMN room;
ALTER TABLE runs DROP COLUMN updated_at;

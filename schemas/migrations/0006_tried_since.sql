-- Since when a delivery is tried: what it waited for something else than its next attempt is not in it.
-- What was tried before this has one more day.
ALTER TABLE deliveries ADD COLUMN tried_since timestamptz;

-- Ids are made in the order of time: what lists by them needs no other index, which each change had to write.
DROP INDEX deliveries_listed;

-- What ended badly is listed and redriven by its status. The id comes first: in its order the rows lie in the
-- table, which makes this one cheaper than to walk all ids, also in the planner's eyes.
CREATE INDEX deliveries_ended ON deliveries (id, status) WHERE status IN ('failed', 'unknown');

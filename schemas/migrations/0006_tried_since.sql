-- Since when a delivery is tried: what it waited for something else than its next attempt is not in it.
-- What was tried before this has one more day.
ALTER TABLE deliveries ADD COLUMN tried_since timestamptz;

-- Ids are made in the order of time: what lists by them needs no other index, which each change had to write.
DROP INDEX deliveries_listed;

-- What ended badly is listed and redriven by its status. The id comes first: in its order the rows lie in the
-- table, which makes this one cheaper than to walk all ids, also in the planner's eyes.
-- By itself: what needs the table alone must neither wait for the scan with it, so that reads go on, nor come
-- after it in one transaction, where it would meet those in a circle who have read and wait to write.
CREATE INDEX deliveries_ended ON deliveries (id, status) WHERE status IN ('failed', 'unknown');

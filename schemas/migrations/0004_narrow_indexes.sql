-- A walk writes a row for each of a million people, and each index that begins with the person costs a page of
-- its own for every one of them: such indexes are few, and narrow.

-- Persons of one audience share the id of their notification: rows that come together lie together.
ALTER TABLE notifications DROP CONSTRAINT notifications_pkey, ADD PRIMARY KEY (id, user_id);
DROP INDEX notifications_list;
CREATE INDEX notifications_list ON notifications (user_id, updated_at DESC);

DROP INDEX decisions_user;
CREATE INDEX decisions_user ON decisions (user_id, at DESC);

-- Only what may gather more is ever asked whose doings it holds.
ALTER TABLE decisions ADD COLUMN gathers boolean NOT NULL DEFAULT true;
DROP INDEX decisions_notification;
CREATE INDEX decisions_notification ON decisions (user_id, notification_id, actor) WHERE gathers;

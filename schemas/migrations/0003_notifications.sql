-- Notifications: who belongs to which audience, what people want, what they were told, and how it was sent.

-- A push-only entry: packets for sockets that belong to no event of the log. target is a namespace and its rooms.
ALTER TABLE outbox ADD COLUMN target text[], ADD COLUMN packet text;
ALTER TABLE outbox DROP CONSTRAINT outbox_check1;
ALTER TABLE outbox ADD CONSTRAINT outbox_kind CHECK (num_nonnulls(event_id, control, packet) = 1);
ALTER TABLE outbox ADD CONSTRAINT outbox_target CHECK ((target IS NULL) = (packet IS NULL));
ALTER TABLE relay_log ADD COLUMN target text[], ADD COLUMN packet text;
CREATE INDEX relay_log_packet ON relay_log (relayed_at) WHERE packet IS NOT NULL;

-- Nobody is notified of what happened before there were notifications: the group begins where the log is now.
INSERT INTO consumer_positions (grp, partition, seq)
SELECT 'router', p, coalesce((SELECT max(r.seq) FROM relay_log r WHERE r.partition = p), 0)
FROM hub_meta m CROSS JOIN LATERAL generate_series(0, m.partitions - 1) AS p;

-- Kept from user.*, zone.* and conversation.* events by the group `audiences`.
-- kind: followers and subscribers (of a user), members (of a zone), conversation (its members).
CREATE TABLE audience_members (
    kind   text NOT NULL CHECK (kind IN ('followers', 'subscribers', 'zone', 'conversation')),
    target text NOT NULL,
    member text NOT NULL,
    PRIMARY KEY (kind, target, member)
);
CREATE INDEX audience_members_member ON audience_members (member);

CREATE TABLE preferences (
    user_id    text PRIMARY KEY,
    document   jsonb NOT NULL,  -- only what the person said; defaults are filled in when read
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE endpoints (
    id             uuid PRIMARY KEY,
    user_id        text NOT NULL,
    channel        text NOT NULL CHECK (channel IN ('push', 'sms', 'email', 'telegram')),
    address        text NOT NULL,
    kind           text,      -- of push: token, fid or webpush
    platform       text,
    name           text,      -- of a device, as its owner sees it
    state          text NOT NULL CHECK (state IN ('pending', 'active', 'retired')),
    of_profile     boolean NOT NULL DEFAULT false,  -- the platform named it: it goes when the profile changes
    retired_reason text,
    created_at     timestamptz NOT NULL DEFAULT now(),
    verified_at    timestamptz,
    used_at        timestamptz,
    UNIQUE (user_id, channel, address)
);
CREATE INDEX endpoints_address ON endpoints (channel, address);
INSERT INTO endpoints (id, user_id, channel, address, state, of_profile, created_at, verified_at)
SELECT gen_random_uuid(), u.id, a.channel, a.address, 'active', true, a.verified_at, a.verified_at
FROM users u CROSS JOIN LATERAL (VALUES ('email', lower(u.email), u.email_verified_at),
                                        ('sms', u.phone, u.phone_verified_at))
     AS a (channel, address, verified_at)
WHERE a.address IS NOT NULL AND a.verified_at IS NOT NULL;

-- Append-only. The last entry for a channel, address and topic counts; topic '' speaks of all topics.
CREATE TABLE consent (
    n       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    channel text NOT NULL,
    address text NOT NULL,   -- of e-mail in small letters, as in endpoints
    topic   text NOT NULL DEFAULT '',
    allowed boolean NOT NULL,
    source  text NOT NULL,   -- link, settings, keyword, bounce, complaint, blocked, gone, suppressed
    detail  text,
    user_id text,
    at      timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX consent_last ON consent (channel, address, topic, n DESC);
CREATE INDEX consent_user ON consent (user_id, n) WHERE user_id IS NOT NULL;

-- One row for each person and event, or for several events that were collapsed into one.
-- Persons of one audience share the id: then one entry of the push stream serves a thousand rooms.
CREATE TABLE notifications (
    user_id      text NOT NULL,
    id           uuid NOT NULL,
    topic        text NOT NULL,
    priority     text NOT NULL,
    title        text NOT NULL,
    text         text,
    url          text,
    actors       text[] NOT NULL DEFAULT '{}',  -- the latest first, at most as many as are shown
    count        int NOT NULL DEFAULT 1,
    event_ids    uuid[] NOT NULL,               -- the latest first, the oldest beyond a hundred are left out
    collapse_key text,
    state        text NOT NULL DEFAULT 'unread' CHECK (state IN ('unread', 'read', 'archived')),
    badge        boolean NOT NULL DEFAULT true, -- whether it counts as unread
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL,
    PRIMARY KEY (user_id, id)
);
CREATE UNIQUE INDEX notifications_open ON notifications (user_id, collapse_key)
    WHERE state = 'unread' AND collapse_key IS NOT NULL;
CREATE INDEX notifications_list ON notifications (user_id, updated_at DESC, id DESC);
CREATE INDEX notifications_unread ON notifications (user_id) WHERE state = 'unread' AND badge;

-- What routing chose for a person upon an event: one element for each endpoint, with its reason.
CREATE TABLE decisions (
    event_id        uuid NOT NULL,
    user_id         text NOT NULL,
    notification_id uuid NOT NULL,  -- has no row in notifications where in-app was not chosen
    topic           text NOT NULL,
    actor           text,
    decided         jsonb NOT NULL, -- [{channel, endpoint, action, reason, until, at}]
    at              timestamptz NOT NULL,
    PRIMARY KEY (event_id, user_id)
);
CREATE INDEX decisions_user ON decisions (user_id, at DESC, event_id);
-- Whose doings a notification gathered: with 100,000 likes in it, one more must not count them all.
CREATE INDEX decisions_notification ON decisions (user_id, notification_id, actor);
CREATE INDEX decisions_age ON decisions USING brin (at);

-- Durable walks through an audience: where they stand moves in the transaction of what they wrote.
CREATE TABLE walks (
    event_id    uuid NOT NULL,
    step        smallint NOT NULL,   -- which of the catalogue's audiences of this event
    seq         bigint NOT NULL,     -- the event's number
    accepted_at timestamptz NOT NULL,
    after       text NOT NULL DEFAULT '',
    done        bigint NOT NULL DEFAULT 0,
    state       text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'done', 'dead')),
    attempts    int NOT NULL DEFAULT 0,
    due_at      timestamptz NOT NULL DEFAULT now(),
    owner       text,
    lease_until timestamptz,
    error       text,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (event_id, step)
);
CREATE INDEX walks_open ON walks (due_at) WHERE state = 'open';

-- Queue (claimed by lease), schedule (due_at) and record in one.
CREATE TABLE deliveries (
    id              uuid PRIMARY KEY,
    user_id         text NOT NULL,
    event_id        uuid NOT NULL,
    notification_id uuid NOT NULL,
    topic           text NOT NULL,
    priority        smallint NOT NULL,  -- 0 immediate, 1 standard, 2 batch
    channel         text NOT NULL,
    endpoint_id     uuid NOT NULL,
    address         text NOT NULL,
    status          text NOT NULL CHECK (status IN ('queued', 'held', 'sending', 'sent', 'delivered', 'opened',
                        'clicked', 'failed', 'bounced', 'unknown', 'dropped')),
    reason          text,
    due_at          timestamptz NOT NULL,
    expires_at      timestamptz,
    attempts        int NOT NULL DEFAULT 0,
    notes           int NOT NULL DEFAULT 0,  -- lines in delivery_attempts
    owner           text,                    -- a dispatcher, or the id of the batch
    lease_until     timestamptz,
    batch_id        uuid,
    provider        text,
    provider_ref    text,
    created_at      timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL DEFAULT now(),
    sent_at         timestamptz
) WITH (fillfactor = 80);
CREATE INDEX deliveries_due ON deliveries (channel, priority, due_at) WHERE status IN ('queued', 'held');
CREATE INDEX deliveries_leased ON deliveries (lease_until) WHERE status = 'sending';
CREATE INDEX deliveries_event ON deliveries (event_id, user_id);
CREATE INDEX deliveries_user ON deliveries (user_id, notification_id);
CREATE INDEX deliveries_provider_ref ON deliveries (provider_ref, provider) WHERE provider_ref IS NOT NULL;
CREATE INDEX deliveries_listed ON deliveries (created_at DESC, id DESC);
CREATE INDEX deliveries_sent ON deliveries (user_id, channel, sent_at DESC) WHERE sent_at IS NOT NULL;

CREATE TABLE delivery_attempts (
    delivery_id uuid NOT NULL,
    n           int NOT NULL,
    at          timestamptz NOT NULL,
    outcome     text NOT NULL,
    detail      text,
    PRIMARY KEY (delivery_id, n)
);

-- Mails that go out as one call: stored with their bodies before, and repeated unchanged under the same key.
CREATE TABLE email_batches (
    id         uuid PRIMARY KEY,
    provider   text NOT NULL,
    mails      jsonb NOT NULL,   -- in the order of `deliveries`
    deliveries uuid[] NOT NULL,
    state      text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'done', 'dead')),
    attempts   int NOT NULL DEFAULT 0,
    due_at     timestamptz NOT NULL,
    owner      text,
    lease_until timestamptz,
    created_at timestamptz NOT NULL
);
CREATE INDEX email_batches_open ON email_batches (due_at) WHERE state = 'open';

-- Shared by all workers: the token bucket and the breaker of each provider.
CREATE TABLE provider_state (
    provider     text PRIMARY KEY,
    tokens       double precision NOT NULL,
    refilled_at  timestamptz NOT NULL,
    paused_until timestamptz,       -- the provider asked for a pause, or is misconfigured
    failures     int NOT NULL DEFAULT 0,
    opened_at    timestamptz,       -- the breaker is open since
    probe_until  timestamptz,       -- somebody tries whether it can be closed
    reason       text
);

-- Webhooks are handled once: the id that their sender gave them.
CREATE TABLE webhook_ids (
    provider text NOT NULL,
    id       text NOT NULL,
    at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (provider, id)
);
CREATE INDEX webhook_ids_age ON webhook_ids (at);

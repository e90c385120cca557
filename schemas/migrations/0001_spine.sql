-- The spine: people, the log of events, the outbox, the relay's log, groups and their positions.

CREATE TABLE hub_meta (
    only_row   boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    instance   uuid NOT NULL DEFAULT gen_random_uuid(),  -- names this database's streams in Redis
    partitions smallint                                  -- fixed by the first process that starts
);
INSERT INTO hub_meta DEFAULT VALUES;

CREATE TABLE users (
    id                text PRIMARY KEY,
    handle            text,
    name              text,
    tz                text,
    locale            text,
    email             text,
    email_verified_at timestamptz,
    phone             text,
    phone_verified_at timestamptz,
    roles             text[] NOT NULL DEFAULT '{}',
    suspended_at      timestamptz,
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL DEFAULT now()
);

-- Insert-only; a month is a partition, so that retention is a DROP and never a DELETE.
-- Lists by type or subject go through relay_log, which holds both in the order of the numbers.
CREATE TABLE events (
    id          uuid NOT NULL,
    accepted_at timestamptz NOT NULL,
    type        text NOT NULL,
    subject     text NOT NULL,
    actor       text,
    source      text NOT NULL,
    time        timestamptz NOT NULL,
    data        jsonb NOT NULL,
    trace_id    text,
    PRIMARY KEY (accepted_at, id)
) PARTITION BY RANGE (accepted_at);

-- Who is named by which event: what a person may see, take along and have erased.
CREATE TABLE event_people (
    user_id     text NOT NULL,
    accepted_at timestamptz NOT NULL,
    event_id    uuid NOT NULL,
    PRIMARY KEY (user_id, accepted_at, event_id)
) PARTITION BY RANGE (accepted_at);

-- Ids are idempotent across partitions; the digest is of what the client sent.
CREATE TABLE event_ids (
    id          uuid PRIMARY KEY,
    accepted_at timestamptz NOT NULL,
    digest      bytea NOT NULL
);
-- For retention alone: ids lie in the order of their acceptance, and a B-tree would cost every publish.
CREATE INDEX event_ids_age ON event_ids USING brin (accepted_at);

CREATE TABLE idempotency_keys (
    principal  text NOT NULL,
    key        text NOT NULL,
    body_hash  bytea NOT NULL,
    response   jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (principal, key)
);
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);

-- What was committed and is not numbered yet: an event, or words for the gateways (a push-only entry).
CREATE TABLE outbox (
    n           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id    uuid,
    accepted_at timestamptz,
    control     text[],
    CHECK ((event_id IS NULL) = (accepted_at IS NULL)),
    CHECK ((event_id IS NULL) <> (control IS NULL)),
    CHECK (cardinality(control) > 0)
);
-- The queue is always nearly empty; freed pages must be found again soon.
ALTER TABLE outbox SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

-- The numbers: gapless, in commit order. prev and push_prev chain the entries of one stream.
CREATE TABLE relay_log (
    seq         bigint PRIMARY KEY,
    partition   smallint,
    prev        bigint,
    push_prev   bigint,
    event_id    uuid,
    type        text,
    subject     text,
    accepted_at timestamptz,
    control     text[],
    relayed_at  timestamptz NOT NULL,
    CHECK ((partition IS NULL) = (prev IS NULL))
);
CREATE INDEX relay_log_partition ON relay_log (partition, seq) WHERE partition IS NOT NULL;
CREATE INDEX relay_log_push ON relay_log (seq) WHERE push_prev IS NOT NULL;
CREATE INDEX relay_log_event ON relay_log (event_id) WHERE event_id IS NOT NULL;
CREATE INDEX relay_log_type ON relay_log (type, seq) WHERE type IS NOT NULL;
CREATE INDEX relay_log_subject ON relay_log (subject, seq) WHERE subject IS NOT NULL;
-- Numbers and instants ascend together: from an instant to the last number before it in one step.
CREATE INDEX relay_log_relayed ON relay_log (relayed_at, seq);
-- Words for the gateways are kept for a day: they may name a person.
CREATE INDEX relay_log_control ON relay_log (relayed_at) WHERE control IS NOT NULL;

-- The last number of each stream: "log" (all of them), "push", and one row for each partition.
CREATE TABLE relay_heads (
    stream text PRIMARY KEY,
    seq    bigint NOT NULL
);
INSERT INTO relay_heads VALUES ('log', 0), ('push', 0);

CREATE TABLE workers (
    grp     text NOT NULL,
    id      text NOT NULL,
    seen_at timestamptz NOT NULL,
    PRIMARY KEY (grp, id)
);

CREATE TABLE consumer_positions (
    grp         text NOT NULL,
    partition   smallint NOT NULL,
    seq         bigint NOT NULL DEFAULT 0,
    epoch       bigint NOT NULL DEFAULT 0,
    owner       text,
    lease_until timestamptz,
    PRIMARY KEY (grp, partition)
) WITH (fillfactor = 50);

-- When a group passed where: the trace reads from it when an event was handled. After an hour, one row of
-- each second is left.
CREATE TABLE consumer_commits (
    grp       text NOT NULL,
    partition smallint NOT NULL,
    seq       bigint NOT NULL,
    at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (grp, partition, seq)
);
CREATE INDEX consumer_commits_age ON consumer_commits USING brin (at) WITH (autosummarize = on);

-- state: parked (waits for its attempt, or behind an earlier one), handled (late), dead (attempts spent).
CREATE TABLE parked (
    grp        text NOT NULL,
    seq        bigint NOT NULL,
    partition  smallint NOT NULL,
    subject    text NOT NULL,
    attempts   int NOT NULL DEFAULT 0,
    due_at     timestamptz NOT NULL,
    state      text NOT NULL DEFAULT 'parked' CHECK (state IN ('parked', 'handled', 'dead')),
    error      text,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (grp, seq)
);
CREATE INDEX parked_waiting ON parked (grp, partition, subject, seq) WHERE state = 'parked';
CREATE INDEX parked_dead ON parked (grp, seq) WHERE state = 'dead';

-- The group `stats`: events by type and (UTC) day of relaying.
CREATE TABLE stats_daily (
    day   date NOT NULL,
    type  text NOT NULL,
    count bigint NOT NULL,
    PRIMARY KEY (day, type)
);

-- What all migrations together make (without the months); written by tests/schemas/test_migrate.py.

CREATE TABLE public.consumer_commits (
    grp text NOT NULL,
    partition smallint NOT NULL,
    seq bigint NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

CREATE TABLE public.consumer_positions (
    grp text NOT NULL,
    partition smallint NOT NULL,
    seq bigint DEFAULT 0 NOT NULL,
    epoch bigint DEFAULT 0 NOT NULL,
    owner text,
    lease_until timestamp with time zone
)
WITH (fillfactor='50');

CREATE TABLE public.event_ids (
    id uuid NOT NULL,
    accepted_at timestamp with time zone NOT NULL,
    digest bytea NOT NULL
);

CREATE TABLE public.event_people (
    user_id text NOT NULL,
    accepted_at timestamp with time zone NOT NULL,
    event_id uuid NOT NULL
)
PARTITION BY RANGE (accepted_at);

CREATE TABLE public.events (
    id uuid NOT NULL,
    accepted_at timestamp with time zone NOT NULL,
    type text NOT NULL,
    subject text NOT NULL,
    actor text,
    source text NOT NULL,
    "time" timestamp with time zone NOT NULL,
    data jsonb NOT NULL,
    trace_id text
)
PARTITION BY RANGE (accepted_at);

CREATE TABLE public.gateways (
    id text NOT NULL,
    seq bigint NOT NULL,
    seen_at timestamp with time zone NOT NULL
);

CREATE TABLE public.hub_meta (
    only_row boolean DEFAULT true NOT NULL,
    instance uuid DEFAULT gen_random_uuid() NOT NULL,
    partitions smallint,
    CONSTRAINT hub_meta_only_row_check CHECK (only_row)
);

CREATE TABLE public.idempotency_keys (
    principal text NOT NULL,
    key text NOT NULL,
    body_hash bytea NOT NULL,
    response jsonb,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE public.migrations (
    number integer NOT NULL,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE public.outbox (
    n bigint NOT NULL,
    event_id uuid,
    accepted_at timestamp with time zone,
    control text[],
    CONSTRAINT outbox_check CHECK (((event_id IS NULL) = (accepted_at IS NULL))),
    CONSTRAINT outbox_check1 CHECK (((event_id IS NULL) <> (control IS NULL))),
    CONSTRAINT outbox_control_check CHECK ((cardinality(control) > 0))
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='2000');

ALTER TABLE public.outbox ALTER COLUMN n ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.outbox_n_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.parked (
    grp text NOT NULL,
    seq bigint NOT NULL,
    partition smallint NOT NULL,
    subject text NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    due_at timestamp with time zone NOT NULL,
    state text DEFAULT 'parked'::text NOT NULL,
    error text,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT parked_state_check CHECK ((state = ANY (ARRAY['parked'::text, 'handled'::text, 'dead'::text])))
);

CREATE TABLE public.relay_heads (
    stream text NOT NULL,
    seq bigint NOT NULL
);

CREATE TABLE public.relay_log (
    seq bigint NOT NULL,
    partition smallint,
    prev bigint,
    push_prev bigint,
    event_id uuid,
    type text,
    subject text,
    accepted_at timestamp with time zone,
    control text[],
    relayed_at timestamp with time zone NOT NULL,
    CONSTRAINT relay_log_check CHECK (((partition IS NULL) = (prev IS NULL)))
);

CREATE TABLE public.socket_sessions (
    pid text NOT NULL,
    sid text NOT NULL,
    namespace text NOT NULL,
    user_id text NOT NULL,
    gateway text NOT NULL,
    rooms jsonb NOT NULL,
    as_of bigint NOT NULL,
    heard bigint NOT NULL,
    left_at timestamp with time zone
)
WITH (fillfactor='70', autovacuum_vacuum_scale_factor='0.05');

CREATE TABLE public.stats_daily (
    day date NOT NULL,
    type text NOT NULL,
    count bigint NOT NULL
);

CREATE TABLE public.users (
    id text NOT NULL,
    handle text,
    name text,
    tz text,
    locale text,
    email text,
    email_verified_at timestamp with time zone,
    phone text,
    phone_verified_at timestamp with time zone,
    roles text[] DEFAULT '{}'::text[] NOT NULL,
    suspended_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE public.workers (
    grp text NOT NULL,
    id text NOT NULL,
    seen_at timestamp with time zone NOT NULL
);

ALTER TABLE ONLY public.consumer_commits
    ADD CONSTRAINT consumer_commits_pkey PRIMARY KEY (grp, partition, seq);

ALTER TABLE ONLY public.consumer_positions
    ADD CONSTRAINT consumer_positions_pkey PRIMARY KEY (grp, partition);

ALTER TABLE ONLY public.event_ids
    ADD CONSTRAINT event_ids_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.event_people
    ADD CONSTRAINT event_people_pkey PRIMARY KEY (user_id, accepted_at, event_id);

ALTER TABLE ONLY public.events
    ADD CONSTRAINT events_pkey PRIMARY KEY (accepted_at, id);

ALTER TABLE ONLY public.gateways
    ADD CONSTRAINT gateways_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.hub_meta
    ADD CONSTRAINT hub_meta_pkey PRIMARY KEY (only_row);

ALTER TABLE ONLY public.idempotency_keys
    ADD CONSTRAINT idempotency_keys_pkey PRIMARY KEY (principal, key);

ALTER TABLE ONLY public.migrations
    ADD CONSTRAINT migrations_pkey PRIMARY KEY (number);

ALTER TABLE ONLY public.outbox
    ADD CONSTRAINT outbox_pkey PRIMARY KEY (n);

ALTER TABLE ONLY public.parked
    ADD CONSTRAINT parked_pkey PRIMARY KEY (grp, seq);

ALTER TABLE ONLY public.relay_heads
    ADD CONSTRAINT relay_heads_pkey PRIMARY KEY (stream);

ALTER TABLE ONLY public.relay_log
    ADD CONSTRAINT relay_log_pkey PRIMARY KEY (seq);

ALTER TABLE ONLY public.socket_sessions
    ADD CONSTRAINT socket_sessions_pkey PRIMARY KEY (pid);

ALTER TABLE ONLY public.stats_daily
    ADD CONSTRAINT stats_daily_pkey PRIMARY KEY (day, type);

ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.workers
    ADD CONSTRAINT workers_pkey PRIMARY KEY (grp, id);

CREATE INDEX consumer_commits_age ON public.consumer_commits USING brin (at) WITH (autosummarize='on');

CREATE INDEX event_ids_age ON public.event_ids USING brin (accepted_at);

CREATE INDEX idempotency_keys_age ON public.idempotency_keys USING btree (created_at);

CREATE INDEX parked_dead ON public.parked USING btree (grp, seq) WHERE (state = 'dead'::text);

CREATE INDEX parked_waiting ON public.parked USING btree (grp, partition, subject, seq) WHERE (state = 'parked'::text);

CREATE INDEX relay_log_control ON public.relay_log USING btree (relayed_at) WHERE (control IS NOT NULL);

CREATE INDEX relay_log_event ON public.relay_log USING btree (event_id) WHERE (event_id IS NOT NULL);

CREATE INDEX relay_log_partition ON public.relay_log USING btree (partition, seq) WHERE (partition IS NOT NULL);

CREATE INDEX relay_log_push ON public.relay_log USING btree (seq) WHERE (push_prev IS NOT NULL);

CREATE INDEX relay_log_relayed ON public.relay_log USING btree (relayed_at, seq);

CREATE INDEX relay_log_subject ON public.relay_log USING btree (subject, seq) WHERE (subject IS NOT NULL);

CREATE INDEX relay_log_type ON public.relay_log USING btree (type, seq) WHERE (type IS NOT NULL);

CREATE INDEX socket_sessions_gateway ON public.socket_sessions USING btree (gateway);

CREATE INDEX socket_sessions_user ON public.socket_sessions USING btree (user_id);

-- What all migrations together make (without the months); written by tests/schemas/test_migrate.py.

CREATE FUNCTION public.forget_digest_items() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    DELETE FROM digest_items i USING gone WHERE i.digest_id = gone.id;
    RETURN NULL;
END
$$;

CREATE TABLE public.audience_members (
    kind text NOT NULL,
    target text NOT NULL,
    member text NOT NULL,
    CONSTRAINT audience_members_kind_check CHECK ((kind = ANY (ARRAY['followers'::text, 'subscribers'::text, 'zone'::text, 'conversation'::text])))
);

CREATE TABLE public.consent (
    n bigint NOT NULL,
    channel text NOT NULL,
    address text NOT NULL,
    topic text DEFAULT ''::text NOT NULL,
    allowed boolean NOT NULL,
    source text NOT NULL,
    detail text,
    user_id text,
    at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE public.consent ALTER COLUMN n ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.consent_n_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

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

CREATE TABLE public.decisions (
    event_id uuid NOT NULL,
    user_id text NOT NULL,
    notification_id uuid NOT NULL,
    topic text NOT NULL,
    actor text,
    decided jsonb NOT NULL,
    at timestamp with time zone NOT NULL,
    gathers boolean DEFAULT true NOT NULL
);

CREATE TABLE public.deliveries (
    id uuid NOT NULL,
    user_id text NOT NULL,
    event_id uuid,
    notification_id uuid,
    topic text NOT NULL,
    priority smallint NOT NULL,
    channel text NOT NULL,
    endpoint_id uuid NOT NULL,
    address text NOT NULL,
    status text NOT NULL,
    reason text,
    due_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone,
    attempts integer DEFAULT 0 NOT NULL,
    notes integer DEFAULT 0 NOT NULL,
    owner text,
    lease_until timestamp with time zone,
    batch_id uuid,
    provider text,
    provider_ref text,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    sent_at timestamp with time zone,
    digest_id uuid,
    verification_id uuid,
    tried_since timestamp with time zone,
    CONSTRAINT deliveries_of CHECK (((num_nonnulls(event_id, digest_id, verification_id) = 1) AND ((event_id IS NULL) = (notification_id IS NULL)))),
    CONSTRAINT deliveries_status_check CHECK ((status = ANY (ARRAY['queued'::text, 'held'::text, 'sending'::text, 'sent'::text, 'delivered'::text, 'opened'::text, 'clicked'::text, 'failed'::text, 'bounced'::text, 'unknown'::text, 'dropped'::text])))
)
WITH (fillfactor='80');

CREATE TABLE public.delivery_attempts (
    delivery_id uuid NOT NULL,
    n integer NOT NULL,
    at timestamp with time zone NOT NULL,
    outcome text NOT NULL,
    detail text
);

CREATE TABLE public.digest_items (
    digest_id uuid NOT NULL,
    event_id uuid NOT NULL,
    notification_id uuid NOT NULL,
    topic text NOT NULL,
    at timestamp with time zone NOT NULL,
    left_out text
);

CREATE TABLE public.digests (
    id uuid NOT NULL,
    user_id text NOT NULL,
    channel text NOT NULL,
    endpoint_id uuid NOT NULL,
    kind text NOT NULL,
    state text DEFAULT 'open'::text NOT NULL,
    due_at timestamp with time zone NOT NULL,
    opened_at timestamp with time zone NOT NULL,
    closed_at timestamp with time zone,
    CONSTRAINT digests_channel_check CHECK ((channel = ANY (ARRAY['email'::text, 'telegram'::text]))),
    CONSTRAINT digests_kind_check CHECK ((kind = ANY (ARRAY['scheduled'::text, 'spacing'::text]))),
    CONSTRAINT digests_state_check CHECK ((state = ANY (ARRAY['open'::text, 'closed'::text])))
)
WITH (fillfactor='80');

CREATE TABLE public.email_batches (
    id uuid NOT NULL,
    provider text NOT NULL,
    mails json NOT NULL,
    deliveries uuid[] NOT NULL,
    state text DEFAULT 'open'::text NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    due_at timestamp with time zone NOT NULL,
    owner text,
    lease_until timestamp with time zone,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT email_batches_state_check CHECK ((state = ANY (ARRAY['open'::text, 'done'::text, 'dead'::text])))
);
ALTER TABLE ONLY public.email_batches ALTER COLUMN mails SET STORAGE EXTERNAL;

CREATE TABLE public.endpoints (
    id uuid NOT NULL,
    user_id text NOT NULL,
    channel text NOT NULL,
    address text NOT NULL,
    kind text,
    platform text,
    name text,
    state text NOT NULL,
    of_profile boolean DEFAULT false NOT NULL,
    retired_reason text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    verified_at timestamp with time zone,
    used_at timestamp with time zone,
    CONSTRAINT endpoints_channel_check CHECK ((channel = ANY (ARRAY['push'::text, 'sms'::text, 'email'::text, 'telegram'::text]))),
    CONSTRAINT endpoints_state_check CHECK ((state = ANY (ARRAY['pending'::text, 'active'::text, 'retired'::text])))
)
WITH (fillfactor='80');

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

CREATE TABLE public.notifications (
    user_id text NOT NULL,
    id uuid NOT NULL,
    topic text NOT NULL,
    priority text NOT NULL,
    title text NOT NULL,
    text text,
    url text,
    actors text[] DEFAULT '{}'::text[] NOT NULL,
    count integer DEFAULT 1 NOT NULL,
    event_ids uuid[] NOT NULL,
    collapse_key text,
    state text DEFAULT 'unread'::text NOT NULL,
    badge boolean DEFAULT true NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    CONSTRAINT notifications_state_check CHECK ((state = ANY (ARRAY['unread'::text, 'read'::text, 'archived'::text])))
);

CREATE TABLE public.outbox (
    n bigint NOT NULL,
    event_id uuid,
    accepted_at timestamp with time zone,
    control text[],
    target text[],
    packet text,
    CONSTRAINT outbox_check CHECK (((event_id IS NULL) = (accepted_at IS NULL))),
    CONSTRAINT outbox_control_check CHECK ((cardinality(control) > 0)),
    CONSTRAINT outbox_kind CHECK ((num_nonnulls(event_id, control, packet) = 1)),
    CONSTRAINT outbox_target CHECK (((target IS NULL) = (packet IS NULL)))
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

CREATE TABLE public.preferences (
    user_id text NOT NULL,
    document jsonb NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE public.provider_state (
    provider text NOT NULL,
    tokens double precision NOT NULL,
    refilled_at timestamp with time zone NOT NULL,
    paused_until timestamp with time zone,
    failures integer DEFAULT 0 NOT NULL,
    opened_at timestamp with time zone,
    probe_until timestamp with time zone,
    reason text
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
    target text[],
    packet text,
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

CREATE TABLE public.telegram_bot (
    one boolean DEFAULT true NOT NULL,
    number text NOT NULL,
    username text NOT NULL,
    CONSTRAINT telegram_bot_one_check CHECK (one)
);

CREATE TABLE public.telegram_links (
    token_digest bytea NOT NULL,
    user_id text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    used_at timestamp with time zone
);

CREATE TABLE public.telegram_updates (
    update_id bigint NOT NULL,
    chat bigint,
    body jsonb NOT NULL,
    state text DEFAULT 'open'::text NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    due_at timestamp with time zone DEFAULT now() NOT NULL,
    owner text,
    lease_until timestamp with time zone,
    error text,
    did text,
    reply text,
    reply_due_at timestamp with time zone,
    received_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT telegram_updates_state_check CHECK ((state = ANY (ARRAY['open'::text, 'done'::text, 'dead'::text])))
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

CREATE TABLE public.verifications (
    id uuid NOT NULL,
    user_id text NOT NULL,
    endpoint_id uuid NOT NULL,
    channel text NOT NULL,
    address text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    tries integer DEFAULT 0 NOT NULL,
    quiet boolean DEFAULT false NOT NULL,
    used_at timestamp with time zone
);

CREATE TABLE public.walks (
    event_id uuid NOT NULL,
    step smallint NOT NULL,
    seq bigint NOT NULL,
    accepted_at timestamp with time zone NOT NULL,
    after text DEFAULT ''::text NOT NULL,
    done bigint DEFAULT 0 NOT NULL,
    state text DEFAULT 'open'::text NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    due_at timestamp with time zone DEFAULT now() NOT NULL,
    owner text,
    lease_until timestamp with time zone,
    error text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT walks_state_check CHECK ((state = ANY (ARRAY['open'::text, 'done'::text, 'dead'::text])))
);

CREATE TABLE public.webhook_ids (
    provider text NOT NULL,
    id text NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE public.workers (
    grp text NOT NULL,
    id text NOT NULL,
    seen_at timestamp with time zone NOT NULL
);

ALTER TABLE ONLY public.audience_members
    ADD CONSTRAINT audience_members_pkey PRIMARY KEY (kind, target, member);

ALTER TABLE ONLY public.consent
    ADD CONSTRAINT consent_pkey PRIMARY KEY (n);

ALTER TABLE ONLY public.consumer_commits
    ADD CONSTRAINT consumer_commits_pkey PRIMARY KEY (grp, partition, seq);

ALTER TABLE ONLY public.consumer_positions
    ADD CONSTRAINT consumer_positions_pkey PRIMARY KEY (grp, partition);

ALTER TABLE ONLY public.decisions
    ADD CONSTRAINT decisions_pkey PRIMARY KEY (event_id, user_id);

ALTER TABLE ONLY public.deliveries
    ADD CONSTRAINT deliveries_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.delivery_attempts
    ADD CONSTRAINT delivery_attempts_pkey PRIMARY KEY (delivery_id, n);

ALTER TABLE ONLY public.digest_items
    ADD CONSTRAINT digest_items_pkey PRIMARY KEY (digest_id, event_id);

ALTER TABLE ONLY public.digests
    ADD CONSTRAINT digests_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.email_batches
    ADD CONSTRAINT email_batches_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.endpoints
    ADD CONSTRAINT endpoints_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.endpoints
    ADD CONSTRAINT endpoints_user_id_channel_address_key UNIQUE (user_id, channel, address);

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

ALTER TABLE ONLY public.notifications
    ADD CONSTRAINT notifications_pkey PRIMARY KEY (id, user_id);

ALTER TABLE ONLY public.outbox
    ADD CONSTRAINT outbox_pkey PRIMARY KEY (n);

ALTER TABLE ONLY public.parked
    ADD CONSTRAINT parked_pkey PRIMARY KEY (grp, seq);

ALTER TABLE ONLY public.preferences
    ADD CONSTRAINT preferences_pkey PRIMARY KEY (user_id);

ALTER TABLE ONLY public.provider_state
    ADD CONSTRAINT provider_state_pkey PRIMARY KEY (provider);

ALTER TABLE ONLY public.relay_heads
    ADD CONSTRAINT relay_heads_pkey PRIMARY KEY (stream);

ALTER TABLE ONLY public.relay_log
    ADD CONSTRAINT relay_log_pkey PRIMARY KEY (seq);

ALTER TABLE ONLY public.socket_sessions
    ADD CONSTRAINT socket_sessions_pkey PRIMARY KEY (pid);

ALTER TABLE ONLY public.stats_daily
    ADD CONSTRAINT stats_daily_pkey PRIMARY KEY (day, type);

ALTER TABLE ONLY public.telegram_bot
    ADD CONSTRAINT telegram_bot_pkey PRIMARY KEY (one);

ALTER TABLE ONLY public.telegram_links
    ADD CONSTRAINT telegram_links_pkey PRIMARY KEY (token_digest);

ALTER TABLE ONLY public.telegram_updates
    ADD CONSTRAINT telegram_updates_pkey PRIMARY KEY (update_id);

ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.verifications
    ADD CONSTRAINT verifications_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.walks
    ADD CONSTRAINT walks_pkey PRIMARY KEY (event_id, step);

ALTER TABLE ONLY public.webhook_ids
    ADD CONSTRAINT webhook_ids_pkey PRIMARY KEY (provider, id);

ALTER TABLE ONLY public.workers
    ADD CONSTRAINT workers_pkey PRIMARY KEY (grp, id);

CREATE INDEX audience_members_member ON public.audience_members USING btree (member);

CREATE INDEX consent_last ON public.consent USING btree (channel, address, topic, n DESC);

CREATE INDEX consent_user ON public.consent USING btree (user_id, n) WHERE (user_id IS NOT NULL);

CREATE INDEX consumer_commits_age ON public.consumer_commits USING brin (at) WITH (autosummarize='on');

CREATE INDEX decisions_age ON public.decisions USING brin (at);

CREATE INDEX decisions_notification ON public.decisions USING btree (user_id, notification_id, actor) WHERE gathers;

CREATE INDEX decisions_user ON public.decisions USING btree (user_id, at DESC);

CREATE INDEX deliveries_digest ON public.deliveries USING btree (digest_id) WHERE (digest_id IS NOT NULL);

CREATE INDEX deliveries_due ON public.deliveries USING btree (channel, priority, due_at) WHERE (status = ANY (ARRAY['queued'::text, 'held'::text]));

CREATE INDEX deliveries_ended ON public.deliveries USING btree (id, status) WHERE (status = ANY (ARRAY['failed'::text, 'unknown'::text]));

CREATE INDEX deliveries_event ON public.deliveries USING btree (event_id, user_id);

CREATE INDEX deliveries_leased ON public.deliveries USING btree (lease_until) WHERE (status = 'sending'::text);

CREATE INDEX deliveries_provider_ref ON public.deliveries USING btree (provider_ref, provider) WHERE (provider_ref IS NOT NULL);

CREATE INDEX deliveries_sent ON public.deliveries USING btree (user_id, channel, sent_at DESC) WHERE (sent_at IS NOT NULL);

CREATE INDEX deliveries_user ON public.deliveries USING btree (user_id, notification_id);

CREATE INDEX deliveries_waiting ON public.deliveries USING btree (channel, address) WHERE (status = ANY (ARRAY['queued'::text, 'held'::text]));

CREATE INDEX digests_due ON public.digests USING btree (due_at) WHERE (state = 'open'::text);

CREATE UNIQUE INDEX digests_open ON public.digests USING btree (endpoint_id, kind) WHERE (state = 'open'::text);

CREATE INDEX digests_user ON public.digests USING btree (user_id, opened_at DESC);

CREATE INDEX email_batches_open ON public.email_batches USING btree (due_at) WHERE (state = 'open'::text);

CREATE INDEX endpoints_address ON public.endpoints USING btree (channel, address);

CREATE INDEX event_ids_age ON public.event_ids USING brin (accepted_at);

CREATE INDEX idempotency_keys_age ON public.idempotency_keys USING btree (created_at);

CREATE INDEX notifications_list ON public.notifications USING btree (user_id, updated_at DESC);

CREATE UNIQUE INDEX notifications_open ON public.notifications USING btree (user_id, collapse_key) WHERE ((state = 'unread'::text) AND (collapse_key IS NOT NULL));

CREATE INDEX notifications_unread ON public.notifications USING btree (user_id) WHERE ((state = 'unread'::text) AND badge);

CREATE INDEX parked_dead ON public.parked USING btree (grp, seq) WHERE (state = 'dead'::text);

CREATE INDEX parked_waiting ON public.parked USING btree (grp, partition, subject, seq) WHERE (state = 'parked'::text);

CREATE INDEX relay_log_control ON public.relay_log USING btree (relayed_at) WHERE (control IS NOT NULL);

CREATE INDEX relay_log_event ON public.relay_log USING btree (event_id) WHERE (event_id IS NOT NULL);

CREATE INDEX relay_log_packet ON public.relay_log USING btree (relayed_at) WHERE (packet IS NOT NULL);

CREATE INDEX relay_log_partition ON public.relay_log USING btree (partition, seq) WHERE (partition IS NOT NULL);

CREATE INDEX relay_log_push ON public.relay_log USING btree (seq) WHERE (push_prev IS NOT NULL);

CREATE INDEX relay_log_relayed ON public.relay_log USING btree (relayed_at, seq);

CREATE INDEX relay_log_subject ON public.relay_log USING btree (subject, seq) WHERE (subject IS NOT NULL);

CREATE INDEX relay_log_type ON public.relay_log USING btree (type, seq) WHERE (type IS NOT NULL);

CREATE INDEX socket_sessions_gateway ON public.socket_sessions USING btree (gateway);

CREATE INDEX socket_sessions_user ON public.socket_sessions USING btree (user_id);

CREATE INDEX telegram_links_user ON public.telegram_links USING btree (user_id, created_at DESC);

CREATE INDEX telegram_updates_age ON public.telegram_updates USING btree (received_at);

CREATE INDEX telegram_updates_chat ON public.telegram_updates USING btree (chat, update_id);

CREATE INDEX telegram_updates_open ON public.telegram_updates USING btree (update_id) WHERE (state = 'open'::text);

CREATE INDEX telegram_updates_reply ON public.telegram_updates USING btree (reply_due_at) WHERE (reply_due_at IS NOT NULL);

CREATE INDEX verifications_address ON public.verifications USING btree (channel, address, created_at DESC);

CREATE INDEX verifications_endpoint ON public.verifications USING btree (endpoint_id, created_at DESC);

CREATE INDEX verifications_user ON public.verifications USING btree (user_id, created_at DESC);

CREATE INDEX walks_open ON public.walks USING btree (due_at) WHERE (state = 'open'::text);

CREATE INDEX webhook_ids_age ON public.webhook_ids USING btree (at);

CREATE TRIGGER digests_forgotten AFTER DELETE ON public.digests REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION public.forget_digest_items();

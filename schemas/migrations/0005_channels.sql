-- Push, SMS, Telegram and digests: what is sent beside notifications, proofs of addresses, and chats.

-- A delivery is of a notification, of a digest, or of a code that proves an address.
ALTER TABLE deliveries ALTER COLUMN event_id DROP NOT NULL, ALTER COLUMN notification_id DROP NOT NULL;
ALTER TABLE deliveries ADD COLUMN digest_id uuid, ADD COLUMN verification_id uuid;
ALTER TABLE deliveries ADD CONSTRAINT deliveries_of
    CHECK (num_nonnulls(event_id, digest_id, verification_id) = 1
           AND (event_id IS NULL) = (notification_id IS NULL));
-- From now on, one that waits and names a provider may go nowhere else.
UPDATE deliveries SET provider = NULL WHERE status IN ('queued', 'held');
CREATE INDEX deliveries_digest ON deliveries (digest_id) WHERE digest_id IS NOT NULL;
-- Of an address that takes nothing for a while, whatever waits for it.
CREATE INDEX deliveries_waiting ON deliveries (channel, address) WHERE status IN ('queued', 'held');

-- What was gathered for an endpoint. kind: scheduled (daily or weekly), spacing (a mail an hour after the last).
CREATE TABLE digests (
    id          uuid PRIMARY KEY,
    user_id     text NOT NULL,
    channel     text NOT NULL CHECK (channel IN ('email', 'telegram')),
    endpoint_id uuid NOT NULL,
    kind        text NOT NULL CHECK (kind IN ('scheduled', 'spacing')),
    state       text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'closed')),
    due_at      timestamptz NOT NULL,
    opened_at   timestamptz NOT NULL,
    closed_at   timestamptz
) WITH (fillfactor = 80);  -- each event that is gathered touches the row of its digest
CREATE UNIQUE INDEX digests_open ON digests (endpoint_id, kind) WHERE state = 'open';
CREATE INDEX digests_due ON digests (due_at) WHERE state = 'open';
CREATE INDEX digests_user ON digests (user_id, opened_at DESC);

-- No foreign key: looking it up for each of 100,000 items takes longer than adding them. Who adds holds the digest.
CREATE TABLE digest_items (
    digest_id       uuid NOT NULL,
    event_id        uuid NOT NULL,
    notification_id uuid NOT NULL,
    topic           text NOT NULL,
    at              timestamptz NOT NULL,
    left_out        text,  -- why it was not told with the rest
    PRIMARY KEY (digest_id, event_id)
);
CREATE FUNCTION forget_digest_items() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM digest_items i USING gone WHERE i.digest_id = gone.id;
    RETURN NULL;
END
$$;
CREATE TRIGGER digests_forgotten AFTER DELETE ON digests REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION forget_digest_items();

-- A proof that an address is the person's: the code itself is not stored, it follows from id and secret.
CREATE TABLE verifications (
    id          uuid PRIMARY KEY,
    user_id     text NOT NULL,
    endpoint_id uuid NOT NULL,
    channel     text NOT NULL,
    address     text NOT NULL,
    created_at  timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,
    tries       int NOT NULL DEFAULT 0,  -- wrong ones
    quiet       boolean NOT NULL DEFAULT false,  -- nothing was sent: the address has had enough
    used_at     timestamptz
);
CREATE INDEX verifications_endpoint ON verifications (endpoint_id, created_at DESC);
CREATE INDEX verifications_user ON verifications (user_id, created_at DESC);
CREATE INDEX verifications_address ON verifications (channel, address, created_at DESC);

-- What a person shows the bot to say who they are: once, for ten minutes.
CREATE TABLE telegram_links (
    token_digest bytea PRIMARY KEY,
    user_id      text NOT NULL,
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    used_at      timestamptz
);
CREATE INDEX telegram_links_user ON telegram_links (user_id, created_at DESC);

-- How the bot is called, which its links need; told by Telegram. Its number is the first part of its token.
CREATE TABLE telegram_bot (
    one      boolean PRIMARY KEY DEFAULT true CHECK (one),
    number   text NOT NULL,
    username text NOT NULL
);

-- What Telegram told the bot, kept until it was handled, in the order of its numbers; and what it answered.
CREATE TABLE telegram_updates (
    update_id    bigint PRIMARY KEY,
    chat         bigint,        -- of one chat, one update after the other is handled
    body         jsonb NOT NULL,
    state        text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'done', 'dead')),
    attempts     int NOT NULL DEFAULT 0,
    due_at       timestamptz NOT NULL DEFAULT now(),
    owner        text,
    lease_until  timestamptz,
    error        text,
    did          text,          -- what came of it, such as linked, stopped, ignored
    reply        text,
    reply_due_at timestamptz,   -- NULL once the call that says it has begun: nothing is said twice
    received_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX telegram_updates_open ON telegram_updates (update_id) WHERE state = 'open';
CREATE INDEX telegram_updates_chat ON telegram_updates (chat, update_id);
CREATE INDEX telegram_updates_reply ON telegram_updates (reply_due_at) WHERE reply_due_at IS NOT NULL;
CREATE INDEX telegram_updates_age ON telegram_updates (received_at);

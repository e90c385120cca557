-- Connection state recovery: what a gateway must know of a session that another one began.

-- A gateway that was killed says nothing: how long ago it was seen is how long its clients are gone.
CREATE TABLE gateways (
    id      text PRIMARY KEY,
    seq     bigint NOT NULL,  -- what it had delivered, with everything it changed in sessions stored
    seen_at timestamptz NOT NULL
);

-- A row belongs to one gateway, and changes only by it or when another gateway takes it over.
CREATE TABLE socket_sessions (
    pid       text PRIMARY KEY,
    sid       text NOT NULL,
    namespace text NOT NULL,
    user_id   text NOT NULL,
    gateway   text NOT NULL,   -- empty when the client left for good: then nobody can come back
    rooms     jsonb NOT NULL,  -- room: the number from which on its entries are owed
    as_of     bigint NOT NULL, -- the number at which the rooms were these
    heard     bigint NOT NULL, -- between this number and as_of there was nothing for these rooms
    left_at   timestamptz      -- NULL while the client is connected, or its gateway died
);
CREATE INDEX socket_sessions_gateway ON socket_sessions (gateway);
CREATE INDEX socket_sessions_user ON socket_sessions (user_id);
-- Rows change often and live for minutes.
ALTER TABLE socket_sessions SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);

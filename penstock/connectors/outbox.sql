-- The transactional outbox of penstock. Run it once per database; running it again changes nothing.
-- The application inserts a row in the same transaction as its own change; a `postgres_outbox` source publishes and
-- deletes it. Rows of one key leave in the order of `position`, also with several relays: a relay locks a lane.

CREATE TABLE IF NOT EXISTS {table} (
    position        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id              uuid NOT NULL DEFAULT gen_random_uuid() UNIQUE,  -- the event's id (ce_id)
    topic           text NOT NULL,
    key             text,                                            -- null: no order
    type            text,                                            -- null: the topic's own
    data            jsonb,                                           -- null: a tombstone
    subject         text,
    time            timestamptz NOT NULL DEFAULT now(),
    correlation_id  text,
    causation_id    text,
    tenant          text,
    traceparent     text,
    headers         jsonb NOT NULL DEFAULT '{{}}',                     -- further headers: an object of texts
    lane            smallint GENERATED ALWAYS AS (mod(abs(hashtext(coalesce(key, id::text))::bigint), 16)) STORED
);
CREATE INDEX IF NOT EXISTS {bare}_by_lane ON {table} (lane, position);

-- One row per lane. A relay takes lanes by SELECT ... FOR UPDATE SKIP LOCKED and holds them while it publishes.
CREATE TABLE IF NOT EXISTS {table}_lane (lane smallint PRIMARY KEY);
INSERT INTO {table}_lane SELECT generate_series(0, 15) ON CONFLICT DO NOTHING;

-- Wakes relays that LISTEN on the channel {bare}; sent when the application's transaction commits.
CREATE OR REPLACE FUNCTION {table}_notify() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('{bare}', '');
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER {bare}_notify AFTER INSERT ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION {table}_notify();

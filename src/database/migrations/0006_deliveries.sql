-- Messages that wait for a sink: a row for each sink and message. It is written with the row that the message tells of, and
-- deleted when the receiver has acknowledged the message. What is sent is made of the rows that it tells of.
CREATE TABLE deliveries (
    sink TEXT NOT NULL,
    -- That of the inspection, the verdict or the event.
    id TEXT NOT NULL,
    line TEXT NOT NULL,
    -- `inspection`, `verdict`, `verdict_undone` or `drift`.
    event TEXT NOT NULL,
    inspection TEXT NOT NULL,
    -- When it was put here, or put back: it is given up some time after.
    queued BIGINT NOT NULL,
    -- How many times the receiver has refused it.
    refusals BIGINT NOT NULL DEFAULT 0,
    -- When it was given up; 0: it waits.
    dead BIGINT NOT NULL DEFAULT 0,
    -- Why it was given up.
    error TEXT,
    PRIMARY KEY (sink, id)
);
CREATE INDEX deliveries_waiting ON deliveries (sink, line, id) WHERE dead = 0;
CREATE INDEX deliveries_dead ON deliveries (sink, id) WHERE dead > 0;

-- Which of the servers that share the database delivers to a sink.
CREATE TABLE delivery_leases (
    sink TEXT NOT NULL PRIMARY KEY,
    -- Another one for each process.
    owner TEXT NOT NULL,
    -- Milliseconds since 1970, by the clock of the database.
    expires BIGINT NOT NULL
);

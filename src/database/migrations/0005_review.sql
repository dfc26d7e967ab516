-- What a reviewer's page holds, so that nobody else gets it.
CREATE TABLE claims (
    -- An inspection, or a planted item.
    item TEXT NOT NULL PRIMARY KEY,
    line TEXT NOT NULL,
    session TEXT NOT NULL,
    -- The order in which the session got its items.
    place BIGINT NOT NULL,
    until BIGINT NOT NULL
);
CREATE INDEX claims_by_session ON claims (line, session, place);

-- Copies of inspections whose answer is known, which measure reviewers. They are no inspections: nothing counts them.
CREATE TABLE planted (
    id TEXT NOT NULL PRIMARY KEY,
    created BIGINT NOT NULL,
    line TEXT NOT NULL,
    -- The inspection that it is a copy of.
    inspection TEXT NOT NULL,
    -- What a reviewer should say: `ok` or `ng`.
    verdict TEXT NOT NULL,
    answer TEXT NOT NULL,
    content TEXT NOT NULL,
    scored_by TEXT NOT NULL,
    who TEXT NOT NULL,
    -- When it was taken out of the queue; 0: it is in it.
    retired BIGINT NOT NULL DEFAULT 0,
    UNIQUE (line, inspection)
);
CREATE TABLE planted_answers (
    -- The planted item.
    item TEXT NOT NULL,
    who TEXT NOT NULL,
    id TEXT NOT NULL,
    created BIGINT NOT NULL,
    verdict TEXT NOT NULL,
    PRIMARY KEY (item, who)
);

-- The same request again gives the same verdict.
ALTER TABLE verdicts ADD COLUMN idempotency_key TEXT;
CREATE UNIQUE INDEX verdicts_by_key ON verdicts (inspection, idempotency_key);

-- The figures of a period, from the index alone.
CREATE INDEX inspections_by_time ON inspections (line, created, decision, verdict);
CREATE INDEX inspections_by_lot ON inspections (line, lot, id) WHERE lot IS NOT NULL;

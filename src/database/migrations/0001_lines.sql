-- Both SQLite and PostgreSQL run this file. Times are milliseconds since 1970; ids are UUIDs of version 7, so that their
-- order is that of time.

CREATE TABLE lines (
    name TEXT NOT NULL,
    version BIGINT NOT NULL,
    body TEXT NOT NULL,
    created BIGINT NOT NULL,
    who TEXT NOT NULL,
    deleted BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (name, version)
);

CREATE TABLE inspections (
    id TEXT NOT NULL PRIMARY KEY,
    created BIGINT NOT NULL,
    line TEXT NOT NULL,
    version BIGINT NOT NULL,
    model TEXT NOT NULL,
    -- What the score depends on: model and reference.
    scored_by TEXT NOT NULL,
    calibration TEXT,
    decision TEXT NOT NULL,
    score DOUBLE PRECISION,
    p_ok DOUBLE PRECISION,
    p_ng DOUBLE PRECISION,
    part TEXT,
    lot TEXT,
    station TEXT,
    trigger_number BIGINT,
    idempotency_key TEXT,
    -- SHA-256 of the hashes of all images.
    content TEXT NOT NULL,
    -- 1: a keyed hash chose it for a person, whatever was decided.
    audit BIGINT NOT NULL,
    -- 1: the line's monitors have seen its score.
    observed BIGINT NOT NULL,
    -- The last verdict that was not undone, or 'none'. The table of verdicts has all of them.
    verdict TEXT NOT NULL DEFAULT 'none',
    -- The answer, as it was given.
    answer TEXT NOT NULL,
    UNIQUE (line, idempotency_key)
);
CREATE INDEX inspections_by_line ON inspections (line, id);
CREATE INDEX inspections_by_decision ON inspections (line, decision, id);
CREATE INDEX inspections_by_verdict ON inspections (line, verdict, id);
CREATE INDEX inspections_by_both ON inspections (line, decision, verdict, id);
CREATE INDEX inspections_of_audit ON inspections (line, id) WHERE audit = 1;
CREATE INDEX inspections_by_calibration ON inspections (calibration, id);
CREATE INDEX inspections_by_part ON inspections (part) WHERE part IS NOT NULL;

CREATE TABLE inspection_images (
    inspection TEXT NOT NULL,
    place BIGINT NOT NULL,
    hash TEXT NOT NULL,
    kind TEXT NOT NULL,
    -- When the image was deleted; 0: it is there.
    deleted BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (inspection, place)
);
CREATE INDEX images_by_hash ON inspection_images (hash, inspection);
CREATE INDEX images_present ON inspection_images (inspection) WHERE deleted = 0;

-- Rows are only added: a verdict is undone by a row.
CREATE TABLE verdicts (
    id TEXT NOT NULL PRIMARY KEY,
    created BIGINT NOT NULL,
    inspection TEXT NOT NULL,
    verdict TEXT NOT NULL,
    kind TEXT,
    caption TEXT,
    reason TEXT,
    who TEXT NOT NULL
);
CREATE INDEX verdicts_by_inspection ON verdicts (inspection, id);

-- Labelled parts with their scores.
CREATE TABLE parts (
    id TEXT NOT NULL PRIMARY KEY,
    created BIGINT NOT NULL,
    line TEXT NOT NULL,
    scored_by TEXT NOT NULL,
    lot TEXT NOT NULL,
    class TEXT NOT NULL,
    score DOUBLE PRECISION NOT NULL,
    -- Figures of the pictures, as JSON.
    camera TEXT NOT NULL,
    content TEXT NOT NULL,
    declared TEXT NOT NULL,
    who TEXT NOT NULL,
    UNIQUE (line, scored_by, content)
);

CREATE TABLE calibrations (
    id TEXT NOT NULL PRIMARY KEY,
    created BIGINT NOT NULL,
    line TEXT NOT NULL,
    version BIGINT NOT NULL,
    scored_by TEXT NOT NULL,
    who TEXT NOT NULL,
    -- What a person reads.
    report TEXT NOT NULL,
    -- What the line decides with.
    in_force TEXT NOT NULL
);
CREATE INDEX calibrations_by_line ON calibrations (line, id);

-- Who did what, and when. Rows are only added.
CREATE TABLE events (
    id TEXT NOT NULL PRIMARY KEY,
    created BIGINT NOT NULL,
    who TEXT NOT NULL,
    what TEXT NOT NULL,
    line TEXT NOT NULL,
    inspection TEXT,
    detail TEXT NOT NULL
);
CREATE INDEX events_by_line ON events (line, what, id);

-- Keys of keyed hashes, as hexadecimal digits: all servers of one database choose alike.
CREATE TABLE secrets (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

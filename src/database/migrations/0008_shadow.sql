-- Models that decide beside the one that a line has. Nothing of it reaches the line's answers.
CREATE TABLE shadows (
    id TEXT NOT NULL PRIMARY KEY,
    created BIGINT NOT NULL,
    line TEXT NOT NULL,
    -- The version of the line that it stands beside.
    version BIGINT NOT NULL,
    model TEXT NOT NULL,
    -- Share of the inspections that it decides, too.
    share DOUBLE PRECISION NOT NULL,
    who TEXT NOT NULL,
    -- Its calibration: what a person reads, and what it decides with.
    scored_by TEXT NOT NULL,
    report TEXT NOT NULL,
    in_force TEXT NOT NULL,
    -- When it was ended; 0: it runs.
    ended BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX shadows_by_line ON shadows (line, id);

CREATE TABLE shadow_decisions (
    shadow TEXT NOT NULL,
    inspection TEXT NOT NULL,
    decision TEXT NOT NULL,
    score DOUBLE PRECISION,
    -- 1: the line has decided otherwise.
    differs BIGINT NOT NULL,
    PRIMARY KEY (shadow, inspection)
);
CREATE INDEX shadow_differences ON shadow_decisions (shadow, inspection) WHERE differs = 1;
